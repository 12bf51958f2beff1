"""Incidents in the browser: runs with one cause are one line, taken in hand, and over by itself."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing, person
from .product import Product


def save(product: Product, process_id: str, name: str, expected: int = 299) -> None:
    """A process that asks the demo shop, with the status it expects of it: 200 is what the shop answers."""
    step = {
        "id": "front", "name": "Front page", "check": {"type": "web_crawl", "connection": "demo-shop", "path": "/"},
        "assert": [{"status": {"eq": expected}}],
    }  # fmt: skip
    text = {"type": "string", "label": "Order", "example": "1"}
    document = {"version": 1, "process": process_id, "name": name, "inputs": {"order": text}, "steps": [step]}
    with product.client() as client:
        held = client.get(f"/processes/{process_id}")
        if held.status_code == 200:
            answer = client.put(f"/processes/{process_id}", json=document, headers={"If-Match": held.headers["etag"]})
        else:
            answer = client.post("/processes", json=document)
        assert answer.status_code in (200, 201), answer.text


@pytest.mark.req("IR-8")
def test_an_incident_from_the_first_failure_to_its_end(product: Product, page: Page) -> None:
    """It appears live with both keys, is taken in hand with a note, checked again, and resolves by itself."""
    name = f"Front {uuid4().hex[:6]}"
    process_id = name.lower().replace(" ", "-")
    save(product, process_id, name)
    page.goto("/")
    page.get_by_role("link", name="Incidents").click()
    expect(page.get_by_role("heading", name="Incidents", exact=True)).to_be_visible()
    for order in ("1", "2"):
        assert product.check(process_id, order=order)["status"] == "failed"
    line = page.get_by_role("listitem").filter(has_text=name)
    expect(line).to_contain_text("stops 2 keys of 1 process")
    expect(page.get_by_test_id("open-incidents").first).to_have_text(re.compile(r"^\d+ open$"))
    line.get_by_role("link", name=f"{name}: step 1").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("“Front page” failed")
    expect(page.get_by_label("What to look at first")).to_contain_text("Compare expected and actual")

    page.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Note").fill("Asked the shop team")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_label("What happened")).to_contain_text("Acknowledged by admin")
    expect(page.get_by_label("What happened")).to_contain_text("Asked the shop team")
    expect(page.get_by_role("button", name="Give back")).to_be_visible()

    save(product, process_id, name, expected=200)
    assert product.check(process_id, order="1")["status"] == "success"
    row = page.get_by_role("row").filter(has=page.get_by_text("1", exact=True))
    expect(row.first).to_contain_text("passed again")
    address = page.url
    page.goto(f"/processes/{process_id}")
    notice = page.get_by_role("list", name="Open incidents")
    expect(notice).to_contain_text("in hand")
    notice.get_by_role("link").click()
    expect(page).to_have_url(address)
    page.get_by_role("button", name="Check again: 2").click()
    expect(page.get_by_label("What happened")).to_contain_text("Resolved by itself")
    expect(page.get_by_role("button", name="Give back")).to_have_count(0)
    page.goto(f"/processes/{process_id}")
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-status", "success")
    expect(notice).to_have_count(0)
    page.goto(f"/incidents?state=resolved&process_id={process_id}")
    expect(page.get_by_role("listitem").filter(has_text=name)).to_contain_text("stopped 2 keys of 1 process")


@pytest.mark.req("IR-8")
def test_an_incident_is_resolved_by_hand(product: Product, page: Page, browser: Browser) -> None:
    """Asked first; a viewer sees it and has no buttons."""
    name = f"Let go {uuid4().hex[:6]}"
    process_id = name.lower().replace(" ", "-")
    save(product, process_id, name)
    product.check(process_id, order="1")
    page.goto(f"/incidents?process_id={process_id}")
    page.get_by_role("link", name=f"{name}: step 1").click()
    expect(page.get_by_role("button", name="Resolve")).to_be_visible()
    with browsing(product, browser, person(product, "viewer")) as viewer:
        viewer.goto(page.url)
        expect(viewer.get_by_role("heading", level=1)).to_contain_text(name)
        expect(viewer.get_by_role("button", name=re.compile("Resolve|Acknowledge|Check"))).to_have_count(0)
    page.get_by_role("button", name="Resolve").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Resolve").click()
    page.get_by_role("dialog").get_by_label("Note").fill("Nobody needs it")
    page.get_by_role("button", name="Resolve the incident").click()
    expect(page.get_by_label("What happened")).to_contain_text("Resolved by admin")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(page.get_by_role("table", name="Whom it stops")).to_contain_text("let go by hand")
