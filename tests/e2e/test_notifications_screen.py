"""Notifications in the browser: channels, rules, and what became of each message."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from .browsing import browsing, person
from .conftest import MailSink, WebhookSink
from .product import Product, eventually


def make_channel(page: Page, name: str, url: str) -> None:
    """Make a channel and put its key away."""
    page.get_by_role("button", name="New channel").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Webhook address").fill(url)
    dialog.get_by_role("button", name="Make the channel").click()
    expect(page.get_by_role("dialog", name=f"Signing key of {name}")).to_be_visible()
    expect(page.get_by_label("Signing key", exact=True)).to_have_value(re.compile("^whsec_"))
    page.get_by_role("button", name="I have stored it").click()


def fill_mail_form(dialog: Locator, name: str, sink: MailSink) -> None:
    """With a recipient that is none, and without the password."""
    dialog.get_by_label("Kind").select_option(label="E-mail")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Recipients").fill("ada@example.com\nBob <bob@example.com>")
    dialog.get_by_label("Sender").fill("Steptrail <steptrail@example.com>")
    dialog.get_by_label("Mail server").fill("localhost")
    dialog.get_by_label("Port").fill(str(sink.server.port))
    dialog.get_by_label("Account").fill("steptrail")
    dialog.get_by_text("Certificate of its own authority").click()
    dialog.get_by_label("Authority").fill(sink.authority)


@pytest.mark.req("IR-8")
def test_a_channel_is_made_tested_and_told_by_a_rule(product: Product, page: Page, webhook_sink: WebhookSink) -> None:
    """The test message arrives, a run that fails is told, and the log leads to the run."""
    name = f"Desk {uuid4().hex[:6]}"
    page.goto("/")
    page.get_by_role("link", name="Notifications", exact=True).click()
    make_channel(page, name, webhook_sink.url)
    before = len(webhook_sink.hits)
    page.get_by_role("button", name=f"Send test to {name}").click()
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("test delivered")
    assert len(webhook_sink.hits) > before

    page.get_by_role("tab", name="Rules").click()
    page.get_by_role("button", name="New rule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Tell").select_option(label=name)
    for moment in ("stuck", "timed out", "could not be checked", "good again"):
        dialog.get_by_label(moment, exact=True).uncheck()
    dialog.get_by_label("Of process").fill("order-to-cash-demo")
    expect(dialog.get_by_label("Of process")).to_have_accessible_description("Order to cash (demo)")
    dialog.get_by_label("After failures in a row").fill("none")
    dialog.get_by_role("button", name="Make the rule").click()
    expect(dialog.get_by_label("After failures in a row")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("After failures in a row").fill("1")
    dialog.get_by_role("button", name="Make the rule").click()
    rule = page.get_by_role("row").filter(has_text=name)
    expect(rule).to_contain_text("Order to cash (demo)")

    run = product.check("order-to-cash-demo", "9999")
    assert run["status"] == "failed"
    eventually(lambda: any(run["run_id"] in hit.body for hit in webhook_sink.hits), 60)
    page.get_by_role("tab", name="Delivery log").click()
    page.get_by_label("Channel", exact=True).select_option(label=name)
    told = page.get_by_role("row").filter(has=page.locator(f'a[href="/runs/{run["run_id"]}"]'))
    expect(told).to_contain_text("delivered")

    page.get_by_role("tab", name="Rules").click()
    rule.get_by_role("button", name="Delete the rule").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the rule").click()
    expect(rule).to_have_count(0)
    page.get_by_role("tab", name="Channels").click()
    page.get_by_role("button", name=f"Delete {name}").click()
    page.get_by_role("button", name="Delete the channel").click()
    expect(page.get_by_role("row").filter(has_text=name)).to_have_count(0)


@pytest.mark.req("IR-8")
def test_people_are_told_by_e_mail(product: Product, page: Page, mail_sink: MailSink) -> None:
    """Made in the page, tested, told of a run that fails; the link in the mail leads to that run."""
    name, server = f"People {uuid4().hex[:6]}", mail_sink.server
    page.goto("/")
    page.get_by_role("link", name="Notifications", exact=True).click()
    page.get_by_role("button", name="New channel").click()
    dialog = page.get_by_role("dialog")
    fill_mail_form(dialog, name, mail_sink)
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog.get_by_label("Recipients")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_role("alert").first).to_contain_text("Bob <bob@example.com>")
    dialog.get_by_label("Recipients").fill("ada@example.com\nbob@example.com")
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Password").fill("mail-password")
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog).to_have_count(0)
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("ada@example.com, bob@example.com")
    expect(row).to_contain_text("encrypted")

    page.get_by_role("button", name=f"Send test to {name}").click()
    expect(row).to_contain_text("test delivered, SMTP 250")
    expect(row).to_contain_text("OK queued as")
    assert (server.got[-1].account, server.got[-1].encrypted) == ("steptrail", True)
    page.get_by_role("button", name=f"Edit {name}").click()
    expect(dialog.get_by_label("Account")).to_have_value("steptrail")
    expect(dialog.get_by_label("Password")).to_have_value("")
    dialog.get_by_label("Recipients").fill("desk@example.com")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("desk@example.com")

    channel = name.lower().replace(" ", "-")
    rule = {"rule_id": channel, "channel_id": channel, "process_id": "order-to-cash-demo", "on": ["failed"]}
    with product.client() as client:
        assert client.post("/rules", json=rule).status_code == 201
    run = product.check("order-to-cash-demo", "9999")
    eventually(lambda: any(run["run_id"] in letter.part("plain") for letter in server.got), 60)
    letter = next(letter for letter in server.got if run["run_id"] in letter.part("plain"))
    assert letter.recipients == ["desk@example.com"]
    assert "9999" in letter.message["Subject"]
    link = re.search(r"http://\S+", letter.part("plain"))
    assert link is not None
    page.goto(link[0])
    expect(page.get_by_text("9999").first).to_be_visible()
    expect(page).to_have_url(re.compile(f"/runs/{run['run_id']}"))
    with product.client() as client:
        assert client.delete(f"/rules/{channel}").status_code == 204
        assert client.delete(f"/channels/{channel}").status_code == 204


@pytest.mark.req("NFR-012")
def test_an_address_that_policy_forbids_is_refused_at_its_field(page: Page) -> None:
    """A webhook to the machine's own network is refused with a reason; the dialog stays."""
    page.goto("/notifications")
    page.get_by_role("button", name="New channel").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Metadata")
    dialog.get_by_label("Webhook address").fill("http://169.254.169.254/latest")
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog.get_by_role("alert").first).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("row").filter(has_text="169.254")).to_have_count(0)


