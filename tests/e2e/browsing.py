"""A person at a browser: signing in, opening screens, and what must never happen on a page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from playwright.sync_api import Browser, Page, expect

from .product import PASSWORD, Product

AXE: Final = Path(__file__).parents[2] / "services/gateway/ui/node_modules/axe-core/axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOK: Final = """async rules => (await axe.run({
    runOnly: rules, resultTypes: ['violations'], preload: { assets: ['media'] },
})).violations.map(
    fault => `${fault.id}: ${fault.nodes.map(node => node.html.slice(0, 200)).join(' | ')}`)"""
"""Style sheets are not read again before: of axe's rules only an experimental one, which is not asked, needs them."""

ANSWER_MS = 30_000
"""How long a page may take to show what it was asked for, on a busy machine."""


def sign_in(page: Page, username: str = "admin", password: str = PASSWORD) -> None:
    page.goto("/")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


@contextmanager
def browsing(
    product: Product,
    browser: Browser,
    username: str = "admin",
    password: str = PASSWORD,
    *,
    overview: bool = True,
    **options: Any,
) -> Iterator[Page]:
    """A page, signed in; fails when it logs an error or asks another origin for something.

    The administrator signs in once a product; later browsers begin with that session, while it lasts. `overview`: its
    screen is open; who goes somewhere else at once need not wait for it.
    """
    viewport = options.pop("viewport", {"width": 1440, "height": 1000})
    known = product.session if (username, password) == ("admin", PASSWORD) else None
    context = browser.new_context(viewport=viewport, base_url=product.url, storage_state=known, **options)
    context.set_default_timeout(ANSWER_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if foreign(request.url, product.url) else None)
    try:
        if known and context.request.get("/api/v1/me").ok:
            if overview:
                page.goto("/")
                expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        else:
            sign_in(page, username, password)
            if username == "admin":
                product.session = context.storage_state()
        yield page
    finally:
        context.close()
    assert faults == []


def axe_faults(page: Page) -> list[str]:
    """What axe finds on the page as it stands: WCAG 2.2 AA and best practice. The page was opened with `bypass_csp`."""
    if not page.evaluate("() => 'axe' in window"):
        page.add_script_tag(path=AXE)
    return list(page.evaluate(LOOK, RULES))


def foreign(url: str, own: str) -> bool:
    return not url.startswith((own, "data:", "blob:"))


def person(product: Product, role: str) -> str:
    """A new account with a role; its name. The password is that of all tests."""
    username = f"{role}-{uuid4().hex[:8]}"
    with product.client() as client:
        answer = client.post("/users", json={"username": username, "password": PASSWORD, "role": role})
        assert answer.status_code == 201, answer.text
    return username
