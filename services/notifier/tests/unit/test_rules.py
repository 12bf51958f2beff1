"""Rules over a series of outcomes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.rules import Rule, notices

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _outcome(number: int, status: str) -> Outcome:
    return Outcome(NOON + timedelta(hours=number), f"r{number}", "p", "4711", status)


def _rule(*on: str, **more: Any) -> Rule:
    return Rule("rule", "hook", frozenset(on), **more)


def _tell(rule: Rule, arriving: Sequence[Outcome]) -> list[tuple[str, str]]:
    """What is told when outcomes become known one after the other."""
    told: list[tuple[str, str]] = []
    known: list[Outcome] = []
    for outcome in arriving:
        known = sorted([*known, outcome])
        told += [(notice.run_id, notice.moment) for notice in notices(rule, known, outcome, told)]
    return told


def _told(rule: Rule, *statuses: str) -> list[tuple[str, str]]:
    return _tell(rule, [_outcome(number, status) for number, status in enumerate(statuses)])


@pytest.mark.req("IR-8")
def test_a_streak_is_told_once_and_its_end_once() -> None:
    """One message when it begins, none for every further failure, one when it is over."""
    rule = _rule("failed", "stuck", "recovered")
    assert _told(rule, "failed", "failed", "stuck", "success", "success") == [("r0", "failed"), ("r3", "recovered")]


@pytest.mark.req("IR-8")
def test_after_failures_waits_for_the_streak() -> None:
    """The n-th failure in a row is told; a shorter streak neither begins nor recovers."""
    rule = _rule("failed", "recovered", after_failures=3)
    assert _told(rule, "failed", "failed", "success") == []
    assert _told(rule, "failed", "failed", "failed", "failed", "success") == [("r2", "failed"), ("r4", "recovered")]


@pytest.mark.req("IR-8")
def test_reminders_come_with_a_failure_after_the_pause() -> None:
    """Not by the clock alone: that it still fails is known only from a run."""
    rule = _rule("failed", remind_every_seconds=2 * 3600)
    assert _told(rule, *["failed"] * 6) == [("r0", "failed"), ("r2", "failed"), ("r4", "failed")]


def test_states_a_rule_does_not_name_neither_count_nor_end() -> None:
    """An error of ours or a not-yet is not a recovery, nor a failure for this rule."""
    rule = _rule("failed", "recovered", after_failures=2)
    assert _told(rule, "failed", "error", "not_yet", "cancelled", "failed") == [("r4", "failed")]


def test_a_warning_ends_a_streak_unless_it_is_named() -> None:
    """Warning is a kind of passing."""
    assert _told(_rule("failed", "recovered"), "failed", "warning") == [("r0", "failed"), ("r1", "recovered")]
    assert _told(_rule("failed", "warning"), "failed", "warning") == [("r0", "failed")]


def test_recovered_alone_looks_for_failures_it_does_not_tell() -> None:
    """A rule may tell only the good news."""
    assert _told(_rule("recovered"), "success", "stuck", "success") == [("r2", "recovered")]


def test_every_run_may_be_told() -> None:
    """Success and finished are told each time, one message per run."""
    assert _told(_rule("success"), "success", "failed", "success") == [("r0", "success"), ("r2", "success")]
    assert _told(_rule("finished"), "failed", "cancelled") == [("r0", "finished"), ("r1", "finished")]
    rule = _rule("failed", "recovered", "success", "finished")
    assert _told(rule, "failed", "failed", "success", "success") == [
        ("r0", "failed"), ("r1", "finished"), ("r2", "recovered"), ("r3", "success"),
    ]  # fmt: skip


def test_a_rule_made_in_the_middle_of_a_streak_tells_the_next_failure() -> None:
    """Nothing of this streak was told by it yet."""
    known = [_outcome(number, "failed") for number in range(3)]
    assert [notice.run_id for notice in notices(_rule("failed"), known, known[-1], [])] == ["r2"]


def test_a_rule_made_after_a_streak_does_not_tell_it() -> None:
    """When the first run it sees passes, only the recovery is news."""
    known = [_outcome(0, "failed"), _outcome(1, "success")]
    assert [notice.moment for notice in notices(_rule("failed", "recovered"), known, known[-1], [])] == ["recovered"]


STATUSES = st.lists(st.sampled_from(["success", "failed", "stuck", "cancelled"]), min_size=1, max_size=9)


@pytest.mark.req("IR-8")
@given(STATUSES, st.integers(1, 3), st.data())
def test_in_any_order_every_streak_is_told_and_no_transition_is_invented(
    statuses: list[str], after_failures: int, data: st.DataObject
) -> None:
    """Each streak long enough has a message and a recovery, however the ends arrive; all are true."""
    rule = _rule("failed", "stuck", "recovered", after_failures=after_failures)
    history = [_outcome(number, status) for number, status in enumerate(statuses)]
    told = _tell(rule, data.draw(st.permutations(history)))
    in_order = _tell(rule, history)
    assert len(told) == len(set(told))
    assert {one for one in in_order if one[1] == "recovered"} <= set(told)
    streaks = _streaks(history)
    for streak in streaks:
        reached = [one for one in told if one[0] in streak]
        assert bool(reached) or len(streak) < after_failures
    assert all(moment in ("recovered", statuses[int(run_id[1:])]) for run_id, moment in told)


def _streaks(history: Sequence[Outcome]) -> list[set[str]]:
    streaks: list[set[str]] = [set()]
    for outcome in history:
        if outcome.status in ("failed", "stuck"):
            streaks[-1].add(outcome.run_id)
        elif outcome.status == "success":
            streaks.append(set())
    return [streak for streak in streaks if streak]
