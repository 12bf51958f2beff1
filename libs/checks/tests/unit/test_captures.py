"""Captured values keep their type, or get the one that was declared."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from steptrail_checks.captures import capture_all
from steptrail_checks.files import FileFact, FilesSubject
from steptrail_checks.port import CheckFailed
from steptrail_checks.subjects import HttpSubject, TableSubject
from steptrail_common.contracts.definition import Capture
from steptrail_common.contracts.model import Json

MOMENT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
API = HttpSubject(
    200,
    "https://api.example/",
    (("Content-Type", "application/json"), ("X-Id", "007")),
    b'{"id": "007", "n": 5, "ok": true, "at": "2026-11-02T10:30:00+01:00", "list": [1, {"a": 2}], "none": null}',
    0.1,
)
PAGE = HttpSubject(
    200, "https://shop.example/", (("Content-Type", "text/html"),), b"<a href='/1'> one </a><a href='/2'>two</a>", 0.1
)
TABLE = TableSubject(["no", "amount", "at"], [("007", Decimal("1.10"), MOMENT), ("008", Decimal("1e40"), MOMENT)])
FILES = FilesSubject([FileFact("a.xml", "out/a.xml", 12, MOMENT)], "out/*.xml", MOMENT, b"<n>5</n>")


def taken(subject: Any, **capture: Any) -> Json:
    return capture_all({"value": Capture.model_validate(capture)}, subject)[0]["value"]


@pytest.mark.req("FR-008")
@pytest.mark.parametrize(
    ("subject", "capture", "value"),
    [
        (API, {"jsonpath": "$.id"}, "007"), (API, {"jsonpath": "$.id", "type": "integer"}, 7),
        (API, {"jsonpath": "$.n"}, 5), (API, {"jsonpath": "$.n", "type": "string"}, "5"),
        (API, {"jsonpath": "$.ok"}, True), (API, {"jsonpath": "$.list"}, [1, {"a": 2}]),
        (API, {"jsonpath": "$.list[*]", "row": "last"}, {"a": 2}), (API, {"jsonpath": "$.none"}, None),
        (API, {"jsonpath": "$.at", "type": "datetime"}, "2026-11-02T09:30:00Z"), (API, {"header": "x-id"}, "007"),
        (API, {"jsonpath": "$.missing", "optional": True}, None), (PAGE, {"selector": "a"}, "one"),
        (PAGE, {"selector": "a", "attribute": "href", "row": "last"}, "/2"), (PAGE, {"xpath": "count(//a)"}, 2),
        (PAGE, {"regex": "href='/(\\d)'"}, "1"), (PAGE, {"regex": "href='/(\\d)'", "type": "number"}, 1),
        (TABLE, {"column": "no"}, "007"), (TABLE, {"column": "amount"}, 1.1),
        (TABLE, {"column": "NO", "row": "last"}, "008"),
        (TABLE, {"column": "at"}, "2026-11-02T09:30:00Z"),
        (TABLE, {"column": "at", "type": "datetime"}, "2026-11-02T09:30:00Z"),
        (FILES, {"file": "name"}, "a.xml"), (FILES, {"file": "path"}, "out/a.xml"), (FILES, {"file": "size"}, 12),
        (FILES, {"file": "modified"}, "2026-11-02T09:30:00Z"), (FILES, {"regex": "<n>(.*)</n>"}, "5"),
    ],
)  # fmt: skip
def test_values_are_taken_with_their_type(subject: Any, capture: dict[str, Any], value: Json) -> None:
    """`007` stays text unless declared a number; moments become RFC 3339 in UTC."""
    found = taken(subject, **capture)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("subject", "capture", "words"),
    [
        (API, {"jsonpath": "$.missing"}, "nothing found"),
        (API, {"jsonpath": "$.at", "type": "integer"}, "whole number"),
        (API, {"jsonpath": "$.id", "type": "datetime"}, "no moment"),
        (API, {"jsonpath": "$.n", "type": "boolean"}, "neither"),
        (API, {"jsonpath": "$.at", "type": "json"}, "no JSON"), (TABLE, {"column": "none"}, "no column"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_names_the_capture_or_column(subject: Any, capture: dict[str, Any], words: str) -> None:
    """A missing value fails the step, unless it is optional."""
    with pytest.raises(CheckFailed, match=words):
        taken(subject, **capture)


def test_moments_are_marked_because_json_cannot_tell() -> None:
    """So that a later expression can compute with them."""
    captures = {
        "at": Capture(jsonpath="$.at", type="datetime"),
        "id": Capture(jsonpath="$.id"),
    }
    assert capture_all(captures, API)[1] == {"at": "datetime"}
    assert capture_all({"m": Capture(file="modified")}, FILES)[1] == {"m": "datetime"}


def test_captures_have_a_limit() -> None:
    """A whole page is no value for a later step."""
    large = HttpSubject(200, "https://x.example/", (("Content-Type", "text/plain"),), b"x" * 100_000, 0.1)
    with pytest.raises(CheckFailed, match="64 KiB"):
        taken(large, regex="x+")
