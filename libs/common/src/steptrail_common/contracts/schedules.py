"""What the orchestrator says of schedules: when a process is started by itself, and what became of each tick."""

from typing import Literal

from pydantic import Field

from steptrail_common.contracts.model import Contract, Event, Json, Timestamp


class ScheduleView(Contract):
    """One schedule of a process. Moments are the database's clock."""

    schedule_id: str = Field(description="Made of process, rhythm and inputs: it stays while these stay")
    process_id: str
    process_name: str
    number: int = Field(description="Its place in the definition, from 1")
    every_seconds: float | None = None
    cron: str | None = None
    timezone: str
    inputs: dict[str, Json] = {}
    jitter_seconds: float | None = None
    catch_up: Literal["skip", "once"]
    state: Literal["active", "paused", "process_off"] = Field(description="process_off: the process is not active")
    paused_at: Timestamp | None = None
    paused_by: str | None = None
    next_run_at: Timestamp | None = Field(default=None, description="Null while it is paused or its process is off")
    next_in_maintenance: bool = Field(default=False, description="The next tick falls into a window and starts nothing")
    upcoming: list[Timestamp] = Field(default=[], description="The next ticks, jitter and maintenance left out")
    last_tick_at: Timestamp | None = None
    last_outcome: str | None = None
    last_run_id: str | None = None


class TickView(Contract):
    """What became of a tick, or of `count` ticks in a row from `tick_at` to `until_at`.

    `started`: a run was begun. Everything else is time without measurement: `skipped` on purpose (`maintenance`,
    `paused`, `still_running`, `process_off`), `missed` (nobody was there: `late`), `refused` (`invalid_inputs`, …).
    """

    schedule_id: str
    process_id: str
    tick_at: Timestamp
    until_at: Timestamp
    count: int
    outcome: Literal["started", "skipped", "missed", "refused"]
    reason: str | None = None
    message: str | None = None
    run_id: str | None = None
    decided_at: Timestamp


class ScheduleMissed(Event):
    """Emitted when scheduled starts were found too late to be made: `count` ticks in a row on one UTC day, from
    `tick_at` to `until_at`, started no run. A single run may still make up for them (`catch_up: once`)."""

    process_id: str
    process_name: str
    schedule_id: str
    tick_at: Timestamp
    until_at: Timestamp
    count: int = Field(description="How many ticks", ge=1)
    reason: str | None = None
    message: str | None = None
    at: Timestamp = Field(description="When it was found, by the database's clock")


class NextRun(Contract):
    """When a process is next started by a schedule."""

    process_id: str
    next_run_at: Timestamp
