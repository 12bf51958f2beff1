"""The one engine that decides whether what was seen is what was expected.

Which values count: `row: first`, `last`, `any` or `all`. Without it the first value counts for pages, headers and
text, and all values for columns, JSON paths and file sizes (all of none is not met). `exists` and `count` look at
the whole. Types are kept: text `"007"` is not the number 7; only values that come out of plain text (a page, a
header) are read as numbers when a number is expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from steptrail_common.contracts.definition import Assertion
from steptrail_common.contracts.model import FailureClass, Json
from steptrail_common.contracts.workers import AssertionOutcome

from steptrail_checks.differing import row_of, short_difference
from steptrail_checks.operators import OPERATORS, Compare, NotComparable, is_seconds
from steptrail_checks.port import CheckFailed
from steptrail_checks.subjects import Fault, Found, Source, Subject
from steptrail_checks.values import (
    short,
    shown,
    spoken_bytes,
    spoken_seconds,
)

_WORDS = {
    "eq": "expected {}",
    "ne": "expected anything but {}",
    "gt": "expected above {}",
    "gte": "expected at least {}",
    "lt": "expected below {}",
    "lte": "expected at most {}",
    "in": "expected one of {}",
    "not_in": "expected none of {}",
    "contains": "expected it to contain {}",
    "matches": "expected it to match {}",
    "type": "expected the type {}",
    "between": "expected between {}",
    "newer_than": "expected newer than {}",
    "older_than": "expected older than {}",
    "schema": "expected it to fit the schema {}",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """All outcomes in the order of the step, and why it fails if it does (the first reason, in one sentence)."""

    outcomes: list[AssertionOutcome]
    failure_class: FailureClass | None = None
    reason: str | None = None
    message: str | None = None
    ours: bool = False

    @property
    def ok(self) -> bool:
        return self.failure_class is None


def evaluate(assertions: Sequence[Assertion], subject: Subject, now: datetime) -> Verdict:
    """Every assertion against what was seen. `now` is the database's clock. Never raises."""
    outcomes: list[AssertionOutcome] = []
    failures: list[tuple[FailureClass, str | None, str, bool]] = []
    try:
        for fault in subject.faults(frozenset(assertion.subject for assertion in assertions)):
            outcomes.append(_outcome_of(fault))
            failures.append((fault.failure_class, fault.reason, fault.message, fault.ours))
    except CheckFailed as error:
        failures.append((error.failure_class, error.reason, error.message, error.ours))
    for assertion in assertions:
        _evaluate_one(assertion, subject, now, outcomes, failures)
    if not failures:
        return Verdict(outcomes)
    failure_class, reason, message, ours = failures[0]
    return Verdict(outcomes, failure_class, reason, message, ours)


def _outcome_of(fault: Fault) -> AssertionOutcome:
    return AssertionOutcome(
        label=fault.label,
        operator=fault.operator,
        expected=short(fault.expected),
        actual=short(fault.actual),
        met=False,
        message=fault.message,
    )


def _evaluate_one(
    assertion: Assertion,
    subject: Subject,
    now: datetime,
    outcomes: list[AssertionOutcome],
    failures: list[tuple[FailureClass, str | None, str, bool]],
) -> None:
    source = Source.of_assertion(assertion)
    try:
        counted = source.part == "count"
        found = subject.lookup(Source(source.subject, source.argument, None, source.row) if counted else source)
        found = Found([len(found.values)]) if counted else found
    except CheckFailed as error:
        for operator, expected in assertion.operators.items():
            outcomes.append(
                AssertionOutcome(
                    label=source.label, operator=operator, expected=short(expected), met=False, message=error.message
                )
            )
        failures.append((error.failure_class, error.reason, error.message, error.ours))
        return
    for operator, expected in assertion.operators.items():
        try:
            met, actual, detail = _apply(operator, expected, source, found, now)
            reason = None
        except CheckFailed as error:
            met, actual, detail, reason = False, None, error.message, error
        message = None if met else detail or _sentence(source, operator, expected, actual, found)
        outcomes.append(
            AssertionOutcome(
                label=source.label,
                operator=operator,
                expected=short(expected),
                actual=_displayed(source, operator, actual),
                met=met,
                message=message,
            )
        )
        if not met:
            failure_class = reason.failure_class if reason else _failure_class(source, operator, found)
            failures.append((failure_class, reason.reason if reason else None, message or "", False))


