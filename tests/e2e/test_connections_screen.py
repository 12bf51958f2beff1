"""Connections in the browser: made, tested, changed, deleted; their secrets go in and never come out."""

from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing, person
from .product import Product

SECRET = "correct horse battery"


@pytest.mark.req("FR-012")
@pytest.mark.req("FR-014")
@pytest.mark.req("NFR-014")
def test_a_connection_is_made_tested_changed_and_deleted(product: Product, page: Page) -> None:
    """From the choice of its kind to its end; the secret is in no list and on no page."""
    name = f"Billing service {uuid4().hex[:6]}"
    page.goto("/")
    page.get_by_role("link", name="Connections", exact=True).click()
    page.get_by_role("link", name="New connection", exact=True).click()
    page.get_by_role("button", name="HTTP").click()
    page.get_by_label("Name", exact=True).fill(name)
    expect(page.get_by_label("Id", exact=True)).to_have_value(name.lower().replace(" ", "-"))
    page.get_by_label("Base URL").fill("ftp://nothing")
    page.get_by_role("button", name="Make the connection").click()
    expect(page.get_by_label("Base URL")).to_have_attribute("aria-invalid", "true")
    with product.client() as client:
        shop = client.get("/connections/demo-shop").json()["settings"]["base_url"]
    page.get_by_label("Base URL").fill(shop)
    page.get_by_label("Auth").select_option("bearer")
    page.get_by_label("Token").fill(SECRET)
    page.get_by_role("button", name="Make the connection").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    expect(page.get_by_role("group", name="Token")).to_contain_text("is set")

    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("It works")).to_be_visible()

    page.get_by_label("Description").fill("Writes invoices")
    expect(page.get_by_role("button", name="Test connection")).to_be_disabled()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    expect(page.get_by_role("group", name="Token")).to_contain_text("is set")
    page.reload()
    expect(page.get_by_label("Description")).to_have_value("Writes invoices")
    assert SECRET not in page.content()
    with product.client() as client:
        answer = client.get("/connections")
        assert name in answer.text
        assert SECRET not in answer.text

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the connection").click()
    expect(page.get_by_role("heading", name="Connections", level=1)).to_be_visible()
    expect(page.get_by_role("table", name="Connections")).to_be_visible()
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)


@pytest.mark.req("FR-012")
def test_a_connection_in_use_names_who_uses_it(page: Page) -> None:
    """On its page, and in the place of the question whether to delete it: it cannot be deleted."""
    page.goto("/connections/demo-order-service")
    users = page.get_by_role("list", name="Used by")
    expect(users.get_by_role("link", name="Order to cash (demo)")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Demo order service is in use")
    expect(dialog.get_by_role("link", name="Order to cash (demo)")).to_be_visible()
    expect(dialog.get_by_role("button", name="Delete the connection")).to_have_count(0)
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_have_count(0)


@pytest.mark.req("FR-012")
def test_the_rights_of_an_account_are_shown_as_words(page: Page) -> None:
    """A database that is opened read-only is green and says so, in the list as well."""
    page.goto("/connections/demo-erp")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("It works")).to_be_visible()
    page.goto("/connections")
    row = page.get_by_role("row").filter(has_text="demo-erp")
    expect(row).to_contain_text("can only read")


@pytest.mark.req("FR-012")
def test_an_account_that_can_write_is_confirmed_by_name(product: Product, page: Page) -> None:
    """Amber until somebody accepts it, in the plan of a process as well; then it says who did."""
    made = f"writable-{uuid4().hex[:8]}"
    with product.client() as client:
        known = [item["settings"] for item in client.get("/connections").json()["items"]]
    folder = next(one["root"] for one in known if one["kind"] == "files" and one["root"].startswith("/"))
    settings = {"kind": "files", "root": folder}
    draft = {
        "version": 1,
        "process": "writable",
        "name": "Writable",
        "steps": [{"id": "a", "name": "A", "check": {"type": "file_check", "connection": made, "path": "x"}}],
    }
    with product.client() as client:
        body = {"connection_id": made, "name": "Writable", "settings": settings}
        assert client.post("/connections", json=body).status_code == 201
        page.goto(f"/connections/{made}")
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("It works")).to_be_visible()
        planned = client.post("/processes/plan", json={"document": draft}).json()
        assert any(made in warning and "can write" in warning for warning in planned["warnings"]), planned
        page.get_by_role("button", name="Accept that it can write").click()
        expect(page.get_by_text("Accepted by admin")).to_be_visible()
        expect(page.get_by_role("button", name="Accept that it can write")).to_have_count(0)
        assert client.delete(f"/connections/{made}").status_code == 204


@pytest.mark.req("FR-012")
def test_a_target_that_does_not_answer_says_why(product: Product, page: Page) -> None:
    """The test of a connection to nothing ends with a sentence, not with a stack trace, and is not forgotten."""
    made = f"nowhere-{uuid4().hex[:8]}"
    missing = str(Path(product.folder) / "not-there")
    with product.client() as client:
        body = {"connection_id": made, "name": "Nowhere", "settings": {"kind": "files", "root": missing}}
        assert client.post("/connections", json=body).status_code == 201
    page.goto(f"/connections/{made}")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("It does not work")).to_be_visible()
    page.reload()
    expect(page.get_by_text("It does not work")).to_be_visible()
    page.goto("/connections")
    expect(page.get_by_role("row").filter(has_text=made)).to_contain_text("test failed")
    with product.client() as client:
        assert client.delete(f"/connections/{made}").status_code == 204


def test_a_half_filled_form_is_not_lost_by_a_click(product: Product, page: Page) -> None:
    """Leaving a form with changes asks first, for a new connection as for one that is there; saving asks nothing."""
    made = f"kept-{uuid4().hex[:8]}"
    page.goto("/connections/new?kind=http")
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.get_by_role("heading", name="History", level=1)).to_be_visible()
    page.goto("/connections/new?kind=http")
    page.get_by_label("Name", exact=True).fill(made)
    page.get_by_role("link", name="History", exact=True).click()
    question = page.get_by_role("dialog", name="Leave without saving?")
    question.get_by_role("button", name="Stay").click()
    page.get_by_role("button", name="Another kind").click()
    question.get_by_role("button", name="Stay").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value(made)
    page.get_by_label("Base URL").fill("https://example.com")
    page.get_by_role("button", name="Make the connection").click()
    expect(page.get_by_role("heading", name=made, level=1)).to_be_visible()
    expect(question).to_have_count(0)
    page.get_by_label("Description").fill("Half done")
    page.get_by_role("link", name="History", exact=True).click()
    question.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", name="History", level=1)).to_be_visible()
    with product.client() as client:
        assert client.get(f"/connections/{made}").json()["description"] is None
        assert client.delete(f"/connections/{made}").status_code == 204


@pytest.mark.req("NFR-010")
def test_operators_read_connections_and_viewers_do_not(product: Product, browser: Browser) -> None:
    """Who may not change a connection sees facts without a form; who may not see them has no such place."""
    with browsing(product, browser, person(product, "operator")) as page:
        page.get_by_role("link", name="Connections", exact=True).click()
        page.get_by_role("link", name="Demo order service", exact=True).click()
        expect(page.get_by_text("X-API-Key")).to_be_visible()
        for action in ("Save", "Delete", "Test connection"):
            expect(page.get_by_role("button", name=action)).to_have_count(0)
    with browsing(product, browser, person(product, "viewer")) as page:
        expect(page.get_by_role("link", name="History", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="Connections", exact=True)).to_have_count(0)
