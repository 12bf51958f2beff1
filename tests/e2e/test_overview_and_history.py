"""What all processes say at a glance, on a desk and on a wall; and what any run of the past said."""

import json
import re
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing, person
from .product import Product, eventually

PROCESS: Final = "order-to-cash-demo"
HEALTH: Final = "shop-health-demo"


def names(page: Page) -> list[str]:
    return page.get_by_label("Processes", exact=True).get_by_role("link").all_inner_texts()


@pytest.mark.req("FR-017")
def test_the_overview_has_what_is_red_first_and_follows_live(product: Product, page: Page) -> None:
    """A process that gets stuck moves above those that are fine, with its key, its verdict and a new mark in its strip;
    when it is fine again the sentence says so."""
    product.check(HEALTH)
    product.check(PROCESS, "4712")
    page.goto("/")
    expect(page.get_by_test_id("live")).to_have_text("live")
    row = page.locator("div", has=page.get_by_role("link", name="Order to cash (demo)", exact=True)).last.locator(
        "../.."
    )
    expect(row).to_contain_text("All 7 steps passed")
    product.check(PROCESS, "4711")
    expect(row).to_contain_text("4711")
    expect(row).to_contain_text("stuck at 5")
    expect(row).to_contain_text("stuck for")
    eventually(lambda: names(page).index("Order to cash (demo)") < names(page).index("Shop is open (demo)"))
    expect(page.get_by_role("list", name="Processes by state")).to_contain_text("stuck")
    strip = row.get_by_role("img")
    expect(strip).to_have_attribute("aria-label", re.compile(r"Last \d+ runs: .*stuck"))
    box = strip.bounding_box()
    assert box
    strip.hover(position={"x": box["width"] - 3, "y": 10})
    expect(strip).to_have_attribute("title", "stuck")
    strip.click(position={"x": box["width"] - 3, "y": 10})
    expect(page.get_by_test_id("verdict")).to_contain_text("stuck at 5")


@pytest.mark.req("FR-017")
def test_the_wall_screen_needs_no_hand(product: Product, page: Page) -> None:
    """It follows live, tells the time and whether it is live, and Esc leads back."""
    product.check(PROCESS, "4712")
    page.goto("/")
    page.get_by_role("link", name="Wall screen").click()
    expect(page.get_by_role("navigation", name="Main")).to_have_count(0)
    tile = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="Order to cash (demo)", exact=True))
    expect(tile).to_contain_text("fine for")
    product.check(PROCESS, "4711")
    expect(tile).to_contain_text("stuck for")
    expect(tile).to_contain_text("4711")
    expect(page.get_by_text(re.compile(r"^\d\d:\d\d:\d\d$"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


@pytest.mark.req("FR-019")
def test_a_run_is_found_by_key_process_state_person_and_period(product: Product, page: Page, browser: Browser) -> None:
    """Each filter narrows the list, all of them live in the address, and the export holds the same runs."""
    olga = person(product, "operator")
    with browsing(product, browser, olga) as hers:
        hers.goto(f"/processes/{PROCESS}")
        expect(hers.get_by_role("button", name="Check").first).to_be_enabled()
        hers.keyboard.press("c")
        hers.get_by_label("Order number").fill("4711")
        hers.get_by_role("button", name="Start check").click()
        expect(hers).to_have_url(re.compile("run="))
        expect(hers.get_by_test_id("verdict")).to_contain_text("stuck at 5")
        run = hers.url.partition("run=")[2].partition("&")[0]
    product.check(PROCESS, "4712")
    page.goto("/history")
    lines = page.get_by_label("Runs", exact=True).get_by_role("listitem")
    page.get_by_label("Started by").fill(olga)
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("stuck at 5")
    for field, value in (("Process", PROCESS), ("State", "stuck"), ("Started", "manual")):
        page.get_by_label(field, exact=True).select_option(value)
        expect(lines).to_have_count(1)
    page.get_by_label("Key", exact=True).fill("4711")
    expect(page).to_have_url(re.compile("key=4711"))
    page.reload()
    expect(lines).to_have_count(1)
    eventually(lambda: run in product_export(product, olga), 30)
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON", exact=True).click()
    assert [item["run_id"] for item in json.loads(download.value.path().read_text())["items"]] == [run]
    page.get_by_label("To day").fill("2020-01-01")
    expect(page.get_by_text("No run matches")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(lines.nth(1)).to_be_visible()


def product_export(product: Product, username: str) -> str:
    with product.client() as client:
        return client.get("/reports/runs.json", params={"initiated_by": username}).text


@pytest.mark.req("FR-019")
def test_a_run_that_goes_on_changes_in_the_list(product: Product, page: Page) -> None:
    """A new run appears at the top of the history by itself, and gets its verdict there."""
    page.goto("/history")
    expect(page.get_by_test_id("live")).to_have_text("live")
    product.check(PROCESS, "9999")
    first = page.get_by_label("Runs", exact=True).get_by_role("listitem").first
    expect(first).to_contain_text("9999")
    expect(first).to_contain_text("Failed at 1")
