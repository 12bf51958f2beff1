"""Administration in the browser: accounts, tokens, password, audit log, workers, health."""

from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing, person
from .product import PASSWORD, Product

NEW_PASSWORD = "another long password for tests"


@pytest.mark.req("NFR-010")
def test_an_account_is_made_invited_changed_and_deleted(product: Product, page: Page, browser: Browser) -> None:
    """The link signs its person in once; switched off, the account is shut out; the audit log tells all of it."""
    name = f"nia-{uuid4().hex[:8]}"
    page.goto("/")
    page.get_by_role("link", name="Administration", exact=True).click()
    page.get_by_role("tab", name="Accounts").click()
    page.get_by_role("button", name="New account").click()
    page.get_by_label("User name").fill("two words")
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_label("User name")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("User name").fill(name)
    page.get_by_role("button", name="Make the account").click()
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("viewer")

    page.get_by_role("button", name=f"Sign-in link for {name}").click()
    link = page.get_by_role("textbox", name="Sign-in link").input_value()
    assert link.startswith(product.url)
    page.get_by_role("button", name="Done").click()
    context = browser.new_context(base_url=product.url)
    other = context.new_page()
    other.goto(link)
    expect(other.get_by_role("heading", name="Overview")).to_be_visible()

    page.get_by_role("button", name=f"Change {name}").click()
    page.get_by_label("Role").select_option("operator")
    page.get_by_label("Active").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("switched off")
    expect(row).to_contain_text("operator")
    other.reload()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    context.close()

    page.get_by_role("button", name=f"Delete {name}").click()
    page.get_by_role("button", name="Delete the account").click()
    expect(row).to_have_count(0)

    page.get_by_role("tab", name="Audit log").click()
    page.get_by_label("Deed").select_option("user.")
    for deed in ("made the account", "made a sign-in link for", "changed the account", "deleted the account"):
        entry = page.get_by_role("row").filter(has_text=deed).filter(has_text=name)
        expect(entry.first).to_be_visible()


@pytest.mark.req("NFR-010")
def test_a_token_is_shown_once_works_and_is_revoked(product: Product, page: Page) -> None:
    """What the dialog shows signs a program in; revoked, it does not."""
    name = f"script {uuid4().hex[:6]}"
    page.goto("/administration?tab=account")
    page.get_by_role("button", name="New token").click()
    page.get_by_role("dialog").get_by_label("Name").fill(name)
    page.get_by_label("Role").select_option("viewer")
    page.get_by_role("button", name="Make the token").click()
    token = page.get_by_label("Token", exact=True).input_value()
    page.get_by_role("button", name="I have stored it").click()
    assert token not in page.content()
    with product.client(token=token) as client:
        assert client.get("/me").json()["role"] == "viewer"
    page.get_by_role("button", name=f"Revoke {name}").click()
    page.get_by_role("button", name="Revoke the token").click()
    expect(page.get_by_role("row").filter(has_text=name)).to_have_count(0)
    with product.client(token=token) as client:
        assert client.get("/me").status_code == 401


@pytest.mark.req("NFR-010")
def test_people_change_their_own_password(product: Product, browser: Browser) -> None:
    """A wrong current password is refused; the new one signs in."""
    name = person(product, "viewer")
    with browsing(product, browser, name) as page:
        page.get_by_role("button", name="Account of").click()
        page.get_by_role("menuitem", name="Your tokens and password").click()
        form = page.get_by_role("form", name="Change your password")
        for current in ("not the password", PASSWORD):
            form.get_by_label("Current password").fill(current)
            form.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
            form.get_by_label("New password again").fill(NEW_PASSWORD)
            form.get_by_role("button", name="Change the password").click()
            if current != PASSWORD:
                expect(form.get_by_role("alert").first).to_be_visible()
        expect(form.get_by_text("Your password is changed.")).to_be_visible()
    with browsing(product, browser, name, NEW_PASSWORD):
        """Signed in."""


@pytest.mark.req("NFR-010")
def test_viewers_see_workers_and_health_but_no_accounts(product: Product, browser: Browser) -> None:
    """Each kind of check says who listens for it; what is not theirs is not offered."""
    with browsing(product, browser, person(product, "viewer")) as page:
        page.get_by_role("link", name="Administration", exact=True).click()
        queues = page.get_by_role("table", name="Queues")
        expect(queues.get_by_role("row").filter(has_text="SQL")).to_contain_text("worker")
        workers = page.get_by_role("table", name="Workers")
        expect(workers.get_by_text("alive").first).to_be_visible()
        expect(page.get_by_role("tab", name="Accounts")).to_have_count(0)
        expect(page.get_by_role("tab", name="Audit log")).to_have_count(0)
        page.get_by_role("tab", name="About and health").click()
        expect(page.get_by_text("ready", exact=True)).to_be_visible()
        page.goto("/administration?tab=users")
        expect(page.get_by_role("table", name="Queues")).to_be_visible()
