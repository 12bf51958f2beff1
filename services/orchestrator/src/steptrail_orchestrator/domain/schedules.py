"""A schedule of a process, and what becomes of its ticks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Literal

from pydantic_core import to_json
from steptrail_common.contracts.definition import Definition, MaintenanceWindow, Schedule
from steptrail_common.contracts.events import CloudEvent, envelope
from steptrail_common.contracts.model import utc
from steptrail_common.contracts.schedules import ScheduleMissed, ScheduleView

from steptrail_orchestrator.domain.rhythm import jitter_seconds, next_tick, window_at

MAX_AT_ONCE = 2000
"""Ticks looked at in one turn; what lies behind follows in the next."""
MAX_LATE = timedelta(minutes=1)
"""A tick that is found later than this was missed: its moment is over."""
UPCOMING = 5
"""Ticks that are shown ahead."""
MISSED = "schedule.missed"
Outcome = Literal["started", "skipped", "missed", "refused"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule with its state. `tick_at` is the next tick, `fire_at` when it is acted upon (jitter added); both are
    None while nothing is due: paused, process switched off, no tick left."""

    schedule_id: str
    process_id: str
    process_name: str
    number: int
    schedule: Schedule
    windows: Sequence[MaintenanceWindow]
    active: bool
    tick_at: datetime | None
    fire_at: datetime | None
    paused_at: datetime | None = None
    paused_by: str | None = None
    last_tick_at: datetime | None = None
    last_outcome: str | None = None
    last_run_id: str | None = None

    def due_after(self, moment: datetime) -> "Planned":
        """The same with its first tick later than the moment."""
        if not self.active or self.paused_at is not None:
            return replace(self, tick_at=None, fire_at=None)
        tick = next_tick(self.schedule, self.schedule_id, moment)
        fire = tick and tick + timedelta(seconds=jitter_seconds(self.schedule, self.schedule_id, tick))
        return replace(self, tick_at=tick, fire_at=fire)

    def upcoming(self, moment: datetime, count: int) -> list[datetime]:
        """The next ticks after the moment."""
        found: list[datetime] = []
        at: datetime | None = moment
        while self.tick_at is not None and at is not None and len(found) < count:
            at = next_tick(self.schedule, self.schedule_id, at)
            if at is not None:
                found.append(at)
        return found


@dataclass(frozen=True, slots=True)
class Tick:
    """What became of one tick, or of several in a row. `outcome` is `started` when a run is to be begun."""

    tick_at: datetime
    until_at: datetime
    count: int
    outcome: Outcome
    reason: str | None = None
    message: str | None = None


def planned_schedules(definition: Definition, now: datetime) -> list[Planned]:
    """The schedules of a definition, each due at its first tick after now."""
    found: dict[str, Planned] = {}
    for number, schedule in enumerate(definition.schedule, 1):
        identity = schedule_id(definition.process, schedule, found)
        found[identity] = Planned(
            identity,
            definition.process,
            definition.name,
            number,
            schedule,
            definition.maintenance,
            definition.active,
            tick_at=None,
            fire_at=None,
        ).due_after(now)
    return list(found.values())


def schedule_id(process_id: str, schedule: Schedule, taken: dict[str, Planned]) -> str:
    """Made of process, rhythm and inputs, so that other changes of the definition keep its state; a second one that is
    equal in all of them gets another id."""
    facts = [schedule.every, schedule.cron, schedule.timezone, schedule.inputs]
    for repeated in range(len(taken) + 1):
        digest = sha256(to_json([*facts, repeated] if repeated else facts)).hexdigest()
        identity = f"{process_id}.{digest[:12]}"
        if identity not in taken:
            break
    return identity


def carried_over(fresh: Planned, known: Planned, now: datetime) -> Planned:
    """A schedule read anew with the state of the one that is stored: its pause, its past, and its due tick."""
    kept = replace(
        fresh,
        paused_at=known.paused_at,
        paused_by=known.paused_by,
        last_tick_at=known.last_tick_at,
        last_outcome=known.last_outcome,
        last_run_id=known.last_run_id,
    )
    if kept.active and known.tick_at is not None:
        return replace(kept, tick_at=known.tick_at, fire_at=known.fire_at)
    return kept.due_after(now)


