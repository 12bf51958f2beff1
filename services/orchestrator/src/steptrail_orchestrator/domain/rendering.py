"""A step as its worker gets it: every expression evaluated, every inserted value encoded for its place."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from steptrail_common.contracts.definition import (
    ApiCall,
    Assertion,
    Capture,
    Check,
    DbQuery,
    Step,
    WebCrawl,
)

from steptrail_orchestrator.domain.expressions import (
    ExpressionError,
    Scope,
    has_expression,
    moment,
    plain,
    render,
    render_all,
)

MAX_URL = 8192
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CAPTURE_TEXTS = ("jsonpath", "selector", "xpath", "regex", "header", "column", "attribute")


def render_check(check: Check, scope: Scope) -> Check:
    """The check with its values. Raises `ExpressionError`, `StepNotRun`."""
    if isinstance(check, WebCrawl):
        return check.model_copy(update=_address(check, scope) | {"headers": _headers(check.headers, scope)})
    if isinstance(check, ApiCall):
        return check.model_copy(update=_api(check, scope))
    if isinstance(check, DbQuery):
        return check.model_copy(update={"params": render_all(check.params, scope)})
    update: dict[str, Any] = {}
    if check.url is not None:
        update["url"] = _url(check.url, scope)
    if check.path is not None:
        update["path"] = render(check.path, scope, _file_name)
    return check.model_copy(update=update)


def render_assertions(assertions: list[Assertion], scope: Scope) -> list[Assertion]:
    """Assertions with their values: expected values keep their type, selectors and paths become text."""
    return [
        assertion.model_copy(
            update={
                "argument": None if assertion.argument is None else _text(assertion.argument, scope),
                "operators": render_all(assertion.operators, scope),
            }
        )
        for assertion in assertions
    ]


def render_captures(captures: Mapping[str, Capture], scope: Scope) -> dict[str, Capture]:
    return {name: _capture(capture, scope) for name, capture in captures.items()}


def render_since(step: Step, scope: Scope, default: datetime) -> datetime:
    """When the business allowance starts: the `since` of the step, else the start of the run."""
    if step.since is None:
        return default
    value = render(step.since, scope)
    if value is None:
        return default
    found = value if isinstance(value, datetime) else moment(value) if isinstance(value, str) else None
    if found is None:
        raise ExpressionError(step.since, f"since must be a moment such as 2026-05-01T08:00:00Z, not {value!r}")
    return found


def _api(check: ApiCall, scope: Scope) -> dict[str, Any]:
    update = _address(check, scope) | {"headers": _headers(check.headers, scope)}
    update["query"] = {key: _query_value(key, value, scope) for key, value in check.query.items()}
    update["body"] = render_all(check.body, scope)
    if check.form is not None:
        update["form"] = {key: _text(value, scope) for key, value in check.form.items()}
    if check.graphql is not None:
        update["graphql"] = check.graphql.model_copy(update={"variables": render_all(check.graphql.variables, scope)})
    return update


def _address(check: WebCrawl | ApiCall, scope: Scope) -> dict[str, Any]:
    update: dict[str, Any] = {}
    if check.url is not None:
        update["url"] = _url(check.url, scope)
    if check.path is not None:
        update["path"] = _limited(render(check.path, scope, _url_part))
    return update


def _url(template: str, scope: Scope) -> str:
    """A URL. A value at its very start is a base address and stays as it is; everywhere else it is percent-encoded."""
    return _limited(render(template, scope, lambda text, at: _base(text) if at == 0 else _url_part(text, at)))


def _limited(url: str) -> str:
    if len(url) > MAX_URL:
        raise ExpressionError(url, f"the address is longer than {MAX_URL} characters")
    return url


def _base(text: str) -> str:
    if _CONTROL.search(text) or text != text.strip():
        raise ExpressionError(text, "an address must not hold control characters or outer blanks")
    return text


def _url_part(text: str, _at: int) -> str:
    if text in (".", ".."):
        raise ExpressionError(text, "a value must not step up in a path")
    return quote(text, safe="")


def _file_name(text: str, _at: int) -> str:
    """A value inside a file path is one name: it must not change folders or match several files."""
    if text in (".", "..") or any(char in text for char in "/\\*?[]") or _CONTROL.search(text):
        raise ExpressionError(text, "a value in a file path must not hold / \\ * ? [ ] or control characters, or be ..")
    return text


def _headers(headers: Mapping[str, str], scope: Scope) -> dict[str, str]:
    return {name: _header(name, value, scope) for name, value in headers.items()}


def _header(name: str, value: str, scope: Scope) -> str:
    text = _text(value, scope)
    if _CONTROL.search(text):
        raise ExpressionError(value, f"the value of header {name} must not hold line breaks or control characters")
    return text


def _text(template: str, scope: Scope) -> str:
    text: str = render(template, scope, lambda value, _at: value)
    return text


def _query_value(key: str, value: Any, scope: Scope) -> str | int | float | bool:
    rendered = plain(render(value, scope)) if isinstance(value, str) else value
    if not isinstance(rendered, str | int | float | bool):
        raise ExpressionError(str(value), f"the query parameter {key} must be text, a number, true or false")
    return rendered


def _capture(capture: Capture, scope: Scope) -> Capture:
    texts = {name: getattr(capture, name) for name in _CAPTURE_TEXTS}
    return capture.model_copy(
        update={name: _text(text, scope) for name, text in texts.items() if text is not None and has_expression(text)}
    )
