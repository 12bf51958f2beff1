"""A step as its worker gets it: every expression evaluated, every inserted value encoded for its place."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError
from steptrail_common.contracts.checks import Check
from steptrail_common.contracts.checks.configuration import Texts
from steptrail_common.contracts.checks.text import Place
from steptrail_common.contracts.definition import Assertion, Capture, Step

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
_CAPTURE_TEXTS = ("jsonpath", "selector", "xpath", "regex", "header", "column", "attribute", "jsonld")


def render_check(check: Check, scope: Scope, texts: Texts | None = None) -> Check:
    """The check with its values, encoded for the places its texts declare. `texts`: those of this check, if somebody
    has looked for them before. Raises `ExpressionError`, `StepNotRun`."""
    values = (texts or Texts(check)).changed(lambda text, place: _rendered(check, text, place, scope))
    try:
        return type(check).model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"][: _depth(fault["loc"])])
        raise ExpressionError(where, f"{where} does not take this value: {fault['msg']}") from None


def _rendered(check: Check, text: str, place: Place, scope: Scope) -> Any:
    value = _RENDERERS[place](text, scope)
    if place is Place.HEADER and _CONTROL.search(value):
        name = next((name for name, given in getattr(check, "headers", {}).items() if given == text), "of this check")
        raise ExpressionError(text, f"the value of header {name} must not hold line breaks or control characters")
    return value


def _depth(location: tuple[int | str, ...]) -> int:
    """Without the names of types that pydantic puts at the end for unions."""
    scalars = ("str", "int", "float", "bool")
    return next((at for at, part in enumerate(location) if at and part in scalars), len(location))


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


def _value(text: str, scope: Scope) -> Any:
    return plain(render(text, scope))


def _url(template: str, scope: Scope) -> str:
    return _limited(render(template, scope, lambda text, at: _base(text) if at == 0 else _url_part(text, at)))


def _url_path(template: str, scope: Scope) -> str:
    return _limited(render(template, scope, _url_part))


def _file(template: str, scope: Scope) -> str:
    found: str = render(template, scope, _file_name)
    return found


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


def _text(template: str, scope: Scope) -> str:
    text: str = render(template, scope, lambda value, _at: value)
    return text


def _capture(capture: Capture, scope: Scope) -> Capture:
    texts = {name: getattr(capture, name) for name in _CAPTURE_TEXTS}
    return capture.model_copy(
        update={name: _text(text, scope) for name, text in texts.items() if text is not None and has_expression(text)}
    )


_RENDERERS: dict[Place, Callable[[str, Scope], Any]] = {
    Place.TEXT: _text,
    Place.VALUE: _value,
    Place.URL: _url,
    Place.URL_PATH: _url_path,
    Place.FILE: _file,
    Place.HEADER: _text,
}
