"""Assertions as written and in normal form."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steptrail_catalog.domain.assertions import ARGUED, SECONDS, VALUED, Wrong, read, write
from steptrail_common.contracts.definition import Assertion


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ({"status": {"eq": 200}}, {"subject": "status", "operators": {"eq": 200}}),
        ({"status": 200}, {"subject": "status", "operators": {"eq": 200}}),
        (
            {"selector": ".x", "text": {"eq": "a"}},
            {"subject": "selector", "argument": ".x", "part": "text", "operators": {"eq": "a"}},
        ),
        (
            {"selector": ".x", "eq": "a"},
            {"subject": "selector", "argument": ".x", "part": "text", "operators": {"eq": "a"}},
        ),
        (
            {"selector": ".x", "count": {"gte": 1}},
            {"subject": "selector", "argument": ".x", "part": "count", "operators": {"gte": 1}},
        ),
        ({"selector": ".x", "exists": True}, {"subject": "selector", "argument": ".x", "operators": {"exists": True}}),
        (
            {"selector": "a", "attribute": "href", "matches": "^/", "row": "all"},
            {
                "subject": "selector",
                "argument": "a",
                "part": "attribute:href",
                "row": "all",
                "operators": {"matches": "^/"},
            },
        ),
        (
            {"jsonpath": "$.state", "in": ["PAID"]},
            {"subject": "jsonpath", "argument": "$.state", "operators": {"in": ["PAID"]}},
        ),
        (
            {"column": "status", "eq": "BOOKED", "row": "any"},
            {"subject": "column", "argument": "status", "row": "any", "operators": {"eq": "BOOKED"}},
        ),
        (
            {"header": "Content-Type", "contains": "json"},
            {"subject": "header", "argument": "Content-Type", "operators": {"contains": "json"}},
        ),
        (
            {"regex": "No \\d+", "exists": True},
            {"subject": "regex", "argument": "No \\d+", "operators": {"exists": True}},
        ),
        ({"rows": {"eq": 1}}, {"subject": "rows", "operators": {"eq": 1}}),
        ({"count": {"between": [1, 3]}}, {"subject": "count", "operators": {"between": [1, 3]}}),
        ({"age": {"lt": "24h"}}, {"subject": "age", "operators": {"lt": 86400.0}}),
        ({"elapsed": {"between": ["1s", "1500ms"]}}, {"subject": "elapsed", "operators": {"between": [1.0, 1.5]}}),
        ({"age": {"newer_than": "24h"}}, {"subject": "age", "operators": {"newer_than": "24h"}}),
        (
            {"column": "at", "newer_than": "${{ steps.a.at }}"},
            {"subject": "column", "argument": "at", "operators": {"newer_than": "${{ steps.a.at }}"}},
        ),
        ({"title": "Shop"}, {"subject": "title", "operators": {"eq": "Shop"}}),
        ({"text": {"contains": "a"}}, {"subject": "text", "operators": {"contains": "a"}}),
    ],
)
def test_written_assertions_have_one_normal_form(written: dict[str, Any], normal: dict[str, Any]) -> None:
    """And the way back gives an assertion of the same meaning."""
    read_as = read(written)
    assert read_as.model_dump(exclude_none=True) == normal
    assert read(write(read_as)) == read_as


NUMBERS = st.integers(-1000, 1000)
SPANS = st.integers(1, 10**9).map(lambda milliseconds: milliseconds / 1000)


@st.composite
def assertions(draw: st.DrawFn) -> Assertion:
    subject = draw(st.sampled_from([*ARGUED, *VALUED]))
    argument = draw(st.sampled_from(["a", "$.x", ".x"])) if subject in ARGUED else None
    part = None
    if subject in ("selector", "xpath"):
        part = draw(st.sampled_from(["text", "attribute:href", "count"]))
    counted = part == "count" or subject in ("count", "rows", "status", "size")
    values = (
        SPANS
        if subject in SECONDS
        else NUMBERS
        if counted
        else NUMBERS | st.text("abc1", min_size=1).filter(str.isdigit)
    )
    names = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"])
    operators = draw(st.dictionaries(names, values, min_size=1, max_size=3))
    row = draw(st.sampled_from([None, "first", "last", "any", "all"])) if subject in ARGUED else None
    return Assertion(subject=subject, argument=argument, part=part, row=row, operators=operators)


@settings(max_examples=200, deadline=None)
@given(assertions())
def test_the_normal_form_survives_being_written(assertion: Assertion) -> None:
    """So that an editor can show and save what it read."""
    assert read(write(assertion)) == assertion


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("written", "place", "told"),
    [
        ("status", (), "must be a mapping"),
        ({}, (), "nothing to look at"),
        ({"stats": 200}, ("stats",), "did you mean `status`?"),
        ({"status": {}}, ("status",), "nothing to expect"),
        ({"status": {"equals": 200}}, ("status", "equals"), "unknown operator"),
        ({"status": {"eq": "200"}}, ("status", "eq"), "whole number"),
        ({"status": {"eq": 200}, "title": "x"}, ("title",), "does not belong beside"),
        ({"rows": 1.5}, ("rows", "eq"), "whole number"),
        ({"selector": ".x"}, (), "nothing to expect"),
        ({"selector": ".x", "xpath": "//a", "exists": True}, ("xpath",), "two assertions"),
        ({"selector": 5, "exists": True}, ("selector",), "must be text"),
        ({"selector": "x" * 2000, "exists": True}, ("selector",), "at most 1000"),
        ({"jsonpath": "$.a", "text": {"eq": 1}}, ("text",), "does not belong"),
        ({"jsonpath": "$.a", "row": "second", "eq": 1}, ("row",), "must be one of"),
        ({"header": "X", "attribute": "y", "eq": 1}, ("attribute",), "names an attribute"),
        ({"age": {"lt": 24}}, ("age", "lt"), "with its unit"),
        ({"age": {"lt": "24 hours"}}, ("age", "lt"), "with its unit"),
        ({"age": {"lt": "0s"}}, ("age", "lt"), "above 0"),
        ({"text": "Shipped"}, ("text",), "contains"),
        ({"jsonpath": "$.a", "in": "PAID"}, ("in",), "must be a list"),
        ({"jsonpath": "$.a", "between": [1]}, ("between",), "list of 2"),
        ({"jsonpath": "$.a", "gt": True}, ("gt",), "a number or a moment"),
        ({"jsonpath": "$.a", "gt": "high"}, ("gt",), "no order"),
        ({"jsonpath": "$.a", "exists": "yes"}, ("exists",), "true or false"),
        ({"jsonpath": "$.a", "type": "text"}, ("type",), "unknown type"),
        ({"jsonpath": "$.a", "newer_than": 5}, ("newer_than",), "duration such as"),
        ({"jsonpath": "$.a", "matches": 5}, ("matches",), "regular expression"),
        ({"status": {"count": 1}}, ("status", "count"), "stands for itself"),
        ({"jsonpath": "$.a"} | dict.fromkeys(["eq", "ne", "gt", "gte", "lt", "lte", "exists"], 1), (), "at most 6"),
    ],
)
def test_what_is_wrong_with_an_assertion_is_named(written: Any, place: tuple[str, ...], told: str) -> None:
    """With the key that is to blame."""
    with pytest.raises(Wrong) as wrong:
        read(written)
    assert wrong.value.place == place
    assert told in wrong.value.message
