"""Signing in through a page's login form in a browser: for forms that a script builds, too."""

import time

from playwright.async_api import Error as PlaywrightError
from steptrail_checks.port import OpenedConnection

from steptrail_crawler.adapters.browser_page import PageSession
from steptrail_crawler.adapters.exchange import secret_of
from steptrail_crawler.adapters.form_login import login_failed, login_of
from steptrail_crawler.domain.address import join, origin

LOGIN_SECONDS = 10.0
"""How long the form may take to take in what is typed, and to go away."""
_SUBMIT = """field => {
    const form = field.form;
    const bare = form && !form.querySelector('[type=submit], [type=image], button:not([type])');
    if (bare) form.requestSubmit();
    return Boolean(bare);
}"""
"""Sends a form that has no button of its own: the Enter key does nothing in one with several fields."""


async def sign_in(session: PageSession, connection: OpenedConnection, *, timeout_seconds: float) -> None:
    """Fill in and send the form; the page's cookies are signed in afterwards. Raises `CheckFailed`."""
    found = login_of(connection)
    if found is None:
        return
    settings, login = found
    end = time.monotonic() + timeout_seconds
    await session.open(join(settings.base_url, login.path), timeout_seconds=timeout_seconds)
    if origin(session.page.url) != origin(settings.base_url):
        raise login_failed(f"the form is at another host, {origin(session.page.url)[1]}", "login_elsewhere")
    password = session.page.locator(f'[name="{login.password_field}"]').first
    session.hide(password)
    values = {login.username_field: settings.username or "", **login.fields}
    limit = max(min(LOGIN_SECONDS, end - time.monotonic()), 0.05) * 1000
    try:
        for name, value in values.items():
            await session.page.locator(f'[name="{name}"]').first.fill(value, timeout=limit)
        await password.fill(secret_of(connection, "password"), timeout=limit)
        if not await password.evaluate(_SUBMIT, timeout=limit):
            await password.press("Enter", timeout=limit)
    except PlaywrightError as error:
        raise login_failed("the page has no such form", "login_form_missing") from error
    try:
        await password.wait_for(state="hidden", timeout=limit)
    except PlaywrightError as error:
        raise login_failed("the form stays: user name or password are wrong", "login_failed") from error
    await session.page.wait_for_load_state(timeout=limit)