@pytest.mark.req("NFR-010")
def test_operators_see_the_log_alone(product: Product, browser: Browser) -> None:
    """The address of a webhook often is its secret: operators see what was delivered, not where to."""
    with browsing(product, browser, person(product, "operator")) as page:
        page.get_by_role("link", name="Notifications", exact=True).click()
        expect(page.get_by_label("State")).to_be_visible()
        expect(page.get_by_role("tab")).to_have_count(0)


@pytest.mark.req("IR-8")
def test_a_rule_is_changed_where_it_stands(product: Product, page: Page, webhook_sink: WebhookSink) -> None:
    """The form holds what the rule says; what is saved counts for the next run, and the rule keeps its id."""
    channel, rule = f"desk-{uuid4().hex[:6]}", f"rule-{uuid4().hex[:6]}"
    body = {"rule_id": rule, "channel_id": channel, "on": ["success"], "category": "Billing", "remind_every": "4h"}
    with product.client() as client:
        made = {"channel_id": channel, "name": channel, "url": webhook_sink.url}
        assert client.post("/channels", json=made).status_code == 201
        assert client.post("/rules", json=body).status_code == 201
    page.goto("/notifications?tab=rules")
    page.get_by_role("button", name=f"Edit the rule {rule}").click()
    dialog = page.get_by_role("dialog", name="Change this rule")
    expect(dialog.get_by_label("Of category")).to_have_value("Billing")
    expect(dialog.get_by_label("Remind every")).to_have_value("4h")
    expect(dialog.get_by_label("success", exact=True)).to_be_checked()
    dialog.get_by_label("success", exact=True).uncheck()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert").first).to_be_visible()
    dialog.get_by_label("failed", exact=True).check()
    dialog.get_by_label("Of process").fill("order-to-cash-demo")
    dialog.get_by_label("Remind every").fill("")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    row = page.get_by_role("row").filter(has_text=rule)
    expect(row).to_contain_text("Order to cash (demo)")
    expect(row).to_contain_text("at once")

    run = product.check("order-to-cash-demo", "9999")
    eventually(lambda: any(run["run_id"] in hit.body and rule in hit.body for hit in webhook_sink.hits), 60)
    with product.client() as client:
        assert client.delete(f"/rules/{rule}").status_code == 204
        assert client.delete(f"/channels/{channel}").status_code == 204
