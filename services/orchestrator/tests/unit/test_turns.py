"""Whose turn it is under limits, without a database."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from steptrail_orchestrator.domain.run import RunState
from steptrail_orchestrator.domain.turns import Turn, Turns, in_words

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONE = {"connection:erp": 1}


def run(run_id: str, *, after: int = 0, process: str = "p", trigger: str = "manual") -> RunState:
    queued = NOON + timedelta(seconds=after)
    return RunState(
        run_id=run_id, process_id=process, process_name=process, definition_id="d", revision=1,
        trigger=trigger, initiated_by="anna", key=None, inputs={}, queued_at=queued, deadline_at=queued,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.req("NFR-007")
def test_places_are_taken_until_there_are_none_and_given_back() -> None:
    turns = Turns([])
    limits = {"connection:erp": 2, "process:p": 3}
    assert [turns.take(run(name), limits) for name in "abc"] == [None, None, "connection:erp"]
    assert turns.next_up() == set()
    turns.give_back("a")
    assert turns.next_up() == {"c"}
    assert turns.take(run("c"), limits) is None
    assert {(turn.limit, turn.run_id) for turn in turns.of(["c"])} == {("connection:erp", "c"), ("process:p", "c")}


def test_a_run_waits_at_one_limit_only_and_keeps_no_other_place() -> None:
    """What it cannot use it leaves to others."""
    turns = Turns([])
    turns.take(run("a"), {"process:p": 1})
    assert turns.take(run("b"), {"connection:erp": 5, "process:p": 1}) == "process:p"
    assert [(turn.limit, turn.held) for turn in turns.of(["b"])] == [("process:p", False)]


@pytest.mark.req("NFR-007")
def test_people_go_before_schedules_and_old_runs_before_new_ones() -> None:
    turns = Turns([])
    turns.take(run("first"), ONE)
    waiting = [run("cron", trigger="schedule"), run("late", after=9), run("early", after=5)]
    assert [turns.take(one, ONE) for one in waiting] == ["connection:erp"] * 3
    order = []
    before = "first"
    for _ in waiting:
        turns.give_back(before)
        (before,) = turns.next_up()
        order.append(before)
        assert turns.take(next(one for one in waiting if one.run_id == before), ONE) is None
    assert order == ["early", "late", "cron"]


@pytest.mark.req("NFR-007")
def test_a_process_with_less_under_way_goes_first() -> None:
    """A hundred runs of one process do not keep another one from a connection that both use."""
    turns = Turns([])
    two = {"connection:erp": 2}
    for name in ("a1", "a2", "a3"):
        turns.take(run(name, process="a"), two)
    turns.take(run("b1", process="b", after=60), two)
    turns.give_back("a1")
    assert turns.next_up() == {"b1"}
    assert turns.take(run("a4", process="a"), two) == "connection:erp"


def test_who_comes_later_does_not_slip_in_before_those_who_wait() -> None:
    turns = Turns([])
    turns.take(run("a"), ONE)
    turns.take(run("b", after=1), ONE)
    turns.give_back("a")
    assert turns.take(run("c", after=2), ONE) == "connection:erp"
    assert turns.take(run("b", after=1), ONE) is None


def test_the_reason_is_said_in_words() -> None:
    assert in_words("process:p", 1) == "waits for its turn: steps of this process run one at once"
    assert "connection erp run 4 at once" in in_words("connection:erp", 4)


@pytest.mark.req("NFR-001", "NFR-007")
def test_ten_thousand_that_wait_are_looked_through_in_no_time() -> None:
    """Who is next is found in one pass, not by comparing each with each. A second is a hundred times what it takes."""
    waiting = [Turn("process:p", f"r{number:05}", "p", True, NOON, 5, number < 5) for number in range(10_000)]
    turns = Turns(waiting)
    began = time.perf_counter()
    turns.give_back("r00003")
    assert turns.next_up() == {"r00005"}
    assert time.perf_counter() - began < 1.0


def test_who_cannot_be_next_knows_it() -> None:
    """As many wait before it as there are places."""
    turns = Turns([])
    for name in "abcd":
        turns.take(run(name), ONE)
    assert [turns.far_behind(name) for name in "abcd"] == [False, False, True, True]
