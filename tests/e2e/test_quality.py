"""What holds for every screen: readable by everyone, at every width, safe with hostile text, quiet for who asks."""

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import axe_faults, browsing
from .conftest import WebhookSink
from .product import Product
from .screens import PROCESS, Screen, furnish, loaded, painted, visit, waiting_process

pytestmark = [
    pytest.mark.parametrize("product", ["embedded"], indirect=True),
    pytest.mark.timeout(900),  # each looks at every screen, and axe takes its time
]

WIDTHS = (360, 768, 1440, 2560)
TOO_WIDE = """async () => {
    const beyond = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const seen = [beyond()];
    for (const _ of [1, 2]) {
        await new Promise(drawn => requestAnimationFrame(drawn));
        seen.push(beyond());
    }
    return Math.max(...seen);
}"""
"""At once, and when it has been drawn: no frame is too wide."""
COUNT_TRANSITIONS = """() => {
    window.transitions = 0;
    document.addEventListener('transitionrun', () => { window.transitions += 1; });
}"""
MOVING = """() => document.getAnimations().filter(
    one => one.playState === 'running' && one.effect.getComputedTiming().activeDuration > 1).length"""


@dataclass(frozen=True)
class Seen:
    """What one look at a screen tells: faults of axe by light and in the dark, how far it is too wide at which width,
    traces of markup."""

    axe: list[str]
    dark: list[str]
    beyond: dict[int, int]
    owned: Any
    images: int
    shown: int


@pytest.fixture(scope="module")
def screens(product: Product, webhook_sink: WebhookSink) -> list[Screen]:
    return [*furnish(product, webhook_sink.url), Screen("hostile connection", "/connections/hostile")]


@pytest.fixture(scope="module")
def desk(product: Product, browser: Browser, screens: list[Screen]) -> dict[str, Seen]:
    """Every screen and dialog once, on a desk, loaded in the light theme, without the policy that keeps scripts out."""
    with browsing(product, browser, color_scheme="light", reduced_motion="reduce", bypass_csp=True) as page:
        return {screen.name: seen(page) for screen in visit(page, screens)}


def seen(page: Page) -> Seen:
    faults = axe_faults(page)
    owned, images = page.evaluate("() => window.owned"), page.locator("img[src=x]").count()
    shown = page.get_by_text("<img src=x").count()
    painted(page, "dark")
    dark = axe_faults(page)
    painted(page, "light")
    beyond = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        beyond[width] = page.evaluate(TOO_WIDE)
    page.set_viewport_size({"width": 1440, "height": 1000})
    return Seen(faults, dark, {width: more for width, more in beyond.items() if more > 0}, owned, images, shown)


@pytest.mark.req("FR-016")
def test_axe_finds_no_fault_on_a_desk(desk: dict[str, Seen]) -> None:
    """WCAG 2.2 AA and best practice, on every screen and dialog in the light theme."""
    assert {name: one.axe for name, one in desk.items() if one.axe} == {}


@pytest.mark.req("FR-016")
def test_axe_finds_no_fault_in_the_dark(desk: dict[str, Seen]) -> None:
    """The same when the system's theme changes under the open screen."""
    assert {name: one.dark for name, one in desk.items() if one.dark} == {}


@pytest.mark.req("FR-016")
def test_axe_finds_no_fault_on_a_phone(product: Product, browser: Browser, screens: list[Screen]) -> None:
    """The same in the hand, going from screen to screen."""
    viewport = {"width": WIDTHS[0], "height": 900}
    faults: dict[str, list[str]] = {}
    with browsing(
        product, browser, color_scheme="light", viewport=viewport, reduced_motion="reduce", bypass_csp=True
    ) as page:
        for screen in visit(page, screens, anew=False):
            if found := axe_faults(page):
                faults[screen.name] = found
    assert faults == {}


@pytest.mark.req("FR-016")
def test_every_screen_fits_from_phone_to_wall(desk: dict[str, Seen]) -> None:
    """Nothing has to be scrolled sideways at any width."""
    assert {name: one.beyond for name, one in desk.items() if one.beyond} == {}


@pytest.mark.req("NFR-012")
def test_hostile_text_stays_text_on_every_screen(desk: dict[str, Seen]) -> None:
    """What people wrote is shown letter by letter; no element and no script comes of it, even without the policy."""
    assert {name for name, one in desk.items() if one.owned is not None or one.images} == set()
    assert sum(one.shown for one in desk.values()) > 10


@pytest.mark.req("FR-016")
def test_who_asks_for_less_motion_gets_none(product: Product, browser: Browser) -> None:
    """While a run is under way, and while a dialog opens, nothing moves."""
    run = product.start(waiting_process(product))
    with browsing(product, browser, reduced_motion="reduce") as page:
        page.goto(f"/processes/{PROCESS}")
        page.get_by_role("button", name="Check").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert page.evaluate(MOVING) == 0
        page.goto(f"/runs/{run}")
        expect(page.get_by_test_id("verdict")).to_have_attribute("data-status", "running")
        assert page.evaluate(MOVING) == 0
    with product.client() as client:
        assert client.post(f"/runs/{run}/cancel").status_code in (200, 202)


@pytest.mark.req("FR-016")
def test_who_asks_for_less_motion_sees_a_new_width_at_once(product: Product, browser: Browser) -> None:
    """A table that becomes cards does not slide there: nothing is drawn too wide meanwhile."""
    with browsing(product, browser, reduced_motion="reduce") as page:
        page.goto("/processes")
        loaded(page)
        expect(page.get_by_role("table", name="Processes")).to_be_visible()
        page.evaluate(COUNT_TRANSITIONS)
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        assert page.evaluate(TOO_WIDE) == 0
        assert page.evaluate("() => window.transitions") == 0
