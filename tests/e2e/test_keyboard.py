"""The main job without a mouse, in both topologies."""

from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing
from .product import Product
from .screens import PROCESS


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
