"""Typed inputs: whether a declared input makes sense, and whether a value fits it."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import re2
from steptrail_common.contracts.definition import Input

from steptrail_catalog.domain import patterns
from steptrail_catalog.domain.places import Faults, Place, suggestion

MAX_TEXT = 10_000
_INT64 = 2**63


def check_inputs(inputs: Mapping[str, Input], faults: Faults) -> None:
    """Patterns can be read; default, example and options fit the input they stand for."""
    for name, spec in inputs.items():
        place: Place = ("inputs", name)
        if spec.matches is not None and (fault := patterns.fault_of_regex(spec.matches)):
            faults.add((*place, "matches"), fault)
            continue
        if spec.matches is not None and spec.type != "string":
            faults.add((*place, "matches"), "is for inputs of type string")
        for at, option in enumerate(spec.options or []):
            if fault := _fault_of_type(spec, option):
                faults.add((*place, "options", at), fault)
        for key, value in (("default", spec.default), ("example", spec.example)):
            if value is not None and (fault := fault_of(spec, value)):
                faults.add((*place, key), fault)


def check_given(inputs: Mapping[str, Input], given: Mapping[str, Any], place: Place, faults: Faults) -> None:
    """Values for a run: none unknown, none missing, each of its type."""
    for name, value in given.items():
        if name not in inputs:
            faults.add((*place, name), f"unknown input; {suggestion(name, inputs)}")
        elif value is not None and (fault := fault_of(inputs[name], value)):
            faults.add((*place, name), fault)
    for name, spec in inputs.items():
        if spec.required and spec.default is None and given.get(name) is None:
            faults.add((*place, name), "is required: the process asks for it")


def fault_of(spec: Input, value: Any) -> str | None:
    """What is wrong with a value for an input, or None."""
    if fault := _fault_of_type(spec, value):
        return fault
    if spec.options is not None and value not in spec.options:
        return f"must be one of {', '.join(map(str, spec.options[:20]))}"
    if spec.matches is not None and isinstance(value, str) and not _matches(spec.matches, value):
        return f"must match {spec.matches}"
    return None


def _matches(pattern: str, value: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    return re2.fullmatch(pattern, value, options) is not None


def _fault_of_type(spec: Input, value: Any) -> str | None:
    return _TYPES[spec.type](value)


def _string(value: Any) -> str | None:
    if not isinstance(value, str):
        return f'must be text; put it in quotes: "{value}"' if isinstance(value, int | float) else "must be text"
    return None if len(value) <= MAX_TEXT else f"may have at most {MAX_TEXT} characters"


def _integer(value: Any) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64
    return None if whole else "must be a whole number"


def _number(value: Any) -> str | None:
    return None if isinstance(value, int | float) and not isinstance(value, bool) else "must be a number"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _parsed_by(parse: Callable[[str], object], example: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        try:
            parse(value)
        except (ValueError, TypeError):
            return f"must be {example}"
        return None

    return check


_TYPES: dict[str, Callable[[Any], str | None]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _parsed_by(date.fromisoformat, "a date such as 2026-05-01"),
    "datetime": _parsed_by(datetime.fromisoformat, "a moment such as 2026-05-01T08:00:00Z"),
}
