"""What becomes of a schedule's ticks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from steptrail_common.contracts.definition import Definition
from steptrail_orchestrator.domain.schedules import (
    MAX_AT_ONCE,
    Planned,
    Tick,
    carried_over,
    due_ticks,
    pause_gap,
    planned_schedules,
    schedule_view,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def definition(*schedules: dict[str, Any], **more: Any) -> Definition:
    step = {"id": "one", "name": "One", "check": {"type": "api_call", "url": "https://x.test"}}
    return Definition.model_validate(
        {"version": 1, "process": "p", "name": "P", "steps": [step], "schedule": list(schedules), **more}
    )


def hourly(now: datetime = NOON, **more: Any) -> Planned:
    """Due at every full hour after `now`."""
    windows = more.pop("maintenance", [])
    return planned_schedules(definition({"cron": "0 * * * *", **more}, maintenance=windows), now)[0]


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def outcomes(planned: Planned, now: datetime, *, still_running: bool = False) -> list[tuple[str, int, str | None]]:
    told, _ = due_ticks(planned, now, still_running=still_running)
    return [(tick.outcome, tick.count, tick.reason) for tick in told]


@pytest.mark.req("FR-007")
def test_a_tick_in_time_starts_a_run_and_the_next_one_is_noted() -> None:
    """Nothing before it is due."""
    assert outcomes(hourly(), after(59.9)) == []
    told, ahead = due_ticks(hourly(), after(60), still_running=False)
    assert told == [Tick(after(60), after(60), 1, "started")]
    assert (ahead.tick_at, ahead.last_tick_at, ahead.last_outcome) == (after(120), after(60), "started")


@pytest.mark.req("FR-007")
def test_what_was_missed_is_recorded_and_by_default_not_made_up_for() -> None:
    """After five hours without anybody, four ticks and a late fifth are missed; one that is just due still starts."""
    assert outcomes(hourly(), after(5 * 60 + 30)) == [("missed", 5, "late")]
    assert outcomes(hourly(), after(5 * 60 + 0.5)) == [("missed", 4, "late"), ("started", 1, None)]
    told, ahead = due_ticks(hourly(), after(5 * 60 + 30), still_running=False)
    assert (told[0].tick_at, told[0].until_at, ahead.tick_at) == (after(60), after(300), after(360))


@pytest.mark.req("FR-024")
def test_what_was_missed_over_midnight_is_told_day_by_day() -> None:
    """So that trends count each start on the UTC day on which it was due."""
    told, ahead = due_ticks(hourly(), after(14 * 60 + 30), still_running=False)
    assert [(tick.tick_at.day, tick.until_at.hour, tick.count) for tick in told] == [(4, 23, 11), (5, 2, 3)]
    assert ahead.last_tick_at == after(14 * 60)


@pytest.mark.req("FR-007")
def test_catching_up_starts_one_run_for_all_that_was_missed() -> None:
    """However many there were."""
    assert outcomes(hourly(catch_up="once"), after(5 * 60 + 30)) == [("missed", 4, "late"), ("started", 1, "catch_up")]


def test_a_very_long_absence_is_told_in_portions() -> None:
    """Of which only the last can start a run."""
    planned = planned_schedules(definition({"every": "10s", "catch_up": "once"}), NOON)[0]
    told, ahead = due_ticks(planned, after(600), still_running=False)
    assert [(tick.outcome, tick.count) for tick in told] == [("missed", MAX_AT_ONCE)]
    told, ahead = due_ticks(ahead, after(600), still_running=False)
    assert [(tick.outcome, tick.count) for tick in told] == [("missed", 3600 - MAX_AT_ONCE - 1), ("started", 1)]
    assert ahead.tick_at is not None
    assert ahead.tick_at > after(600)


@pytest.mark.req("FR-007")
def test_a_tick_in_a_maintenance_window_is_skipped() -> None:
    """Judged by the moment of the tick; the window's reason is told."""
    window = {"from": "2026-05-04T12:30:00Z", "until": "2026-05-04T13:30:00Z", "reason": "bank release"}
    planned = hourly(maintenance=[window])
    assert outcomes(planned, after(60)) == [("skipped", 1, "maintenance")]
    told, ahead = due_ticks(planned, after(60), still_running=False)
    assert told[0].message == "bank release"
    assert outcomes(ahead, after(120)) == [("started", 1, None)]


