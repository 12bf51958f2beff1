"""Values taken from an answer for later steps, of the type that was declared. Text stays text."""

import json
from collections.abc import Mapping

from steptrail_common.contracts.definition import Capture
from steptrail_common.contracts.model import FailureClass, Json, utc

from steptrail_checks.port import CheckFailed
from steptrail_checks.subjects import Source, Subject
from steptrail_checks.values import as_datetime, as_number, json_value, shown

MAX_CAPTURE_BYTES = 65_536


def capture_all(captures: Mapping[str, Capture], subject: Subject) -> tuple[dict[str, Json], dict[str, str]]:
    """(values by name, types that JSON cannot tell). An optional value that is not there is null.

    Raises `CheckFailed` that names the capture.
    """
    values: dict[str, Json] = {}
    types: dict[str, str] = {}
    for name, capture in captures.items():
        source = Source.of_capture(capture)
        found = subject.lookup(source).values
        if not found:
            if not capture.optional:
                raise _failed(name, f"{source.label}: nothing found", "capture_missing")
            values[name] = None
            continue
        values[name] = _typed(name, found[-1 if capture.row == "last" else 0], capture.type)
        if _is_moment(capture):
            types[name] = "datetime"
    return values, types


def _is_moment(capture: Capture) -> bool:
    return capture.type == "datetime" or (capture.file == "modified" and capture.type is None)


def _typed(name: str, value: Json, wanted: str | None) -> Json:
    value = json_value(value)
    if value is not None and wanted is not None:
        value = _READERS[wanted](name, value)
    if len(json.dumps(value, ensure_ascii=False).encode("utf-8", errors="replace")) > MAX_CAPTURE_BYTES:
        raise CheckFailed(
            FailureClass.TOO_LARGE, f"capture {name}: the value is larger than 64 KiB", reason="capture_too_large"
        )
    return value


def _string(name: str, value: Json) -> Json:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _integer(name: str, value: Json) -> Json:
    number = as_number(value)
    if number is None or number != int(number):
        raise _failed(name, f"{shown(value)} is no whole number", "capture_type")
    return int(number)


def _number(name: str, value: Json) -> Json:
    number = as_number(value)
    if number is None:
        raise _failed(name, f"{shown(value)} is no number", "capture_type")
    return number


def _boolean(name: str, value: Json) -> Json:
    if isinstance(value, bool):
        return value
    known = {"true": True, "false": False, "1": True, "0": False}.get(str(value).strip().lower())
    if known is None:
        raise _failed(name, f"{shown(value)} is neither true nor false", "capture_type")
    return known


def _datetime(name: str, value: Json) -> Json:
    moment = as_datetime(value)
    if moment is None:
        raise _failed(name, f"{shown(value)} is no moment such as 2026-11-02T10:30:00Z", "capture_type")
    return utc(moment)


def _json(name: str, value: Json) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise _failed(name, f"{shown(value)} is no JSON", "capture_type") from error


_READERS = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "datetime": _datetime,
    "json": _json,
}


def _failed(name: str, detail: str, reason: str) -> CheckFailed:
    return CheckFailed(FailureClass.ASSERTION, f"capture {name}: {detail}", reason=reason)