def _failure_class(source: Source, operator: str, found: Found) -> FailureClass:
    if source.subject == "age" or operator in ("newer_than", "older_than"):
        return FailureClass.STALE if found.values else FailureClass.NOT_FOUND
    if source.subject == "count" and list(found.values) == [0]:
        return FailureClass.NOT_FOUND
    return FailureClass.ASSERTION


def _apply(operator: str, expected: Json, source: Source, found: Found, now: datetime) -> tuple[bool, Json, str | None]:
    """(met, the actual value to show, a sentence of its own or None)."""
    if operator == "exists":
        return bool(found.values) == (expected is not False), bool(found.values), None
    if operator == "count":
        return _count(expected, len(found.values), source)
    if not found.values:
        return operator in ("ne", "not_in"), None, None
    compare = OPERATORS.get(operator)
    if compare is None:
        raise CheckFailed(
            FailureClass.INVALID_DEFINITION,
            f"there is no operator {operator!r}; use one of {', '.join([*OPERATORS, 'exists', 'count'])}",
            reason="unknown_operator",
        )
    return _over_rows(compare, expected, source, found, now)


def _count(expected: Json, actual: int, source: Source) -> tuple[bool, Json, str | None]:
    operators = expected if isinstance(expected, dict) else {"eq": expected}
    for operator, value in operators.items():
        met, _, _ = _apply(operator, value, Source("count"), Found([actual]), datetime.min)
        if not met:
            return (
                False,
                actual,
                f"{source.label}: {actual} found, {_WORDS.get(operator, operator).format(shown(value))}",
            )
    return True, actual, None


def _over_rows(
    compare: Compare, expected: Json, source: Source, found: Found, now: datetime
) -> tuple[bool, Json, str | None]:
    row = source.row or found.default_row
    values = {"first": found.values[:1], "last": found.values[-1:]}.get(row, found.values)
    detail: str | None = None
    for value in values:
        try:
            met, detail = compare(value, expected, source, found.from_text, now), None
        except NotComparable as error:
            met, detail = False, f"{source.label}: {error}"
        if met == (row == "any"):
            return met, value, detail  # the first that decides: a hit for any, a miss for the others
    return row != "any", values[0] if len(values) == 1 or row == "any" else list(values), detail


def _displayed(source: Source, operator: str, actual: Json) -> Json:
    if is_seconds(source) and isinstance(actual, int | float) and not isinstance(actual, bool):
        return spoken_seconds(actual)
    return short(actual)


def _said(source: Source, value: Json) -> str:
    """A value inside a sentence. Times and sizes have a unit; what was compared is kept as it is in the outcome."""
    if is_seconds(source) and isinstance(value, int | float) and not isinstance(value, bool):
        return spoken_seconds(value)
    if source.subject == "size" and source.argument is None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return spoken_bytes(value)
        if isinstance(value, list):
            return ", ".join(_said(source, item) for item in value) or "nothing"
    return shown(value)


def _sentence(source: Source, operator: str, expected: Json, actual: Json, found: Found) -> str:
    label = "HTTP status" if source.subject == "status" else source.label
    if operator == "exists":
        return f"{label}: {'nothing found' if not actual else 'found, expected nothing'}"
    wanted = _WORDS[operator].format(_wanted(source, operator, expected))
    if not found.values:
        return f"{label}: nothing found, {wanted}"
    if is_seconds(source):
        found_text = _displayed(source, operator, actual)
        if found_text == _said(source, expected):  # rounded they are the same
            return f"{label} {shown(actual)} s, {_WORDS[operator].format(shown(expected))} s"
        return f"{label} {found_text}, {wanted}"
    if source.subject == "count" and actual == 0:
        return f"nothing found, {wanted}"
    where = row_of(source, actual, found)
    difference = short_difference(operator, expected, actual)
    if difference is not None:
        return f"{label}{where} is not as expected: {difference}"
    found_text = _said(source, short(actual))
    if found_text == _said(source, expected) != shown(expected):  # rounded they are the same
        return f"{label}{where} {shown(actual)} B, {_WORDS[operator].format(shown(expected))} B"
    return f"{label}{where} {found_text}, {wanted}"


def _wanted(source: Source, operator: str, expected: Json) -> str:
    if operator == "between" and isinstance(expected, list) and len(expected) == 2:
        return f"{_said(source, expected[0])} and {_said(source, expected[1])}"
    if isinstance(expected, str) and (is_seconds(source) or operator in ("newer_than", "older_than", "type")):
        return expected
    return _said(source, expected)
