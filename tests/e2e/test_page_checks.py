"""Pages as people ask for them, through the product's own door: planned, tried, crawled, shown by a browser."""

import hashlib
from typing import Any

import pytest

from .product import Product, step

PAGES = {
    "version": 1,
    "process": "pages-of-the-shop",
    "name": "Pages of the shop",
    "steps": [
        {
            "id": "site",
            "name": "The shop's pages work",
            "check": {"type": "web_crawl", "connection": "demo-shop", "path": "/", "crawl": {"depth": 1}},
            "assert": [{"broken_links": {"eq": 0}}, {"missing_titles": {"eq": 0}}, {"pages": {"gt": 3}}],
        },
        {
            "id": "shown",
            "name": "An order opens by a click",
            "check": {
                "type": "web_crawl",
                "connection": "demo-shop",
                "path": "/",
                "browser": {"actions": [{"click": "text=Order 4712"}], "wait_for": ".order-number", "har": "always"},
            },
            "assert": [{"selector": ".order-number", "text": {"eq": "4712"}}, {"console_errors": {"eq": 0}}],
            "capture": {"customer": {"selector": ".customer"}},
        },
        {
            "id": "missing",
            "name": "The checkout is there",
            "timeout": "10s",
            "check": {
                "type": "web_crawl",
                "connection": "demo-shop",
                "path": "/orders/4712",
                "browser": {"actions": [{"wait": "#checkout"}], "screenshot": "on_failure"},
            },
        },
    ],
}


@pytest.fixture
def saved(product: Product) -> Product:
    """The product with the process of this file."""
    with product.client() as client:
        made = client.post("/processes", json=PAGES)
        assert made.status_code in (201, 409), made.text
    return product


def evidence(product: Product, run: dict[str, Any], step_id: str) -> dict[str, bytes]:
    """The stored pieces of a step by kind, each the very bytes that were hashed."""
    found = {}
    with product.client() as client:
        for piece in step(run, step_id)["evidence"]:
            answer = client.get(f"/runs/{run['run_id']}/evidence/{piece['evidence_id']}")
            assert answer.status_code == 200, answer.text
            assert hashlib.sha256(answer.content).hexdigest() == piece["sha256"]
            found[piece["kind"]] = answer.content
    return found


@pytest.mark.req("FR-011")
def test_a_site_is_crawled_and_a_page_is_shown_with_pictures(saved: Product) -> None:
    """One run: the crawl passes, the browser clicks its way, and where it looks in vain the picture says why."""
    run = saved.check("pages-of-the-shop")
    assert {one["step_id"]: one["status"] for one in run["steps"]} == {
        "site": "success", "shown": "success", "missing": "failed",
    }  # fmt: skip
    assert b"/orders/4712" in evidence(saved, run, "site")["listing"]
    assert step(run, "shown")["captures"]["customer"]
    shown = evidence(saved, run, "shown")
    assert shown["screenshot"].startswith(b"\x89PNG")
    assert b"/orders/4712" in shown["recording"]
    failed = step(run, "missing")
    assert (failed["failure_class"], failed["reason"]) == ("not_found", "selector_error")
    assert "#checkout" in failed["message"]
    assert evidence(saved, run, "missing")["screenshot"].startswith(b"\x89PNG")


@pytest.mark.req("FR-005")
def test_a_rendered_page_is_tried_before_it_is_saved(product: Product) -> None:
    """`POST /steps/try` opens it in the browser and gives findings, captures and what the page said."""
    with product.client() as client:
        answer = client.post("/steps/try", json={"definition": PAGES, "step_id": "shown", "inputs": {}})
        assert answer.status_code == 200, answer.text
        tried = answer.json()
    assert tried["ok"] is True, tried["message"]
    assert tried["captures"]["customer"]
    assert {piece["kind"] for piece in tried["evidence"]} >= {"screenshot", "page"}
    assert {finding["label"] for finding in tried["findings"]} >= {"HTTP status", "Console errors"}


@pytest.mark.req("FR-003")
def test_a_plan_names_the_hosts_of_pages_without_touching_them(product: Product) -> None:
    """What a crawl and a browser would reach."""
    with product.client() as client:
        answer = client.post("/processes/plan", json={"document": PAGES})
        assert answer.status_code == 200, answer.text
        items = [item for item in answer.json()["items"] if item["kind"] == "host"]
    assert [item["step_id"] for item in items] == ["site", "shown", "missing"]
    assert len({item["target"] for item in items}) == 1
    assert "pages it links to" in items[0]["detail"]
    assert "in a browser" in items[1]["detail"]
