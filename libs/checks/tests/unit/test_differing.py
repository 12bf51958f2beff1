"""Expected and actual differ: the message says where, so that nobody has to compare by eye."""

from datetime import UTC, datetime
from typing import Any

import pytest
from steptrail_checks.assertions import evaluate
from steptrail_checks.plugins import FactsSubject
from steptrail_checks.subjects import TableSubject
from steptrail_common.contracts.definition import Assertion
from steptrail_common.differences import ABSENT, json_differences, text_difference

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def said(facts: Any, expected: Any) -> str | None:
    assertion = Assertion(subject="jsonpath", argument="$.x", operators={"eq": expected})
    return evaluate([assertion], FactsSubject({"x": facts}), NOW).message


@pytest.mark.req("FR-020")
def test_json_values_tell_the_paths_of_their_first_differences() -> None:
    """Changed, missing and unexpected keys by path; at most three of them."""
    expected = {"total": 5, "items": [{"sku": "a", "n": 1}], "paid": True}
    message = said({"total": "5", "items": [{"sku": "a", "n": 2}], "extra": None}, expected)
    assert message == (
        '$.x is not as expected: $.total is "5", expected 5; $.items[0].n is 2, expected 1; '
        "$.extra null is not expected; …"
    )


def test_long_texts_tell_the_place_of_the_first_difference() -> None:
    """Short ones stand side by side; blanks and capitals, which the eye misses, are named."""
    assert said("PAID", "OPEN") == '$.x "PAID", expected "OPEN"'
    long = "Payment was received " * 5
    assert said(long + "on Monday", long + "on Sunday") == (
        "$.x is not as expected: character 109: "
        'expected "…ent was received on Sunday", found "…ent was received on Monday"'
    )
    assert said("two  blanks", "two blanks") == "$.x is not as expected: only blanks or line breaks differ"
    assert text_difference("a\nb\nc", "a\nb\nd") == 'line 3, character 1: expected "a⏎b⏎c", found "a⏎b⏎d"'


def test_a_column_tells_which_row_it_was() -> None:
    """Without `row` every row counts: the first that differs is named by its number."""
    table = TableSubject(["status"], [["OK"], ["OK"], ["BAD"]])
    assertion = Assertion(subject="column", argument="status", operators={"eq": "OK"})
    assert evaluate([assertion], table, NOW).message == 'column status (row 3 of 3) "BAD", expected "OK"'


def test_an_item_put_in_is_one_difference() -> None:
    """Lists are aligned: what follows the new item is not different."""
    before = [{"id": number} for number in range(50)]
    found = json_differences(before, [{"id": "new"}, *before], limit=10)
    assert [(one.path, one.before, one.after) for one in found] == [("$[0]", ABSENT, {"id": "new"})]
