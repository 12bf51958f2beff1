"""The main job as a person does it: in Chromium, with mouse and keyboard."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import sign_in
from .product import Product, eventually

PROCESS = "order-to-cash-demo"


def check(page: Page, order: str) -> None:
    """Open the process, press Check, type the order, start."""
    page.goto(f"/processes/{PROCESS}")
    page.get_by_role("button", name="Check").first.click()
    page.get_by_label("Order number").fill(order)
    page.get_by_role("button", name="Start check").click()


@pytest.mark.req("FR-006")
@pytest.mark.req("FR-018")
def test_pick_a_process_press_check_and_watch_it_walk(page: Page) -> None:
    """From the overview to the stuck invoice file of order 4711, with expected and actual."""
    page.goto("/")
    page.get_by_role("link", name="Order to cash (demo)", exact=True).first.click()
    expect(page.get_by_text("Order is visible in the shop").first).to_be_visible()
    check(page, "4711")
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text("stuck at 5")
    expect(verdict).to_contain_text("waiting 3 h")
    expect(page.get_by_role("tab", name="Expected / Actual")).to_be_visible()
    expect(page.get_by_text("count", exact=True).first).to_be_visible()


@pytest.mark.parametrize(("order", "words"), [("4712", "passed"), ("4713", "not yet"), ("9999", "ailed at 1")])
def test_every_verdict_reads_as_a_sentence(page: Page, order: str, words: str) -> None:
    """4712 passes, 4713 is not due yet, 9999 fails at step 1."""
    check(page, order)
    expect(page.get_by_test_id("verdict")).to_contain_text(words, ignore_case=True)


@pytest.mark.req("FR-009")
def test_two_browsers_see_the_same_run(product: Product, page: Page, browser: Browser) -> None:
    """A run started elsewhere appears on an open page without a reload, also through the other gateway."""
    context = browser.new_context(base_url=product.urls[-1])
    other = context.new_page()
    sign_in(other)
    run_id = product.start(PROCESS, "4712")
    other.goto(f"/runs/{run_id}")
    page.goto(f"/processes/{PROCESS}")
    expect(other.get_by_test_id("verdict")).to_contain_text("passed", ignore_case=True)
    context.close()


def test_wrong_input_is_explained_at_its_field(page: Page) -> None:
    """Letters are no order number: the form says so and starts nothing."""
    check(page, "abc")
    expect(page.get_by_role("dialog").or_(page.get_by_role("form")).first).to_be_visible()
    expect(page.get_by_label("Order number")).to_have_attribute("aria-invalid", "true")


def test_wrong_password_is_explained(product: Product, browser: Browser) -> None:
    """A wrong password says that sign-in failed, not which half was wrong."""
    context = browser.new_context(base_url=product.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("User name").fill("nobody-here")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    context.close()


def test_script_in_names_does_nothing(product: Product, page: Page) -> None:
    """User-given text is text: a name with markup is shown as written."""
    name = "<img src=x onerror=\"document.title='owned'\"> orders"
    document: dict[str, Any] = {
        "version": 1,
        "process": "markup-name",
        "name": name,
        "steps": [
            {
                "id": "s",
                "name": "<script>1</script>",
                "check": {"type": "web_crawl", "connection": "demo-shop", "path": "/"},
            }
        ],
    }
    with product.client() as client:
        answer = client.post("/processes", json=document)
        assert answer.status_code in (201, 409), answer.text
    page.goto("/processes/markup-name")
    expect(page.get_by_text(name).first).to_be_visible()
    assert page.title() != "owned"
    eventually(lambda: page.get_by_text("<script>1</script>").count() > 0)
