"""The read side of the runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steptrail_common.contracts.orchestrator import LoggedEvent, RunEvent
from steptrail_common.contracts.workers import Evidence

from steptrail_orchestrator.domain.picture import Tried
from steptrail_orchestrator.domain.prediction import Sample
from steptrail_orchestrator.domain.run import Chain, RunState, StepState


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list. Empty means all; `since` inclusive, `until` exclusive, on `queued_at`."""

    process_id: str | None = None
    statuses: tuple[str, ...] = ()
    key: str | None = None
    initiated_by: str | None = None
    trigger: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list of runs: newest first by (`queued_at`, `run_id`)."""

    queued_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class StoredRun:
    """Everything kept of one run."""

    run: RunState
    chain: Chain
    steps: Mapping[str, StepState]
    tried: Sequence[Tried]


@dataclass(frozen=True, slots=True)
class StoredWorker:
    """A worker by its last heartbeat, `silent_seconds` ago."""

    worker_id: str
    version: str
    check_types: tuple[str, ...]
    load: int
    capacity: int
    seen_at: datetime
    silent_seconds: float


class RunReader(Protocol):
    """Reading, without locks; what it returns is committed. Raises `Unavailable`; absent things are None or empty."""

    async def now(self) -> datetime:
        """The database's clock."""

    async def run(self, run_id: str) -> StoredRun | None: ...

    async def runs(
        self, wanted: RunFilter, *, before: Place | None, limit: int
    ) -> list[tuple[RunState, StoredRun | None]]:
        """Newest first. An open run comes with its steps, of which its sentence is made; a finished one without."""

    async def rechecks_of(self, run_id: str) -> list[str]:
        """Runs that continued this one, oldest first."""

    async def last_good(self, process_id: str, before: datetime, *, key: str | None = None) -> str | None:
        """The last successful run of the process that was queued before, of this key if one is given."""

    async def durations(self, process_id: str, count: int) -> tuple[dict[str, list[Sample]], list[Sample]]:
        """Of the last successful runs of the process, newest first: per step id, and of the whole runs."""

    async def started(self, process_ids: Sequence[str]) -> list[tuple[str, datetime]]:
        """The process and the start of every run of these that is under way."""

    async def run_durations(self, process_id: str, count: int) -> list[Sample]:
        """Of the last successful runs of the process, newest first."""

    async def events(self, run_id: str, *, after: int, limit: int) -> list[RunEvent]:
        """Of one run, by number."""

    async def log(
        self, *, after: int, run_ids: Sequence[str], process_ids: Sequence[str], limit: int
    ) -> list[LoggedEvent]:
        """Of all runs, by position. On PostgreSQL positions can become visible out of order for a moment."""

    async def events_since(self, since: datetime | None, *, after: int, limit: int) -> list[tuple[int, RunEvent]]:
        """(position, event) of all runs that are open or ended after a moment (None: of all), by position."""

    async def evidence(self, run_id: str, evidence_id: str) -> Evidence | None: ...

    async def workers(self) -> list[StoredWorker]: ...

    async def last_results(self) -> dict[str, datetime]:
        """When an attempt of each check type last ended with a result."""

    async def check(self) -> None:
        """Whether the store can be read and written now. Raises `Unavailable`."""
