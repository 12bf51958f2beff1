"""The form of every kind of connection, with every way to sign in: filled in, saved, opened again, read by everyone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from .browsing import axe_faults, browsing
from .product import Product
from .screens import go, loaded, painted

pytestmark = pytest.mark.parametrize("product", ["embedded"], indirect=True)

SECRET: Final = "correct horse battery"
HOST_KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJQ9Yk0h1mWzq3q0b1fXq7cR1p3m4tq5m2b8zq9wXyz"
SERVICE_KEY: Final = (
    '{"type": "service_account", "client_email": "reader@example.iam.gserviceaccount.com",'
    ' "private_key": "sealed when saved", "token_uri": "https://oauth2.googleapis.com/token"}'
)
SERVER: Final = {"Host": "db.example.com", "Port": "15999", "Username": "reader", "TLS": "verify-full"}


@dataclass(frozen=True)
class Filled:
    """A form as somebody fills it: labels with what is typed or chosen, and the labels of secrets."""

    kind: str
    fields: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.kind} {self.fields.get('Auth', '')}".strip()


def http(auth: str, secret: str | None = None, **fields: str) -> Filled:
    named = {label.replace("_", " "): value for label, value in fields.items()}
    about = {"Base URL": "https://api.example.com/v1", "Auth": auth} | named
    return Filled("http", about, {secret: SECRET} if secret else {})


FORMS: Final = [
    http("none"),
    http("basic", "Password", Username="reader"),
    http("bearer", "Token"),
    http("api_key", "API key", API_key_header="X-Shop-Key"),
    http("oauth2", "Client secret", Token_URL="https://sign.example.com/token", Client_ID="steptrail"),
    http("form", "Password", Username="reader", Path="/sign-in", Username_field="login"),
    Filled("postgresql", SERVER | {"Database": "erp"}, {"Password": SECRET}),
    Filled("mysql", SERVER | {"Database": "erp"}, {"Password": SECRET}),
    Filled("mssql", SERVER | {"Database": "erp"}, {"Password": SECRET}),
    Filled("oracle", SERVER | {"Service name": "erp.example.com"}, {"Password": SECRET}),
    Filled("mongodb", SERVER | {"Database": "erp", "Auth database": "accounts"}, {"Password": SECRET}),
    Filled("sqlite", {"Path": "/srv/erp.sqlite"}),
    Filled("files", {"Root": "https://files.example.com/out"}),
    Filled(
        "s3",
        {"Bucket": "invoices", "Prefix": "out/", "Region": "eu-central-1", "Access key ID": "AKIAEXAMPLE"},
        {"Secret access key": SECRET},
    ),
    Filled("gcs", {"Bucket": "invoices", "Auth": "service_account"}, {"Service account key": SERVICE_KEY}),
    Filled("gcs", {"Bucket": "invoices", "Auth": "none"}),
    Filled("azure_blob", {"Account": "invoices", "Container": "out", "Auth": "sas"}, {"SAS token": "sv=1&sig=x"}),
    Filled("azure_blob", {"Account": "invoices", "Container": "out", "Auth": "account_key"}, {"Account key": "YWJj"}),
    Filled(
        "sftp",
        {"Host": "sftp.example.com", "Port": "2222", "Username": "reader", "Root": "/out", "Host key": HOST_KEY,
         "Auth": "password"},
        {"Password": SECRET},
    ),
    Filled(
        "sftp",
        {"Host": "sftp.example.com", "Username": "reader", "Host key": HOST_KEY, "Auth": "private_key"},
        {"Private key": "-----BEGIN OPENSSH PRIVATE " + "KEY-----", "Passphrase": SECRET},
    ),
]  # fmt: skip


@pytest.mark.req("FR-012")
@pytest.mark.req("FR-016")
def test_every_kind_is_filled_in_saved_and_opened_again(product: Product, browser: Browser) -> None:
    """What was typed is there again, secrets are said to be set and are nowhere on the page, and axe finds nothing."""
    faults: dict[tuple[str, str], list[str]] = {}
    made: dict[str, Filled] = {}
    with browsing(product, browser, reduced_motion="reduce", bypass_csp=True) as page:
        for form in FORMS:
            faults[form.name, "new"] = fill_in(page, form)
            made[urlsplit(page.url).path] = form
        page.reload()  # whatever the page still knew of them is gone
        for path, form in made.items():
            painted(page, "dark" if form.secrets else "light")
            go(page, path)
            loaded(page)
            faults[form.name, "saved"] = read_again(page, form)
    with product.client() as client:
        for path in made:
            assert client.delete(path).status_code == 204
    assert {where: found for where, found in faults.items() if found} == {}


def test_no_kind_is_forgotten(product: Product) -> None:
    """A kind or a way to sign in that is added gets its line above."""
    with product.client() as client:
        schema = client.get("/schemas/connection").json()
    kinds = schema["properties"]["settings"]["discriminator"]["mapping"]
    filled = {(form.kind, form.fields.get("Auth")) for form in FORMS}
    for kind, reference in kinds.items():
        auth = schema["$defs"][reference.rsplit("/", 1)[1]]["properties"].get("auth", {"enum": [None]})
        missing = {(kind, way) for way in auth["enum"]} - filled
        assert missing <= {("azure_blob", "none")}, missing


def fill_in(page: Page, form: Filled) -> list[str]:
    """Make the connection; what axe finds on its filled form."""
    go(page, f"/connections/new?kind={form.kind}")
    loaded(page)
    name = f"{form.name} {uuid4().hex[:6]}"
    page.get_by_label("Name", exact=True).fill(name)
    # The way to sign in first: it decides which fields there are.
    for label, value in sorted(form.fields.items(), key=lambda one: one[0] != "Auth"):
        write(field_of(page, label), value)
    for label, value in form.secrets.items():
        field_of(page, label).fill(value)
    found = axe_faults(page)
    page.get_by_role("button", name="Make the connection").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    return found


def read_again(page: Page, form: Filled) -> list[str]:
    for label, value in form.fields.items():
        expect(page.get_by_role("form", name="Connection")).to_be_visible()
        assert shown(field_of(page, label)) == value, f"{form.name}: {label}"
    for label, value in form.secrets.items():
        expect(page.get_by_role("group", name=label, exact=True)).to_contain_text("is set")
        assert value not in page.content(), f"{form.name}: {label} can be read"
    return axe_faults(page)


def field_of(page: Page, label: str) -> Locator:
    """A field by its label, which may be marked as optional; in a group that is folded, the group is opened."""
    found = page.get_by_role("form", name="Connection").get_by_label(re.compile(rf"^{re.escape(label)}( optional)?$"))
    folded = page.locator("form[aria-label=Connection] details:not([open]) > summary")
    while found.first.is_hidden() and folded.count():
        folded.first.click()
    return found.first


def is_choice(field: Locator) -> bool:
    return bool(field.evaluate("field => field.tagName") == "SELECT")


def write(field: Locator, value: str) -> None:
    if not is_choice(field):
        field.fill(value)
    elif shown(field) != value:
        field.select_option(value)


def shown(field: Locator) -> str:
    """What a field says. A choice that nobody made says what is usual: `none (usual)`."""
    if not is_choice(field) or field.input_value():
        return field.input_value()
    usual = field.locator("option:checked").inner_text()
    return usual.removesuffix(" (usual)").replace(" ", "_")