def due_ticks(planned: Planned, now: datetime, *, still_running: bool) -> tuple[list[Tick], Planned]:
    """What becomes of the ticks that are due, in order, and the schedule with its next one. At most one starts a run.

    A tick found later than `MAX_LATE` was missed; with `catch_up: once` the last of them starts a run all the same.
    """
    found: list[datetime] = []
    ahead = planned
    while ahead.tick_at is not None and ahead.fire_at is not None and ahead.fire_at <= now and len(found) < MAX_AT_ONCE:
        found.append(ahead.tick_at)
        last_fire, ahead = ahead.fire_at, ahead.due_after(ahead.tick_at)
    if not found:
        return [], planned
    more = ahead.fire_at is not None and ahead.fire_at <= now
    on_time = now - last_fire <= MAX_LATE
    if more or not (on_time or planned.schedule.catch_up == "once"):
        told = _not_met(planned, found)
    else:
        told = _not_met(planned, found[:-1])
        told.append(_started(planned, found[-1], on_time, still_running))
    return told, replace(ahead, last_tick_at=found[-1], last_outcome=told[-1].outcome)


def pause_gap(planned: Planned, now: datetime) -> Tick | None:
    """The ticks that a pause has left out, None if there were none. Call it before the pause ends."""
    if planned.paused_at is None or not planned.active:
        return None
    awake = replace(planned, paused_at=None)
    found: list[datetime] = []
    tick = awake.due_after(planned.paused_at).tick_at
    while tick is not None and tick <= now and len(found) < MAX_AT_ONCE:
        found.append(tick)
        tick = awake.due_after(tick).tick_at
    return Tick(found[0], found[-1], len(found), "skipped", "paused") if found else None


def _not_met(planned: Planned, found: Sequence[datetime]) -> list[Tick]:
    """Ticks that nobody was there for: missed, but for those in maintenance, which would have started nothing. Told day
    by day (UTC), so that whoever counts days does not have to guess."""
    told: list[Tick] = []
    windows = [(tick, window_at(planned.windows, tick)) for tick in found]
    for (_, window), alike in groupby(windows, key=lambda one: (one[0].astimezone(UTC).date(), one[1])):
        ticks = [tick for tick, _ in alike]
        span = ticks[0], ticks[-1], len(ticks)
        told.append(Tick(*span, "missed", "late") if window is None else Tick(*span, *_maintenance(window)))
    return told


def missed_envelope(event: ScheduleMissed) -> CloudEvent:
    """The same id however often it is told."""
    identity = (event.schedule_id, utc(event.tick_at))
    return envelope(MISSED, event, source="orchestrator", identity=identity, at=event.at, subject=event.process_id)


def _maintenance(window: MaintenanceWindow) -> tuple[Outcome, str, str | None]:
    return "skipped", "maintenance", window.reason


def _started(planned: Planned, at: datetime, on_time: bool, still_running: bool) -> Tick:
    window = window_at(planned.windows, at)
    if window is not None:
        return Tick(at, at, 1, *_maintenance(window))
    if still_running:
        return Tick(at, at, 1, "skipped", "still_running")
    return Tick(at, at, 1, "started", None if on_time else "catch_up")


def schedule_view(planned: Planned, now: datetime) -> ScheduleView:
    """A schedule as clients see it."""
    schedule = planned.schedule
    paused = planned.paused_at is not None
    return ScheduleView(
        schedule_id=planned.schedule_id,
        process_id=planned.process_id,
        process_name=planned.process_name,
        number=planned.number,
        every_seconds=schedule.every,
        cron=schedule.cron,
        timezone=schedule.timezone,
        inputs=schedule.inputs,
        jitter_seconds=schedule.jitter,
        catch_up=schedule.catch_up,
        state="process_off" if not planned.active else "paused" if paused else "active",
        paused_at=planned.paused_at,
        paused_by=planned.paused_by,
        next_run_at=planned.fire_at,
        next_in_maintenance=planned.tick_at is not None and window_at(planned.windows, planned.tick_at) is not None,
        upcoming=planned.upcoming(now, UPCOMING),
        last_tick_at=planned.last_tick_at,
        last_outcome=planned.last_outcome,
        last_run_id=planned.last_run_id,
    )
