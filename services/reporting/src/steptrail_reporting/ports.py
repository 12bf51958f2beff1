"""What reporting needs of a store."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from steptrail_common.contracts.reporting import RunFact
from steptrail_common.contracts.schedules import ScheduleMissed

from steptrail_reporting.domain.facts import RunFacts
from steptrail_reporting.domain.figures import Tallies
from steptrail_reporting.domain.overview import OverviewPlace
from steptrail_reporting.domain.period import Period
from steptrail_reporting.domain.process import Ended, ProcessFacts
from steptrail_reporting.domain.rollup import Cell


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list. Empty means all; `since` inclusive and `until` exclusive, on `queued_at`;
    `text` is looked for in process name and id, run id, key, who, verdict and failed step, ignoring case."""

    process_ids: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    key: str | None = None
    initiated_by: str | None = None
    trigger: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list of runs: newest first by (`queued_at`, `run_id`)."""

    queued_at: datetime
    run_id: str


class Recording(Protocol):
    """One open transaction over some processes and runs, which nobody else changes until it ends."""

    processes: dict[str, ProcessFacts]
    """Every process asked for; new ones are empty facts."""
    runs: dict[str, RunFacts]
    """The runs asked for that were known, with their steps."""

    async def save_runs(self, runs: Collection[RunFacts], counters: Mapping[Cell, int]) -> None:
        """Write the runs with their steps as they are and add to the counters."""

    async def save_missed(self, missed: Collection[ScheduleMissed]) -> None:
        """Keep missed starts; those that are known change nothing."""

    async def save_processes(self, processes: Collection[ProcessFacts]) -> None:
        """Write the processes as they are."""

    async def neighbours(self, process_id: str, ended: Ended) -> tuple[Ended | None, Ended | None]:
        """The finished runs of the process right before and after a place, cancelled ones left out.

        Sees what `save_runs` wrote.
        """

    async def mark_change(self, run_id: str, changed: bool) -> None:
        """Note whether a run's status differs from that of the finished run before it."""

    async def last_change(self, process_id: str) -> datetime | None:
        """When the newest run marked as a change ended."""


class FactStore(Protocol):
    """Facts and counters of one installation."""

    def recording(
        self, *, process_ids: Collection[str], run_ids: Collection[str]
    ) -> AbstractAsyncContextManager[Recording]:
        """Begin a transaction: commits at the end, rolls back on an exception.

        Serialised per process over all replicas, so that read, fold and write lose nothing.
        """

    async def runs(self, wanted: RunFilter, *, after: Position | None, limit: int) -> list[RunFact]:
        """Runs newest first, those behind `after`, at most `limit`."""

    async def processes(self, process_ids: Sequence[str]) -> dict[str, ProcessFacts]:
        """The processes known of those asked for. One query by primary key."""

    async def tallies(self, process_id: str, period: Period) -> Tallies:
        """All counters of the process summed over the period: whole days from rollups, the edges from the facts."""

    async def changes(self, process_id: str, period: Period, *, before: int) -> list[Ended]:
        """Status changes that ended in the period, oldest first, with up to `before` that ended earlier."""

    async def last_runs(self, process_id: str, limit: int) -> list[RunFacts]:
        """The newest runs with their steps, newest first."""

    async def overview(self, *, after: OverviewPlace | None, limit: int) -> list[tuple[OverviewPlace, ProcessFacts]]:
        """Active processes in the order of the overview, those behind `after`, at most `limit`."""

    async def standing(self) -> tuple[dict[str | None, int], int]:
        """How many active processes stand at each last status (None: never run), and how many runs are under way."""

    async def daily(self, process_id: str, scope: str, days: tuple[date, date]) -> dict[date, Tallies]:
        """The counters of one scope, day by day; days without any are left out."""

    async def missed(self, process_id: str, period: Period) -> dict[date, int]:
        """Scheduled starts that were missed in the period, day by day; days without any are left out."""

    async def newest(self) -> datetime | None:
        """When the newest known run was queued, None without one. Raises `Unavailable`."""

    async def check(self) -> None:
        """Raise if the store cannot be used now."""
