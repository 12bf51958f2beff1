"""Around the main job: what someone chose stays, addresses keep filters, signing out leads back."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing, person
from .product import PASSWORD, Product
from .screens import waiting_process

PROCESS = "order-to-cash-demo"


@pytest.mark.req("FR-009")
def test_a_live_update_never_takes_away_what_someone_chose(product: Product, page: Page) -> None:
    """A newer run is offered to who reads an older one, and shown when asked for."""
    product.check(PROCESS, "4711")
    page.goto(f"/processes/{PROCESS}")
    expect(page.get_by_test_id("verdict")).to_contain_text("stuck at 5")
    expect(page.get_by_test_id("live")).to_have_text("live")
    page.locator("[data-step=shop_page]").click()
    product.check(PROCESS, "4712")
    latest = page.get_by_role("button", name="Show the latest")
    expect(latest).to_be_visible()
    expect(page.get_by_test_id("verdict")).to_contain_text("stuck at 5")
    expect(page.locator("[data-step=shop_page]")).to_have_attribute("aria-current", "step")
    latest.click()
    expect(page.get_by_test_id("verdict")).to_contain_text("passed", ignore_case=True)


@pytest.mark.req("FR-006")
def test_a_run_is_cancelled_after_asking(product: Product, page: Page) -> None:
    """The button asks first; the verdict says who cancelled."""
    run = product.start(waiting_process(product))
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_test_id("verdict")).to_contain_text("Cancelled at 1 “The file” by admin")
    assert product.wait(run)["status"] == "cancelled"


@pytest.mark.req("FR-004")
def test_filters_live_in_the_address(page: Page) -> None:
    """A filtered list is the same after a reload."""
    page.goto("/processes")
    page.get_by_label("Search processes").fill("order")
    expect(page).to_have_url(re.compile("q=order"))
    page.get_by_label("Category").select_option("sales")
    expect(page).to_have_url(re.compile("category=sales"))
    page.reload()
    expect(page.get_by_role("link", name="Order to cash (demo)", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Stock export", exact=True)).to_have_count(0)


@pytest.mark.req("NFR-010")
def test_signing_out_and_in_leads_back(product: Product, browser: Browser) -> None:
    """Who was sent to the sign-in page comes back to where they wanted to be."""
    name = person(product, "viewer")
    with browsing(product, browser, name) as page:
        page.get_by_role("button", name="Account of").click()
        page.get_by_role("menuitem", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        page.goto("/history?status=stuck")
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(re.compile(r"/history\?status=stuck"))
        expect(page.get_by_role("button", name="Check")).to_have_count(0)
