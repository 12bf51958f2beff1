"""The stuck board in the browser: which orders are open, where they wait, and the way to each of them."""

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing, person
from .product import Product

PROCESS = "order-to-cash-demo"
READ_AGAIN_MS = 10_000
"""How often a board that is looked at is read again."""


@pytest.mark.req("FR-017")
@pytest.mark.req("FR-020")
def test_the_board_leads_from_the_funnel_to_a_key_and_its_run(product: Product, page: Page) -> None:
    """Two orders wait for their invoice file, one for its invoice; a key opens its run, or is checked from here."""
    product.check(PROCESS, "4711")
    page.goto(f"/processes/{PROCESS}")
    page.get_by_role("link", name="Stuck board", exact=True).click()
    page.get_by_role("button", name="Take the board").or_(page.get_by_role("button", name="Refresh")).click()
    verdict = page.get_by_test_id("board-verdict")
    expect(verdict).to_contain_text("3 of 7 open keys wait")
    expect(verdict).to_contain_text("Invoice was written")
    step = page.locator("[data-board-step=invoice_file]")
    expect(step).to_contain_text("2 wait")
    step.click()
    expect(step).to_have_attribute("aria-pressed", "true")
    keys = page.get_by_role("table", name="Open keys")
    expect(keys.get_by_role("row")).to_have_count(3)
    expect(keys.get_by_role("row").filter(has_text="4711")).to_contain_text("stuck")
    expect(keys.get_by_role("row").filter(has_text="4711")).to_contain_text("here for")
    page.get_by_label("Find a key").fill("4713")
    expect(keys.get_by_role("row")).to_have_count(2)
    page.get_by_label("Find a key").fill("nothing")
    expect(page.get_by_text("No key begins so")).to_be_visible()
    page.get_by_label("Find a key").fill("")
    keys.get_by_role("link", name="4711", exact=True).click()
    expect(page.get_by_test_id("verdict")).to_contain_text("stuck at 5")
    page.go_back()
    expect(step).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Check 4713").click()
    expect(page.get_by_test_id("verdict")).to_contain_text("not yet", ignore_case=True)


@pytest.mark.req("NFR-010")
def test_viewers_read_the_board_and_take_none(product: Product, browser: Browser) -> None:
    """Asking the databases anew, and checking a key, is for operators; their board is seen without a reload."""
    with product.client() as client:
        assert client.post(f"/processes/{PROCESS}/stuck-board").status_code == 200
    with browsing(product, browser, person(product, "viewer")) as page:
        page.clock.install()
        page.goto(f"/processes/{PROCESS}/stuck-board")
        expect(page.get_by_test_id("board-verdict")).to_contain_text("open keys wait")
        expect(page.get_by_role("button", name="Refresh")).to_have_count(0)
        expect(page.get_by_role("button", name="Check")).to_have_count(0)
        taken = page.get_by_text("Taken").get_by_role("time")
        before = taken.get_attribute("datetime")
        with product.client() as client:
            assert client.post(f"/processes/{PROCESS}/stuck-board").status_code == 200
        page.clock.fast_forward(READ_AGAIN_MS)
        expect(taken).not_to_have_attribute("datetime", before or "")


def test_a_process_without_open_keys_has_no_board(page: Page) -> None:
    """Its page offers none, and the address says what is missing."""
    page.goto("/processes/shop-health-demo")
    expect(page.get_by_role("link", name="Definition", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Stuck board", exact=True)).to_have_count(0)
    page.goto("/processes/shop-health-demo/stuck-board")
    expect(page.get_by_role("alert")).to_contain_text("has no population")


@pytest.mark.req("FR-017")
def test_every_board_is_found_from_the_navigation(product: Product, page: Page) -> None:
    """The list says of each board how many wait and since when; a column of its small funnel opens those keys."""
    with product.client() as client:
        assert client.post(f"/processes/{PROCESS}/stuck-board").status_code == 200
    page.goto("/")
    page.get_by_role("link", name="Stuck boards", exact=True).click()
    line = page.locator(f"[data-board={PROCESS}]")
    expect(line).to_contain_text("3 of 7 open keys wait")
    expect(line).to_contain_text("oldest")
    expect(page.locator("[data-board=shop-health-demo]")).to_have_count(0)
    line.get_by_role("link", name="5 Invoice file reached the bank folder: 2 keys wait").click()
    expect(page.locator("[data-board-step=invoice_file]")).to_have_attribute("aria-pressed", "true")
    current = page.get_by_role("navigation", name="Main").locator("[aria-current=page]")
    expect(current).to_have_text(["Stuck boards"])
    page.get_by_role("navigation", name="Where you are").get_by_role("link", name="Stuck boards").click()
    line.get_by_role("link", name="Order to cash (demo)", exact=True).click()
    expect(page.get_by_test_id("board-verdict")).to_be_visible()
