"""Signing in through a page's login form: its hidden fields are kept, the connection's name and password go in."""

from typing import Any
from urllib.parse import urlencode, urljoin

from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_checks.subjects import HttpSubject
from steptrail_common.contracts.connections.http import FormLogin, HttpSettings
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.exchange import secret_of
from steptrail_crawler.adapters.http import Answer
from steptrail_crawler.adapters.pages import PageFetcher, Visit
from steptrail_crawler.domain.address import join, origin


def login_of(connection: OpenedConnection | None) -> tuple[HttpSettings, FormLogin] | None:
    """How to sign in by form, if the connection says so."""
    settings = connection.settings if connection else None
    if not isinstance(settings, HttpSettings) or settings.auth != "form" or settings.login is None:
        return None
    return settings, settings.login


async def sign_in(fetcher: PageFetcher, visit: Visit, connection: OpenedConnection) -> None:
    """Fill in and send the form; the cookies of the visit are signed in afterwards. Raises `CheckFailed`."""
    found = login_of(connection)
    if found is None:
        return
    settings, login = found
    page = await fetcher.fetch(visit, join(settings.base_url, login.path))
    form = _form(page.answer, login)
    values = {**_fields(form), **login.fields, login.username_field: settings.username or ""}
    values[login.password_field] = secret_of(connection, "password")
    action = urljoin(page.answer.url, form.attrib.get("action") or page.answer.url)
    if origin(action) != origin(settings.base_url):
        raise login_failed(f"its form is sent to another host, {origin(action)[1]}", "login_elsewhere")
    if form.attrib.get("method", "get").lower() == "post":
        answer = (await fetcher.fetch(visit, action, method="POST", form=urlencode(values).encode())).answer
    else:
        answer = (await fetcher.fetch(visit, f"{action.split('?')[0]}?{urlencode(values)}")).answer
    if answer.status >= 400:
        raise login_failed(f"the server answers with HTTP status {answer.status}", "login_failed")
    if _subject(answer).tree.xpath("//input[@name=$name]", name=login.password_field):
        raise login_failed("the form is shown again: user name or password are wrong", "login_failed")


def _form(answer: Answer, login: FormLogin) -> Any:
    """The form around the password field."""
    fields = _subject(answer).tree.xpath("//form[.//input[@name=$name]]", name=login.password_field)
    if not fields:
        raise login_failed(
            f"the page has no form with a field named {login.password_field!r} (HTTP status {answer.status}); pages "
            "that build their form by script need a browser: add `render: true` to the check",
            "login_form_missing",
        )
    return fields[0]


def _fields(form: Any) -> dict[str, str]:
    """What the form would send as it is: hidden fields and preset values."""
    inputs = form.xpath(".//input[@name and not(@type='submit' or @type='image' or @type='button' or @type='file')]")
    return {
        field.attrib["name"]: field.attrib.get("value", "")
        for field in inputs
        if field.attrib.get("type", "text").lower() not in ("checkbox", "radio") or "checked" in field.attrib
    }


def _subject(answer: Answer) -> HttpSubject:
    return HttpSubject(answer.status, answer.url, answer.headers, answer.body, 0.0)


def login_failed(why: str, reason: str) -> CheckFailed:
    """We could not sign in; the page behind was not looked at."""
    return CheckFailed(FailureClass.AUTH, f"signing in failed: {why}", reason=reason, ours=True)