@pytest.mark.req("FR-007")
def test_an_outage_within_maintenance_misses_nothing() -> None:
    """Whoever stops Steptrail during the maintenance of the machine must not read of missed starts."""
    window = {"from": "2026-05-04T13:30:00Z", "until": "2026-05-04T15:30:00Z", "reason": "bank release"}
    planned = hourly(maintenance=[window])
    expected = [("missed", 1, "late"), ("skipped", 2, "maintenance"), ("missed", 1, "late")]
    assert outcomes(planned, after(4 * 60 + 30)) == expected
    told, _ = due_ticks(planned, after(4 * 60 + 30), still_running=False)
    assert (told[1].tick_at, told[1].until_at, told[1].message) == (after(120), after(180), "bank release")


@pytest.mark.req("FR-007")
def test_a_next_tick_that_will_start_nothing_is_told_before() -> None:
    """Whoever reads that a run comes in an hour must know that maintenance keeps it away."""
    window = {"from": "2026-05-04T12:30:00Z", "until": "2026-05-04T13:30:00Z"}
    planned = hourly(maintenance=[window])
    assert schedule_view(planned, after(1)).next_in_maintenance
    assert not schedule_view(planned.due_after(after(60)), after(61)).next_in_maintenance
    paused = replace(planned, paused_at=after(1)).due_after(after(1))
    assert not schedule_view(paused, after(1)).next_in_maintenance


def test_a_tick_is_skipped_while_its_run_before_is_not_over() -> None:
    assert outcomes(hourly(), after(60), still_running=True) == [("skipped", 1, "still_running")]


def test_jitter_delays_the_start_and_keeps_the_tick() -> None:
    planned = hourly(jitter="10m")
    assert planned.fire_at is not None
    assert after(60) < planned.fire_at < after(70)
    assert outcomes(planned, after(60)) == []
    assert due_ticks(planned, planned.fire_at, still_running=False)[0] == [Tick(after(60), after(60), 1, "started")]


@pytest.mark.req("FR-007")
def test_a_change_of_the_definition_keeps_what_a_schedule_has_become() -> None:
    """Pause, past and due tick stay while rhythm and inputs stay; a new rhythm is another schedule."""
    known = due_ticks(hourly(), after(60), still_running=False)[1]
    fresh = planned_schedules(definition({"cron": "0 * * * *", "jitter": "5s"}), after(61))[0]
    kept = carried_over(fresh, known, after(61))
    assert (kept.tick_at, kept.last_tick_at, kept.schedule.jitter) == (after(120), after(60), 5.0)
    other = planned_schedules(definition({"cron": "30 * * * *"}), after(61))[0]
    assert other.schedule_id != known.schedule_id


def test_a_process_that_is_switched_off_is_never_due_and_on_again_at_the_next_tick() -> None:
    """What lies between is not made up for."""
    off = planned_schedules(definition({"cron": "0 * * * *"}, active=False), after(10))[0]
    resting = carried_over(off, hourly(), after(10))
    assert (resting.tick_at, resting.fire_at) == (None, None)
    on = planned_schedules(definition({"cron": "0 * * * *"}), after(300))[0]
    assert carried_over(on, resting, after(300)).tick_at == after(360)


def test_a_pause_leaves_a_gap_that_is_told() -> None:
    """Its ticks are recorded as one row, none if there were none."""
    from dataclasses import replace

    paused = replace(hourly(), paused_at=after(30), tick_at=None, fire_at=None)
    assert pause_gap(paused, after(200)) == Tick(after(60), after(180), 3, "skipped", "paused")
    assert pause_gap(paused, after(59)) is None


def test_equal_schedules_of_a_process_are_told_apart() -> None:
    """The same rhythm with other inputs, and even with the same."""
    same = {"every": "1h", "inputs": {"order": "1"}}
    found = planned_schedules(definition(same, same, {"every": "1h", "inputs": {"order": "2"}}), NOON)
    assert len({planned.schedule_id for planned in found}) == 3
