"""Runs from events."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_reporting.domain.facts import RunFacts, apply, new_run
from steptrail_reporting.domain.rollup import Cell, contributions, difference

Story = Callable[..., list[RunEvent]]


def _folded(events: list[RunEvent]) -> RunFacts:
    run = new_run(events[0])
    for event in events:
        apply(run, event)
    run.steps = dict(sorted(run.steps.items()))
    return run


@pytest.mark.req("IR-9")
@given(st.data())
def test_any_order_and_repetition_gives_the_same_facts(story: Story, data: st.DataObject) -> None:
    """Messages may come late, twice, and in any order."""
    events = story("r1", status=data.draw(st.sampled_from(["success", "failed", "stuck", "error"])), retries=2)
    arrived = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=10))]))
    assert _folded(list(arrived)) == _folded(events)


@given(st.data())
def test_counters_follow_every_event(story: Story, data: st.DataObject) -> None:
    """Adding the differences event by event equals counting the facts at the end."""
    events = data.draw(st.permutations(story("r1", status="failed", retries=1)))
    run, counted = new_run(events[0]), Counter[Cell]()
    for event in events:
        before = contributions(run)
        apply(run, event)
        counted.update(difference(before, contributions(run)))
    assert {cell: count for cell, count in counted.items() if count} == dict(contributions(run))


@pytest.mark.parametrize(
    ("status", "step"), [("failed", "api"), ("stuck", "api"), ("success", None), ("not_yet", "api")]
)
def test_the_failed_step_explains_the_status(story: Story, status: str, step: str | None) -> None:
    """A stuck run points at its overdue step; a good run at none."""
    run = _folded(story("r1", status=status))
    assert run.failed_step == step
    assert run.failure_class == ("assertion" if step else None)


def test_times_attempts_and_retries_are_taken_over(story: Story) -> None:
    """Started, ended, duration, attempts and repeats are those of the events."""
    events = story("r1", retries=2, step_seconds=3.0)
    run = _folded(events)
    assert (run.queued_at, run.started_at, run.ended_at) == (events[0].at, events[1].at, events[-1].at)
    assert run.duration_seconds == 6.5
    assert run.retries == 2
    assert run.steps["api"].attempts == 3
    assert run.steps["page"].ended_at == events[0].at + timedelta(seconds=3.5)


def test_what_no_store_can_hold_is_replaced(story: Story) -> None:
    """NUL and lone surrogates in texts do not poison the queue."""
    events = story("r1", key="a\x00b\ud800")
    assert _folded(events).key == "a\ufffdb?"
