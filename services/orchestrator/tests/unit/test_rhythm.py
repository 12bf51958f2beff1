"""When schedules are due, in three time zones with different summer times."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steptrail_common.contracts.definition import MaintenanceWindow, Schedule
from steptrail_orchestrator.domain.rhythm import jitter_seconds, next_tick, ticks, window_at

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
ZONES = (BERLIN, NEW_YORK, LORD_HOWE)


def schedule(**values: Any) -> Schedule:
    return Schedule.model_validate(values)


def local(cron: str, zone: str, since: str, until: str) -> list[str]:
    """Ticks between two local moments, as local clocks show them, with their offset."""
    tz = ZoneInfo(zone)
    first, last = (datetime.fromisoformat(text).replace(tzinfo=tz) for text in (since, until))
    found = ticks(schedule(cron=cron, timezone=zone), "s", first, last)
    return [tick.astimezone(tz).strftime("%d %H:%M %z") for tick in found]


SKIPPED = [
    (BERLIN, "30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00", ["29 03:00 +0200", "30 02:30 +0200"]),
    (NEW_YORK, "30 2 * * *", "2026-03-07T12:00", "2026-03-09T12:00", ["08 03:00 -0400", "09 02:30 -0400"]),
    (LORD_HOWE, "15 2 * * *", "2026-10-03T12:00", "2026-10-05T12:00", ["04 02:30 +1100", "05 02:15 +1100"]),
    (BERLIN, "0,30 2 * * *", "2026-03-28T12:00", "2026-03-29T12:00", ["29 03:00 +0200"]),
    (BERLIN, "0 2,3 * * *", "2026-03-28T12:00", "2026-03-29T12:00", ["29 03:00 +0200"]),
]


@pytest.mark.req("FR-007")
@pytest.mark.parametrize(("zone", "cron", "since", "until", "expected"), SKIPPED)
def test_a_time_that_the_clock_skips_is_due_once_after_the_gap(
    zone: str, cron: str, since: str, until: str, expected: list[str]
) -> None:
    """Times that fall together there are due once, together."""
    assert local(cron, zone, since, until) == expected


DOUBLED = [
    (BERLIN, "30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00", ["25 02:30 +0200", "26 02:30 +0100"]),
    (NEW_YORK, "30 1 * * *", "2026-10-31T12:00", "2026-11-02T12:00", ["01 01:30 -0400", "02 01:30 -0500"]),
    (LORD_HOWE, "45 1 * * *", "2026-04-04T12:00", "2026-04-06T12:00", ["05 01:45 +1100", "06 01:45 +1030"]),
]


@pytest.mark.req("FR-007")
@pytest.mark.parametrize(("zone", "cron", "since", "until", "expected"), DOUBLED)
def test_a_time_that_comes_twice_is_due_once_the_first_time(
    zone: str, cron: str, since: str, until: str, expected: list[str]
) -> None:
    """Also when the search begins between the two."""
    assert local(cron, zone, since, until) == expected
    first = next_tick(
        schedule(cron=cron, timezone=zone), "s", datetime.fromisoformat(since).replace(tzinfo=ZoneInfo(zone))
    )
    assert first is not None
    for minutes in range(1, 180):
        after = first + timedelta(minutes=minutes)
        found = next_tick(schedule(cron=cron, timezone=zone), "s", after)
        assert found is not None
        assert found.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z") == expected[1]


LONG_DAYS = [
    (BERLIN, "2026-03-29", 23),
    (BERLIN, "2026-10-25", 25),
    (LORD_HOWE, "2026-10-04", 23.5),
    (LORD_HOWE, "2026-04-05", 24.5),
]


@pytest.mark.parametrize(("zone", "day", "hours"), LONG_DAYS)
def test_expressions_with_a_star_follow_the_running_clock(zone: str, day: str, hours: float) -> None:
    """Every quarter of an hour stays every quarter of an hour, however long the day is."""
    tz = ZoneInfo(zone)
    midnight = datetime.fromisoformat(day).replace(tzinfo=tz)
    end = (midnight + timedelta(days=1)).replace(tzinfo=tz)
    found = list(ticks(schedule(cron="*/15 * * * *", timezone=zone), "s", midnight, end))
    assert len(found) == hours * 4
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


@pytest.mark.req("FR-007")
@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    start=st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),
)
def test_a_daily_time_is_due_once_a_local_day(zone: str, minute: int, hour: int, start: datetime) -> None:
    """For a month from any moment on: one tick each local day, always later than the one before, never before it was
    asked for, and at the time written unless the clock skips it."""
    rhythm, tz = schedule(cron=f"{minute} {hour} * * *", timezone=zone), ZoneInfo(zone)
    after = start.replace(tzinfo=UTC)
    found = list(ticks(rhythm, "s", after, after + timedelta(days=30)))
    assert all(tick > after for tick in found)
    assert all(earlier < later for earlier, later in pairwise(found))
    days = [tick.astimezone(tz).date() for tick in found]
    assert [(later - earlier).days for earlier, later in pairwise(days)] == [1] * (len(days) - 1)
    for tick in found:
        shown = tick.astimezone(tz)
        wanted = shown.replace(hour=hour, minute=minute, second=0, fold=0)
        exists = wanted.astimezone(UTC).astimezone(tz).replace(tzinfo=None) == wanted.replace(tzinfo=None)
        assert shown == wanted if exists else shown > wanted.astimezone(UTC) - timedelta(hours=1)


@given(
    seconds=st.sampled_from([10.0, 60.0, 900.0, 3600.0, 86400.0, 0.5, 7.3]),
    identity=st.text(max_size=20),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
)
def test_every_is_evenly_spaced_wherever_the_search_begins(seconds: float, identity: str, start: datetime) -> None:
    """Two replicas that look at different moments see the same ticks."""
    rhythm, after = Schedule(every=f"{round(seconds * 1000)}ms"), start.replace(tzinfo=UTC)
    found = list(islice(ticks(rhythm, identity, after, after + timedelta(days=9)), 5))
    step = timedelta(seconds=seconds)
    assert all(later - earlier == step for earlier, later in pairwise(found))
    assert after < found[0] <= after + step
    assert next_tick(rhythm, identity, found[2] - step / 2) == found[2]


def test_different_schedules_share_out_the_interval() -> None:
    """A hundred processes checked every quarter of an hour do not all start at the full quarter."""
    after = datetime(2026, 1, 1, tzinfo=UTC)
    found = {next_tick(Schedule(every="15m"), f"process-{number}", after) for number in range(100)}
    assert len(found) == 100


@given(st.text(max_size=20), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_jitter_is_fixed_for_a_tick_and_below_its_limit(identity: str, tick: datetime) -> None:
    rhythm = schedule(every="15m", jitter="30s")
    seconds = jitter_seconds(rhythm, identity, tick)
    assert 0 <= seconds < 30
    assert jitter_seconds(rhythm, identity, tick) == seconds
    assert jitter_seconds(Schedule(every="15m"), identity, tick) == 0


@pytest.mark.req("FR-007")
def test_a_maintenance_window_is_open_from_its_first_to_before_its_last_moment() -> None:
    """By cron with a duration, also over midnight and through a change of the clock; or between two moments."""
    nightly = MaintenanceWindow.model_validate({"cron": "30 23 * * 6", "duration": "4h", "timezone": BERLIN})
    once = MaintenanceWindow.model_validate({"from": "2026-05-01T00:00:00Z", "until": "2026-05-02T00:00:00Z"})
    tz = ZoneInfo(BERLIN)

    def open_at(text: str) -> bool:
        return window_at([nightly], datetime.fromisoformat(text).replace(tzinfo=tz)) is nightly

    assert [open_at(text) for text in ("2026-03-28T23:29:59", "2026-03-28T23:30:00", "2026-03-29T04:29:59")] == [
        False, True, True,
    ]  # fmt: skip
    assert not open_at("2026-03-29T04:30:00")
    assert window_at([nightly, once], datetime(2026, 5, 1, 12, tzinfo=UTC)) is once
    assert window_at([nightly, once], datetime(2026, 5, 2, tzinfo=UTC)) is None
