"""What others wrote, brought in through the browser: from curl, a HAR file, a Gatus suite and a Hurl file to a run."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from .product import Product

pytestmark = [pytest.mark.parametrize("product", ["embedded"], indirect=True), pytest.mark.req("FR-005")]

QUESTION = '{"query": "query($order: ID!) { payment(order: $order) { method } }", "variables": {"order": "4712"}}'
CURL = f"curl -X POST SHOP/graphql -H 'Authorization: Bearer abc' -H 'Content-Type: application/json' -d '{QUESTION}'"
GATUS = f"""suites:
  - name: Order flow
    group: sales
    endpoints:
      - name: paid
        url: SHOP/graphql
        method: POST
        headers: {{Content-Type: application/json}}
        body: '{QUESTION}'
        conditions: ["[STATUS] == 200", "[BODY].data.payment.captured == true", "[DOMAIN_EXPIRATION] > 720h"]
        store: {{method: "[BODY].data.payment.method"}}
      - name: page
        url: SHOP/orders/4712?paid=[CONTEXT].method
        conditions: ["[STATUS] == 200", "[RESPONSE_TIME] < 9000"]
"""
HURL = """# The shop answers
GET SHOP/
Cookie: session=abc
HTTP 200
[Captures]
title: xpath "string(//title)"
[Asserts]
bytes count > 100

# The order is there
GET SHOP/orders/{{order}}
HTTP 200
[Asserts]
body contains "{{order}}"
duration < 9000
"""


def har(shop: str) -> str:
    """What a browser saves: a page, a picture, and a call that carried a secret."""

    def entry(url: str, kind: str, *headers: tuple[str, str]) -> dict[str, Any]:
        sent = [{"name": name, "value": value} for name, value in headers]
        return {
            "request": {"method": "GET", "url": url, "headers": sent},
            "response": {"status": 200, "content": {"mimeType": kind}},
        }

    entries = [
        entry(f"{shop}/orders/4712", "text/html; charset=utf-8", ("Cookie", "session=abc")),
        entry(f"{shop}/logo.png", "image/png"),
        entry(f"{shop}/orders/4713", "application/json", ("Authorization", "Bearer abc"), ("X-Tenant", "north")),
    ]
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


def shop_of(product: Product) -> str:
    with product.client() as client:
        return str(client.get("/connections/demo-shop").json()["settings"]["base_url"])


def yaml(page: Page) -> Any:
    return page.get_by_role("textbox", name="Definition as YAML")


def look_through(page: Page, source: str, *lost: str) -> None:
    """The kind is recognised, and what cannot be carried over stands in the report, there and in the editor."""
    expect(page.get_by_label("What it is").locator("option").first).to_have_text(f"Recognised: {source}")
    page.get_by_role("button", name="Look through it").click()
    read = page.get_by_role("region", name="What was read")
    for words in lost:
        expect(read).to_contain_text(words)
    page.get_by_role("button", name="Open in the editor").click()
    for words in lost:
        expect(page.get_by_role("region", name="Import report")).to_contain_text(words)
    expect(page.get_by_role("status", name="Faults")).to_contain_text("No faults")
    assert "abc" not in yaml(page).inner_text(), "a secret was carried over"


def save(page: Page) -> str:
    """Under a name of its own; the id of the process."""
    process = f"imported-{uuid4().hex[:8]}"
    about = page.get_by_role("region", name="Process", exact=True)
    about.get_by_label("Name", exact=True).first.fill(process)
    expect(about.get_by_label("Id", exact=True)).to_have_value(process)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(f"/processes/{process}/edit"))
    expect(page.get_by_role("status", name="Saved")).to_contain_text("Revision 1,")
    return process


@pytest.mark.parametrize(
    ("source", "text", "lost", "carried", "steps"),
    [
        ("curl command", CURL, "header Authorization", "method: POST", 1),
        ("Gatus configuration", GATUS, "DOMAIN_EXPIRATION", "jsonpath: $.data.payment.captured", 2),
    ],
    ids=["curl", "gatus"],
)
def test_text_of_another_tool_becomes_a_process_that_runs(
    product: Product, page: Page, source: str, text: str, lost: str, carried: str, steps: int
) -> None:
    """Pasted, recognised, looked through; the rest is saved as a definition whose steps pass."""
    page.goto("/processes/new")
    page.get_by_label("Text").fill(text.replace("SHOP", shop_of(product)))
    look_through(page, source, lost)
    expect(yaml(page)).to_contain_text(carried)
    run = product.check(save(page))
    assert [one["status"] for one in run["steps"]] == ["success"] * steps, run
    assert run["status"] == "success"


def test_a_har_file_becomes_a_process_that_runs(product: Product, page: Page) -> None:
    """Chosen as a file: pages become crawls, calls API checks; pictures, cookies and credentials stay behind."""
    page.goto("/processes/new")
    page.get_by_label("File").set_input_files(
        {"name": "shop.har", "mimeType": "application/json", "buffer": har(shop_of(product)).encode()}
    )
    look_through(page, "HAR file of a browser", "1 request for pictures", "header Cookie", "header Authorization")
    expect(yaml(page)).to_contain_text("X-Tenant: north")
    run = product.check(save(page))
    assert [one["check_type"] for one in run["steps"]] == ["web_crawl", "api_call"]
    assert run["status"] == "success", run


def test_a_hurl_file_becomes_a_process_with_an_input(product: Product, page: Page) -> None:
    """Its variables are inputs, its captures and asserts come along; what we have no word for is reported by line."""
    page.goto("/processes/new")
    page.get_by_label("Text").fill(HURL.replace("SHOP", shop_of(product)))
    look_through(page, "Hurl file", "line 2", "header Cookie", "bytes count > 100")
    expect(yaml(page)).to_contain_text("elapsed")
    run = product.check(save(page), order="4712")
    assert [one["name"] for one in run["steps"]] == ["The shop answers", "The order is there"]
    assert run["status"] == "success", run
