"""The typed inputs of a run: checked against the definition, field by field."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import re2
from steptrail_common.contracts.definition import Definition, Input
from steptrail_common.contracts.model import FieldError, utc
from steptrail_common.errors import InvalidInput

MAX_TEXT = 10_000
"""Characters of one input."""
_INT64 = 2**63
_INTEGER = re.compile(r"-?\d{1,19}\Z")
_NUMBER = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?\Z")


def checked_inputs(definition: Definition, given: Mapping[str, Any], *, path: str = "body.inputs") -> dict[str, Any]:
    """The inputs with defaults filled in, each of its declared type. Raises `InvalidInput` naming every fault.

    Text is taken for numbers, true and false as well, because command lines and forms only have text.
    """
    errors: list[FieldError] = []
    values: dict[str, Any] = {}
    for name in given:
        if name not in definition.inputs:
            known = ", ".join(definition.inputs) or "none"
            errors.append(FieldError(path=f"{path}.{name}", message=f"unknown input; this process has: {known}"))
    for name, spec in definition.inputs.items():
        try:
            values[name] = _value(spec, given.get(name))
        except ValueError as fault:
            errors.append(FieldError(path=f"{path}.{name}", message=str(fault)))
    if errors:
        raise InvalidInput("; ".join(f"{error.path}: {error.message}" for error in errors[:5]), errors=errors)
    return values


def key_of(definition: Definition, inputs: Mapping[str, Any]) -> str | None:
    """The business key that names the run: the value of the key input, as text."""
    name = definition.key_input
    value = inputs.get(name) if name else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)[:200]


def _value(spec: Input, given: Any) -> Any:
    if given is None or (given == "" and spec.type != "string"):
        if spec.default is not None:
            given = spec.default
        elif spec.required:
            example = f", for example {spec.example}" if spec.example is not None else ""
            raise ValueError(f"{spec.label or 'a value'} is required{example}")
        else:
            return None
    value = _PARSERS[spec.type](given)
    if isinstance(value, str) and spec.matches and not _matches(spec.matches, value):
        example = f", for example {spec.example}" if spec.example is not None else ""
        raise ValueError(f"must match {spec.matches}{example}")
    if spec.options is not None and value not in spec.options:
        raise ValueError(f"must be one of {', '.join(map(str, spec.options[:20]))}")
    return value


def _matches(pattern: str, value: str) -> bool:
    """Whether the whole text matches, by an engine whose time grows only with the length of the text."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.fullmatch(pattern, value, options) is not None
    except re2.error:
        raise ValueError(f"the definition's pattern {pattern} cannot be used") from None


def _string(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError(f'must be text; write it in quotes, such as "{given}"')
    if len(given) > MAX_TEXT:
        raise ValueError(f"must be at most {MAX_TEXT} characters")
    if "\x00" in given:
        raise ValueError("must not hold the character NUL")
    if not given.strip():
        raise ValueError("must not be empty")
    return given


def _integer(given: Any) -> int:
    if isinstance(given, str) and _INTEGER.match(given.strip()):
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not -_INT64 <= given < _INT64:
        raise ValueError("must be a whole number")
    return given


def _number(given: Any) -> float | int:
    if isinstance(given, str) and _NUMBER.match(given.strip()):
        given = float(given)
    if isinstance(given, bool) or not isinstance(given, int | float) or not -1e308 < given < 1e308:
        raise ValueError("must be a number")
    return given


def _boolean(given: Any) -> bool:
    if isinstance(given, str) and given.strip().lower() in ("true", "false"):
        return given.strip().lower() == "true"
    if not isinstance(given, bool):
        raise ValueError("must be true or false")
    return given


def _date(given: Any) -> str:
    try:
        return date.fromisoformat(_string(given).strip()).isoformat()
    except ValueError:
        raise ValueError("must be a date such as 2026-05-01") from None


def _datetime(given: Any) -> str:
    try:
        parsed = datetime.fromisoformat(_string(given).strip())
    except ValueError:
        raise ValueError("must be a moment such as 2026-05-01T08:00:00Z") from None
    return utc(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


_PARSERS = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
}
