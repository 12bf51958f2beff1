"""Schedules on the page of a process, and the difference to the last good run."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing, person
from .product import Product, eventually

EVERY_SECONDS = 10
"""The shortest that a schedule may have."""
READ_AGAIN_MS = 15_000
"""How often schedules that are looked at are read again."""


def scheduled(product: Product) -> str:
    """A process that runs by itself every morning, with a maintenance window to come; its id."""
    process = f"by-itself-{uuid4().hex[:8]}"
    step = {
        "id": "page",
        "name": "The shop answers",
        "check": {"type": "web_crawl", "connection": "demo-shop", "path": "/"},
    }
    document: dict[str, Any] = {
        "version": 1,
        "process": process,
        "name": "Runs by itself",
        "steps": [step],
        "schedule": [{"cron": "0 6 * * 1-5", "timezone": "Europe/Berlin"}],
        "maintenance": [{"cron": "30 2 * * 0", "duration": "2h", "reason": "Backup of the shop"}],
    }
    with product.client() as client:
        answer = client.post("/processes", json=document)
        assert answer.status_code == 201, answer.text
    return process


def outcomes(product: Product, process: str) -> set[str | None]:
    """What became of the last ticks of its schedules."""
    with product.client() as client:
        found = client.get("/schedules", params={"process_id": process}).json()["items"]
    return {one["last_outcome"] for one in found}


@pytest.mark.req("FR-001")
def test_a_schedule_starts_runs_is_paused_and_resumed(product: Product, page: Page, browser: Browser) -> None:
    """Made in the editor; its ticks lead to their runs; a pause says who paused; viewers cannot."""
    process = scheduled(product)
    page.goto(f"/processes/{process}/edit")
    page.get_by_text("When it runs by itself").click()
    page.get_by_role("button", name="Add schedule").click()
    page.get_by_label("Every", exact=False).last.fill(f"{EVERY_SECONDS}s")
    expect(page.get_by_role("status", name="Faults")).to_contain_text("No faults")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status", name="Saved")).to_contain_text("Revision 2,")
    page.clock.install()
    page.goto(f"/processes/{process}")
    card = page.get_by_role("region", name="Schedules")
    expect(card).to_contain_text("every 10")
    expect(card).to_contain_text("At 06:00, Monday through Friday")
    expect(card).to_contain_text("0 6 * * 1-5 (Europe/Berlin)")
    expect(card).to_contain_text("At 02:30, only on Sunday")
    expect(card).to_contain_text("Backup of the shop")
    first = card.get_by_role("listitem").filter(has_text="every 10")
    expect(first).to_contain_text(re.compile(r"next (in \d+ s|now)"))
    eventually(lambda: "started" in outcomes(product, process), 3 * EVERY_SECONDS)
    page.clock.fast_forward(READ_AGAIN_MS)
    expect(first).to_contain_text("last started")
    first.get_by_role("button", name="Pause").click()
    expect(first).to_contain_text("paused")
    expect(first).to_contain_text("by admin")
    with browsing(product, browser, person(product, "viewer")) as other:
        other.goto(f"/processes/{process}")
        expect(other.get_by_role("region", name="Schedules")).to_contain_text("paused")
        expect(other.get_by_role("button", name="Resume")).to_have_count(0)
    due = datetime.now(UTC) + timedelta(seconds=EVERY_SECONDS)
    eventually(lambda: datetime.now(UTC) > due, 2 * EVERY_SECONDS)  # a tick falls into the pause
    first.get_by_role("button", name="Resume").click()
    expect(first).to_contain_text("next")
    first.get_by_text("Next and past ticks").click()
    expect(first.get_by_role("list", name="Due next").get_by_role("listitem")).to_have_count(5)
    ticks = first.get_by_role("table", name="Ticks")
    expect(ticks.get_by_role("row").filter(has_text="skipped").first).to_contain_text("while paused")
    ticks.get_by_role("link", name="its run", exact=True).first.click()
    expect(page.get_by_test_id("verdict")).to_contain_text("passed", ignore_case=True)
    with product.client() as client:
        revision = client.get(f"/processes/{process}").headers["etag"]
        assert client.delete(f"/processes/{process}", headers={"If-Match": revision}).status_code == 204


@pytest.mark.req("FR-007")
@pytest.mark.req("FR-014")
def test_a_schedule_is_written_in_the_form_without_losing_ones_place(product: Product, page: Page) -> None:
    """The form stays open after its first letter and when it is emptied; zones are offered, and faults say what is
    wrong. Maintenance that keeps the next run away stands beside it."""
    process = scheduled(product)
    page.goto(f"/processes/{process}/edit")
    page.get_by_text("When it runs by itself").click()
    page.get_by_role("button", name="Add schedule").click()
    entry = page.locator("details").filter(has=page.get_by_role("button", name="Remove this schedule")).last
    cron, zone = entry.get_by_label("Cron"), entry.get_by_label("Timezone")
    expect(cron).to_have_attribute("placeholder", "such as 0 6 * * 1-5")
    cron.press_sequentially("0 25 * * *")
    zone.press_sequentially("Europe/Berln")
    expect(
        page.locator(f"datalist[id='{zone.get_attribute('list')}'] option[value='Australia/Lord_Howe']")
    ).to_have_count(1)
    faults = page.get_by_role("status", name="Faults")
    expect(faults).to_contain_text("`25` is no hour (0 to 23)")
    expect(faults).to_contain_text("did you mean `Europe/Berlin`?")
    zone.fill("")
    cron.fill("")
    expect(cron).to_be_focused()
    cron.fill("0 4 * * *")
    page.get_by_role("button", name="Add maintenance").click()
    page.get_by_label("From").last.fill("2020-01-01T00:00:00Z")
    page.get_by_label("Until").last.fill("2090-01-01T00:00:00Z")
    expect(faults).to_contain_text("No faults")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status", name="Saved")).to_contain_text("Revision 2,")
    page.goto(f"/processes/{process}")
    added = page.get_by_role("region", name="Schedules").get_by_role("listitem").filter(has_text="0 4 * * *").first
    expect(added).to_contain_text("maintenance: starts nothing")


@pytest.mark.req("FR-020")
def test_the_difference_to_the_last_good_run_names_rows_and_files(product: Product, page: Page) -> None:
    """Order 4716 has no invoice: against the last good run the row is gone."""
    product.check("order-to-cash-demo", "4712")
    run = product.check("order-to-cash-demo", "4716")
    page.goto(f"/runs/{run['run_id']}?step=invoice_row&tab=good")
    panel = page.get_by_role("tabpanel")
    expect(panel).to_contain_text("the last good run")
    expect(panel).to_contain_text("1 row before, 0 now.")
    expect(panel.get_by_text("Rows that are gone").first).to_be_visible()
    expect(panel).to_contain_text("R-20932")
