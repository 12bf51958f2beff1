"""Schedules with their due times, and what becomes of their ticks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steptrail_common.contracts.schedules import NextRun, ScheduleMissed, TickView

from steptrail_orchestrator.domain.schedules import Planned
from steptrail_orchestrator.ports.runs import RunOrder


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a tick cannot begin a run now: its inputs do not fit, the process is gone or switched off."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Fired:
    """What became of the ticks that were acted upon; those with a run have begun it."""

    ticks: Sequence[TickView]


class ScheduleStore(Protocol):
    """Schedules with their due times. Every method is one transaction; moments are the database's clock.

    Raises `Unavailable` while the database is away; every call can be repeated.
    """

    async def replace(self, process_id: str, revision: int, planned: Callable[[datetime], list[Planned]]) -> bool:
        """Make the schedules of a process those of a revision; one that is there keeps its pause, its past and its due
        tick. False, and nothing done, if a later revision is stored. Calls for one process wait for each other."""

    async def forget(self, process_id: str) -> None:
        """The process is gone. What became of its ticks stays."""

    async def revisions(self) -> dict[str, int]:
        """The stored revision of every process, those without schedules included."""

    async def due(self, limit: int) -> list[Planned]:
        """Schedules whose time has come, longest first, without locking them."""

    async def next_fire_seconds(self) -> float | None:
        """Until the earliest due time; negative if it is late, None without one."""

    async def fire(self, prepared: Mapping[str, RunOrder | Refusal]) -> Fired:
        """Act upon those of these schedules that are still due, passing over those another replica has locked.

        Each tick is recorded once, by its key, together with the run it begins. `prepared`: by schedule id, the run
        that a tick would begin.
        """

    async def pause(self, schedule_id: str, by: str) -> Planned | None:
        """None if there is no such schedule. Idempotent."""

    async def resume(self, schedule_id: str) -> Planned | None:
        """Due again at its next tick; those of the pause are recorded as skipped. Idempotent."""

    async def page(self, process_id: str | None, *, after: tuple[str, int] | None, limit: int) -> list[Planned]:
        """In order of process and number, those behind `after` (process_id, number)."""

    async def get(self, schedule_id: str) -> Planned | None: ...

    async def ticks(self, schedule_id: str, *, before: datetime | None, limit: int) -> list[TickView]:
        """Newest first."""

    async def missed_since(
        self, since: datetime | None, *, after: tuple[str, datetime] | None, limit: int
    ) -> list[ScheduleMissed]:
        """Ticks that were found to be missed at or after a moment (None: ever), in order of schedule and tick, those
        behind `after` (schedule_id, tick_at)."""

    async def next_runs(self, process_ids: Sequence[str]) -> list[NextRun]:
        """When each of these processes is next started; those without are left out."""
