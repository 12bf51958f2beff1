"""What holds for every screen: readable by everyone, at every width, safe with hostile text, quiet for who asks."""

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing
from .conftest import WebhookSink
from .product import Product
from .screens import PROCESS, Screen, furnish, visit, waiting_process

pytestmark = pytest.mark.parametrize("product", ["embedded"], indirect=True)

AXE = Path(__file__).parents[2] / "services/gateway/ui/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOK = """async rules => (await axe.run({ runOnly: rules })).violations.map(
    fault => `${fault.id}: ${fault.nodes.map(node => node.html.slice(0, 200)).join(' | ')}`)"""
WIDTHS = (360, 768, 1440, 2560)
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
MOVING = """() => document.getAnimations().filter(
    one => one.playState === 'running' && one.effect.getComputedTiming().activeDuration > 1).length"""


@pytest.fixture(scope="module")
def screens(product: Product, webhook_sink: WebhookSink) -> list[Screen]:
    return furnish(product, webhook_sink.url)


@pytest.mark.req("FR-016")
@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 1440), ("light", 360)])
def test_axe_finds_no_fault(product: Product, browser: Browser, screens: list[Screen], theme: str, width: int) -> None:
    """WCAG 2.2 AA and best practice, on every screen and dialog, in both themes, on desk and phone."""
    viewport = {"width": width, "height": 900}
    faults: dict[str, list[str]] = {}
    with browsing(
        product, browser, color_scheme=theme, viewport=viewport, reduced_motion="reduce", bypass_csp=True
    ) as page:
        for screen in visit(page, screens):
            page.add_script_tag(path=AXE)
            found = page.evaluate(LOOK, RULES)
            if found:
                faults[screen.name] = found
    assert faults == {}


@pytest.mark.req("FR-016")
def test_every_screen_fits_from_phone_to_wall(product: Product, browser: Browser, screens: list[Screen]) -> None:
    """Nothing has to be scrolled sideways at any width."""
    faults: list[tuple[str, int, int]] = []
    with browsing(product, browser, reduced_motion="reduce") as page:
        for screen in visit(page, screens):
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                beyond = page.evaluate(TOO_WIDE)
                if beyond > 0:
                    faults.append((screen.name, width, beyond))
            page.set_viewport_size({"width": 1440, "height": 1000})
    assert faults == []


@pytest.mark.req("NFR-012")
def test_hostile_text_stays_text_on_every_screen(product: Product, browser: Browser, screens: list[Screen]) -> None:
    """What people wrote is shown letter by letter; no element and no script comes of it, even without the policy."""
    shown = 0
    with browsing(product, browser, bypass_csp=True) as page:
        for screen in visit(page, [*screens, Screen("hostile connection", "/connections/hostile")]):
            assert page.evaluate("() => window.owned") is None, screen.name
            assert page.locator("img[src=x]").count() == 0, screen.name
            shown += page.get_by_text("<img src=x").count()
    assert shown > 10


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
def test_the_main_job_is_done_by_keyboard_alone(product: Product, browser: Browser) -> None:
    """Search, open, check, go to the failing step, read its evidence, walk the grid: the mouse stays where it is."""
    with browsing(product, browser) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.keyboard.press("/")
        page.keyboard.type("Order to cash")
        expect(page.get_by_role("option", name="Order to cash (demo)").first).to_be_visible()
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{product.url}/processes/{PROCESS}")
        expect(page.get_by_role("button", name="Check").first).to_be_visible()
        page.keyboard.press("c")
        expect(page.get_by_label("Order number")).to_be_focused()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("4711")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("verdict")).to_contain_text("stuck at 5")
        page.keyboard.press("n")
        expect(page.locator("[data-step=invoice_file]")).to_have_attribute("aria-current", "step")
        reach(page, "tab", "Expected / Actual")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Data")).to_have_attribute("aria-selected", "true")
        page.keyboard.press("g")
        expect(page.locator("[data-run]:focus, [data-run]:focus-within").first).to_be_visible()


UNMARKED: Final = """() => {
    const found = document.activeElement;
    if (found === document.body) return null;
    const marked = [found, found.parentElement].some((element) => getComputedStyle(element).outlineStyle !== 'none');
    return marked ? null : found.outerHTML.slice(0, 200);
}"""
"""What has the focus without a ring: on itself, or on the frame of a field that has an icon in it."""


def reach(page: Page, role: str, name: str) -> None:
    """Press Tab until something has the focus; each stop on the way is visibly marked.

    Between the last stop and the first one nothing has the focus: the browser's own controls follow there.
    """
    wanted = page.get_by_role(role, name=name)  # type: ignore[arg-type]
    for _ in range(200):
        page.keyboard.press("Tab")
        assert page.evaluate(UNMARKED) is None
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach the {role} {name}")
