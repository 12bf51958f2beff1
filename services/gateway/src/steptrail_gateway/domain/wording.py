"""How a run is said on paper: the words of the page (`status.ts`, `format.ts`, `eventWords.ts`)."""

import json
from datetime import UTC, datetime
from typing import Final

from steptrail_common.contracts.model import Json
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.workers import AssertionOutcome

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WORDS: Final = {"not_yet": "not yet", "timeout": "timed out", "error": "could not check", "pending": "queued"}
_TRIGGERS: Final = {
    "manual": "by hand",
    "api": "by API",
    "cli": "on the command line",
    "schedule": "by schedule",
    "recheck": "continued from a failed step",
}
_KINDS: Final = {"web_crawl": "web page", "api_call": "API", "db_query": "SQL", "file_check": "file"}
_FAILURES: Final = {
    "dns": "Name not found (DNS)",
    "connect": "No connection",
    "tls": "TLS certificate or handshake",
    "auth": "Sign-in refused",
    "permission": "Not allowed",
    "rate_limited": "Too many requests",
    "timeout": "Took too long",
    "http_status": "HTTP status",
    "assertion": "Not as expected",
    "stale": "Too old",
    "schema_changed": "Shape changed",
    "protocol": "Broken answer",
    "internal": "Our own fault",
}
_OPERATORS: Final = {
    "eq": "=",
    "ne": "≠",
    "gt": ">",
    "gte": "≥",
    "lt": "<",
    "lte": "≤",
    "in": "one of",
    "not_in": "none of",
    "type": "is a",
}
_SECONDS: Final = {"age", "elapsed"}
_BYTES: Final = {"size", "size as rendered"}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_KIB: Final = 1024


def status(name: str) -> str:
    return _WORDS.get(name, name)


def trigger(name: str) -> str:
    return _TRIGGERS.get(name, name)


def kind(check_type: str) -> str:
    return _KINDS.get(check_type, check_type.replace("_", " "))


def failure(name: str) -> str:
    """A failure class: `not_found` → `Not found`."""
    return _FAILURES.get(name, name.replace("_", " ").capitalize())


def moment(at: datetime | None) -> str:
    """`2026-11-26 18:34:36 UTC`; paper has no other zone."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "–"


def instant(at: datetime) -> str:
    """`2026-11-26 18:34:36.120` of UTC, for a log."""
    return at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def duration(seconds: float | None) -> str:
    """Seconds in at most two units: `0.41 s`, `1.9 s`, `12 s`, `4 min 10 s`, `3 h 12 m`, `2 d 4 h`."""
    if seconds is None:
        return "–"
    value = max(0.0, seconds)
    if 0 < value < 0.005:
        return "< 0.01 s"
    if value < 9.95:
        return f"{value:.2f} s" if value < 0.995 else f"{value:.1f} s"
    whole = round(value)
    for size, unit, small, small_unit in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "m"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= size * (2 if unit == "d" else 1):
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(count: float) -> str:
    """`312 B`, `4.1 KiB`: powers of 1024."""
    value, unit = float(count), 0
    while value >= _KIB and unit < len(_UNITS) - 1:
        value, unit = value / _KIB, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{round(value)} B"


def value(found: Json, what: str = "") -> str:
    """A JSON value as one line; ages and sizes with their unit when `what` says that it is one."""
    if isinstance(found, str):
        return found
    if isinstance(found, int | float) and not isinstance(found, bool):
        if what.lower() in _SECONDS:
            return f"{found * 1000:.3g} ms" if 0 < found < 1 else duration(found)
        if what.lower() in _BYTES:
            return size(found)
    return json.dumps(found, ensure_ascii=False)


def expectation(operator: str, expected: Json, what: str = "") -> str:
    """`= 1`, `one of PAID, SHIPPED`, `exists`."""
    if operator == "exists":
        return "does not exist" if expected is False else "exists"
    sign = _OPERATORS.get(operator, operator.replace("_", " "))
    if isinstance(expected, list):
        if operator == "between" and len(expected) == 2:
            return f"between {value(expected[0], what)} and {value(expected[1], what)}"
        return f"{sign} {', '.join(value(one, what) for one in expected)}"
    return f"{sign} {value(expected, what)}"


def actual(one: AssertionOutcome) -> str:
    """The value; where there was none, why, without what stands beside it anyway."""
    if one.actual is not None or not one.message:
        return value(one.actual, one.label)
    return one.message.removeprefix(f"{one.label}: ").partition(", expected ")[0]


def event(one: RunEvent) -> str:
    """One line of the log."""
    step = f"{one.step_number} {one.step_name or one.step_id or ''}" if one.step_number else ""
    named = failure(one.failure_class) if one.failure_class else None
    why = ": ".join(part for part in (named, one.message or one.reason) if part)
    why = f" ({why})" if why else ""
    match one.type:
        case "run.queued":
            return f"asked for by {one.initiated_by or '–'}" + (f", key {one.key}" if one.key else "")
        case "run.started":
            return "started"
        case "run.finished":
            return ": ".join(part for part in (status(one.status), one.verdict) if part)
        case "step.started":
            return f"{step}, attempt {one.attempt or 1} of {one.of_attempts or 1}"
        case "step.retrying":
            return f"{step}: tries again{why}"
        case "step.waiting":
            return f"{step}: not there yet, looks again"
        case "step.finished":
            took = f" in {duration(one.duration_seconds)}" if one.duration_seconds is not None else ""
            return f"{step}: {status(one.status)}{took}{why}"
