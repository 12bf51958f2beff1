"""How a found value differs from the expected one, in a few words."""

from steptrail_common.contracts.model import Json
from steptrail_common.differences import ABSENT, json_differences, text_difference

from steptrail_checks.subjects import Found, Source
from steptrail_checks.values import json_value, same, shown

MAX_SIDE_BY_SIDE = 60
"""Characters of a text above which the place of the first difference is told instead of both texts."""
MAX_DIFFERENCES = 3
"""Paths told when two JSON values differ."""


def row_of(source: Source, actual: Json, found: Found) -> str:
    """Which of several values it was, where all of them count."""
    if (source.row or found.default_row) != "all" or len(found.values) < 2:
        return ""
    place = next((place for place, value in enumerate(found.values, 1) if same(value, actual)), None)
    return f" (row {place} of {len(found.values)})" if place else ""


def short_difference(operator: str, expected: Json, actual: Json) -> str | None:
    """A short difference, where two values side by side would be hard to compare: long text, lists, objects."""
    if operator != "eq":
        return None
    if isinstance(expected, str) and isinstance(actual, str):
        long = max(len(expected), len(actual)) > MAX_SIDE_BY_SIDE
        return text_difference(expected, actual) if long or expected.split() == actual.split() else None
    if not (isinstance(expected, dict | list) and isinstance(actual, dict | list)):
        return None
    found = json_differences(expected, json_value(actual), limit=MAX_DIFFERENCES + 1)
    told = [_told(*difference) for difference in found[:MAX_DIFFERENCES]]
    return "; ".join([*told, "…"] if len(found) > MAX_DIFFERENCES else told) or None


def _told(path: str, expected: Json, actual: Json) -> str:
    if expected is ABSENT:
        return f"{path} {shown(actual)} is not expected"
    if actual is ABSENT:
        return f"{path} is missing, expected {shown(expected)}"
    return f"{path} is {shown(actual)}, expected {shown(expected)}"
