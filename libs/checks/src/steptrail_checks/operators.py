"""What an assertion may demand of one value: equality, order, place in a list, shape."""

from collections.abc import Callable
from datetime import datetime, timedelta

from steptrail_common.contracts.model import Json

from steptrail_checks.patterns import pattern
from steptrail_checks.subjects import Source
from steptrail_checks.values import as_datetime, as_number, as_seconds, is_of_type, same, shown

_SECONDS = frozenset({"age", "elapsed", "certificate"})
"""Subjects whose values are seconds and whose expectations are durations."""
Compare = Callable[[Json, Json, Source, bool, datetime], bool]
"""Whether the actual value meets the expected one: of which source, whether out of plain text, and now."""


class NotComparable(Exception):
    """The values cannot be compared this way; the text says why."""


def is_seconds(source: Source) -> bool:
    return source.subject in _SECONDS and source.argument is None


def _equal(actual: Json, expected: Json, source: Source, from_text: bool, _: datetime) -> bool:
    if is_seconds(source) and isinstance(expected, str):
        return bool(actual == as_seconds(expected))
    if same(actual, expected):
        return True
    if from_text and isinstance(expected, int | float) and not isinstance(expected, bool):
        return as_number(actual) == expected
    if str(actual) == str(expected) and not isinstance(actual, list | dict):
        raise NotComparable(
            f"found {_typed(actual)}, expected {_typed(expected)}: the types differ, write the value as it is"
        )
    return False


def _typed(value: Json) -> str:
    return f"the text {shown(value)}" if isinstance(value, str) else f"the {type(value).__name__} {shown(value)}"


def _among(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    if not isinstance(expected, list):
        raise NotComparable("in and not_in need a list")
    differing: NotComparable | None = None
    for item in expected:
        try:
            if _equal(actual, item, source, from_text, now):
                return True
        except NotComparable as error:
            differing = error
    if differing:
        raise differing
    return False


def _not_among(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    try:
        return not _among(actual, expected, source, from_text, now)
    except NotComparable:
        if not isinstance(expected, list):
            raise
        return True


def _unequal(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    try:
        return not _equal(actual, expected, source, from_text, now)
    except NotComparable:
        return True


def _order(actual: Json, expected: Json, source: Source, from_text: bool) -> int:
    """-1, 0 or 1. Numbers, durations and moments have an order; anything else raises."""
    pair: tuple[float | datetime | None, float | datetime | None]
    if is_seconds(source):
        pair = (as_number(actual), as_seconds(expected))
    elif isinstance(expected, str):
        pair = (as_datetime(actual), as_datetime(expected))
        if None in pair:
            pair = (as_number(actual), as_number(expected))
    else:
        pair = (as_number(actual) if from_text or not isinstance(actual, str) else None, as_number(expected))
    left, right = pair
    if left is None or right is None:
        raise NotComparable(f"{_typed(actual)} and {_typed(expected)} have no order; compare numbers or moments")
    return (left > right) - (left < right)  # type: ignore[operator]


def _ordered(wanted: frozenset[int]) -> Compare:
    return lambda actual, expected, source, from_text, _: _order(actual, expected, source, from_text) in wanted


def _between(actual: Json, expected: Json, source: Source, from_text: bool, _: datetime) -> bool:
    if not isinstance(expected, list) or len(expected) != 2:
        raise NotComparable("between needs a list of two: [low, high]")
    return _order(actual, expected[0], source, from_text) >= 0 >= _order(actual, expected[1], source, from_text)


def _contains(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    if isinstance(actual, str):
        return (expected if isinstance(expected, str) else str(expected)) in actual
    if isinstance(actual, list):
        return any(same(item, expected) for item in actual)
    if isinstance(actual, dict):
        return expected in actual
    raise NotComparable(f"{_typed(actual)} contains nothing; contains is for text, lists and objects")


def _matches(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    if isinstance(actual, list | dict) or actual is None:
        raise NotComparable("matches is for text")
    return bool(pattern(str(expected)).search(actual if isinstance(actual, str) else shown(actual)))


def _of_type(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    return is_of_type(actual, str(expected))


def _moment(actual: Json, expected: Json, source: Source, now: datetime) -> tuple[datetime, datetime]:
    seconds = as_seconds(expected) if isinstance(expected, str) else None
    bound = now - timedelta(seconds=seconds) if seconds is not None else as_datetime(expected)
    moment = now - timedelta(seconds=float(actual)) if source.subject == "age" else as_datetime(actual)
    if bound is None:
        raise NotComparable(f"{shown(expected)} is neither a duration such as 24h nor a moment")
    if moment is None:
        raise NotComparable(f"{_typed(actual)} is no moment")
    return moment, bound


def _newer(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    moment, bound = _moment(actual, expected, source, now)
    return moment > bound


def _older(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    moment, bound = _moment(actual, expected, source, now)
    return moment < bound


def _conforms(actual: Json, expected: Json, source: Source, from_text: bool, now: datetime) -> bool:
    from steptrail_checks import json_schema  # 3 MB of libraries, for what few processes ask

    if fault := json_schema.fault_of(actual, expected):
        raise NotComparable(fault)
    return True


OPERATORS: dict[str, Compare] = {
    "eq": _equal,
    "ne": _unequal,
    "gt": _ordered(frozenset({1})),
    "gte": _ordered(frozenset({0, 1})),
    "lt": _ordered(frozenset({-1})),
    "lte": _ordered(frozenset({-1, 0})),
    "in": _among,
    "not_in": _not_among,
    "contains": _contains,
    "matches": _matches,
    "type": _of_type,
    "between": _between,
    "newer_than": _newer,
    "older_than": _older,
    "schema": _conforms,
}
