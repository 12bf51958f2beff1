"""What `${{ … }}` can do, and what it refuses with a named error."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steptrail_common.contracts.checks import ApiCall, FileCheck, WebCrawl
from steptrail_orchestrator.domain.expressions import (
    ExpressionError,
    Scope,
    StepNotRun,
    condition,
    evaluate,
    render,
    render_all,
)
from steptrail_orchestrator.domain.rendering import render_check

MOMENT = datetime(2026, 5, 1, 8, tzinfo=UTC)
SCOPE = Scope(
    {
        "inputs": {"order_id": "007", "count": 3, "rate": 2.5, "big": 2**70, "at": MOMENT},
        "vars": {"shop": "https://shop.test", "tags": ["a", "b"], "many": list(range(1000)), "long": "x" * 60_000},
        "steps": {"api": {"status": "success", "no": 7, "none": None}, "gone": {"status": "skipped"}},
        "run": {"id": "r1", "key": "007"},
    },
    absent=["gone"],
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${{ inputs.count }}", 3),
        ("${{ vars.tags }}", ["a", "b"]),
        ("${{ steps.api.none }}", None),
        ("no ${{ steps.api.no }}!", "no 7!"),
        ("${{ inputs.order_id }}", "007"),
        ("${{ inputs.count + 1 }}", 4),
        ("${{ double(inputs.count) * inputs.rate }}", 7.5),
        ("${{ inputs.order_id == '007' }}", True),
        ("${{ '}}' + \"}}\" }}", "}}}}"),
        ("${{ {'a': {'b': 1}}.a.b }}", 1),
        ("${{ steps.gone.status }}", "skipped"),
        ("${{ has(steps.gone.x) }}", False),
        ("${{ string(inputs.at) }}", "2026-05-01T08:00:00+00:00"),
        ("{{7*7}} {% x %} #{y} ${jndi:z}", "{{7*7}} {% x %} #{y} ${jndi:z}"),
    ],
)
def test_a_value_keeps_its_type_and_other_marks_are_plain_text(text: str, value: Any) -> None:
    """Only `${{ }}` means anything; exactly one expression keeps its type."""
    assert render(text, SCOPE) == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("inputs.nope", "inputs has no nope"),
        ("nope", "the expression has no nope"),
        ("inputs.count + 1.0", "No such overload"),
        ("1 / 0", "divides by zero"),
        ("9223372036854775807 + 1", "too large"),
        ("inputs.", "Syntax error"),
        ("", "it is empty"),
        ("x" * 5000, "longer than 4000"),
        ("(" * 300 + "1" + ")" * 300, "Recursion limit"),
        ("vars.many.map(x, vars.many.map(y, y))", "may visit more"),
        ("vars.long + vars.long + " * 40 + "''", "too long"),
        ("''.__class__.__mro__", "__class__"),
        ("open('/etc/passwd')", "Undefined"),
        ("steps['api']['x']", "there is no"),
    ],
)
def test_every_error_is_named(expression: str, why: str) -> None:
    """No exception of the engine reaches anybody; the text says which expression and why."""
    with pytest.raises(ExpressionError) as caught:
        evaluate(expression, SCOPE)
    assert why in str(caught.value)


@pytest.mark.parametrize("expression", ["steps.gone.x", "steps.gone.x + 'a'", "steps['gone'].x == 1", "steps.gone"])
def test_a_step_that_did_not_run_is_told_apart(expression: str) -> None:
    """Not an error of the expression: the step that needs it is skipped."""
    with pytest.raises(StepNotRun):
        evaluate(expression, SCOPE)


@given(st.text(max_size=200))
def test_no_text_breaks_the_engine(text: str) -> None:
    """Whatever stands between the marks: a value, or one of the two named errors, within a moment."""
    began = time.perf_counter()
    with suppress(ExpressionError, StepNotRun):
        evaluate(text, SCOPE)
    assert time.perf_counter() - began < 1.0


def test_a_condition_is_true_or_false() -> None:
    """Bare or in marks; text that happens to be there is not true."""
    assert condition("inputs.count > 2", SCOPE) is True
    assert condition("${{ inputs.count > 5 }}", SCOPE) is False
    with pytest.raises(ExpressionError, match="true or false, not text"):
        condition("${{ inputs.order_id }}", SCOPE)


def test_nested_values_are_rendered_in_place() -> None:
    """Lists and objects of a body keep the types of their values."""
    value = {"a": ["${{ inputs.count }}", {"b": "x${{ steps.api.no }}"}], "at": "${{ inputs.at }}", "n": 1}
    assert render_all(value, SCOPE) == {"a": [3, {"b": "x7"}], "at": "2026-05-01T08:00:00Z", "n": 1}


def with_value(value: Any) -> Scope:
    return Scope({"inputs": {"x": value}, "vars": {"shop": "https://shop.test"}, "steps": {}, "run": {}})


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("a/../b?c#d&e", "https://shop.test/o/a%2F..%2Fb%3Fc%23d%26e"),
        ("\r\nHost: evil", "https://shop.test/o/%0D%0AHost%3A%20evil"),
        ("ü", "https://shop.test/o/%C3%BC"),
    ],
)
def test_a_value_in_an_address_cannot_leave_its_place(value: str, url: str) -> None:
    """It is percent-encoded; a base address at the very start stays as it is."""
    check = WebCrawl(type="web_crawl", url="${{ vars.shop }}/o/${{ inputs.x }}")
    assert render_check(check, with_value(value)).url == url


@pytest.mark.parametrize("value", ["..", "."])
def test_a_value_does_not_step_up_in_a_path(value: str) -> None:
    with pytest.raises(ExpressionError, match="step up"):
        render_check(WebCrawl(type="web_crawl", url="https://shop.test/${{ inputs.x }}/y"), with_value(value))


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"])
def test_a_value_in_a_header_has_no_line_break(value: str) -> None:
    check = ApiCall(type="api_call", url="https://x.test", headers={"X-Order": "no ${{ inputs.x }}"})
    with pytest.raises(ExpressionError, match="header X-Order"):
        render_check(check, with_value(value))


@pytest.mark.parametrize("value", ["..", "a/b", "a\\b", "*", "a?b", "a\x00"])
def test_a_value_in_a_file_path_is_one_name(value: str) -> None:
    with pytest.raises(ExpressionError, match="file path"):
        render_check(FileCheck(type="file_check", connection="f", path="in/${{ inputs.x }}.xml"), with_value(value))
