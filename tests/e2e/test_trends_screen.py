"""Trends in the browser: figures of a period, day by day, with the steps that cost the time."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from .product import Product, eventually

PROCESS = "order-to-cash-demo"

PAINTED = """canvas => {
    const { width, height } = canvas;
    return canvas.getContext('2d').getImageData(0, 0, width, height).data.some(value => value !== 0);
}"""
"""Whether anything stands on a canvas."""


@pytest.mark.req("FR-022")
@pytest.mark.req("FR-024")
def test_trends_show_what_reporting_measured(product: Product, page: Page) -> None:
    """The page's figures are the API's; a step can be looked at alone; the charts are drawn and told as a table."""
    with product.client() as client:
        before = client.get(f"/metrics/processes/{PROCESS}").json()["runs"]
        product.check(PROCESS, "4712")
        eventually(lambda: client.get(f"/metrics/processes/{PROCESS}").json()["runs"] > before, 30)
        figures = client.get(f"/metrics/processes/{PROCESS}").json()
    page.goto(f"/processes/{PROCESS}")
    page.get_by_role("link", name="Trends", exact=True).click()
    expect(page.get_by_role("region", name="Figures of the period")).to_contain_text(str(figures["runs"]))
    slow = page.get_by_role("table", name="Slow steps")
    expect(slow.get_by_role("row")).to_have_count(len(figures["steps"]) + 1)
    charts = page.locator("canvas")
    expect(charts).to_have_count(2)
    eventually(lambda: all(charts.nth(index).evaluate(PAINTED) for index in range(2)))
    page.get_by_text("The same days as a table").click()
    expect(page.get_by_role("table", name="Days").get_by_role("row").nth(1)).to_be_visible()

    slow.get_by_role("button", name="Trend: Payment was captured").click()
    expect(page.get_by_role("img", name="Success rate of step 3")).to_be_visible()
    expect(page.get_by_label("Step", exact=True)).to_have_value("payment")
    page.reload()
    expect(page.get_by_label("Step", exact=True)).to_have_value("payment")
    page.get_by_label("Period", exact=True).select_option("7")
    expect(page).to_have_url(re.compile("days=7"))


@pytest.mark.req("FR-023")
def test_the_runs_of_a_period_are_exported(product: Product, page: Page) -> None:
    """What the page offers as CSV and JSON holds the run that was just made."""
    run = product.check(PROCESS, "4712")
    with product.client() as client:
        eventually(lambda: run["run_id"] in client.get("/reports/runs.csv", params={"process_id": PROCESS}).text, 30)
    page.goto(f"/history/trends?process_id={PROCESS}")
    texts = []
    for format in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=format, exact=True).click()
        texts.append(download.value.path().read_text())
    assert run["run_id"] in texts[0]
    assert run["run_id"] in json.dumps(json.loads(texts[1]))


def test_a_period_without_runs_says_so(page: Page) -> None:
    """No figure is made up where nothing was measured."""
    page.goto("/history/trends?process_id=was-never-there")
    expect(page.get_by_text("Nothing was measured in this period")).to_be_visible()
