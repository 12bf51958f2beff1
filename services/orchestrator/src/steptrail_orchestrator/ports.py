"""What the orchestrator needs: a store whose transactions it can trust, the catalog, and a bus."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from steptrail_common.contracts.board import BoardKey
from steptrail_common.contracts.catalog import ConnectionRights, ConnectionView, SealedConnection
from steptrail_common.contracts.definition import Definition, Document
from steptrail_common.contracts.orchestrator import LoggedEvent, RunAccepted, RunEvent, Trigger
from steptrail_common.contracts.schedules import NextRun, ScheduleMissed, TickView
from steptrail_common.contracts.workers import Evidence, Heartbeat, KeyRequest, ProbeAnswer, StepRequest

from steptrail_orchestrator.domain.board import Placed, Taken
from steptrail_orchestrator.domain.picture import Tried
from steptrail_orchestrator.domain.prediction import Sample
from steptrail_orchestrator.domain.run import Chain, RunState, StepState, World
from steptrail_orchestrator.domain.schedules import Planned
from steptrail_orchestrator.domain.walk import Walk


@dataclass(frozen=True, slots=True)
class Scene:
    """What a decision sees: the world, the locked runs by id, and which of the given dedup ids are new."""

    world: World
    walks: Mapping[str, Walk]
    fresh: frozenset[str] = frozenset()


Decision = Callable[[Scene], None]
"""Pure and synchronous: moves the walks; the store writes what it did. It may be called in vain before, with what the
store remembered of the runs: only its last call counts."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a committed decision did. `wake_in_seconds`: until the earliest wake-up it noted, None without one."""

    walks: Sequence[Walk]
    wake_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RunOrder:
    """A run to begin. `reused`: results of an earlier run that it keeps, by step id."""

    run_id: str
    chain: Chain
    trigger: Trigger
    initiated_by: str
    key: str | None
    inputs: dict[str, object]
    from_run: str | None = None
    from_step: str | None = None
    trace: str | None = None
    reused: Mapping[str, StepState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """`digest` is a hash of the request: the same key with another one is refused."""

    actor: str
    key: str
    digest: str


class RunStore(Protocol):
    """The runs, and the only way to change them. Every method is one transaction: all of it or nothing.

    Raises `Unavailable` while the database is away; nothing has happened then, or, if the connection broke during the
    commit, all of it may have: every call can be repeated. Moments are the database's clock.
    """

    async def begin(
        self, order: RunOrder, decision: Callable[[Walk, datetime], None], key: IdempotencyKey | None
    ) -> tuple[RunAccepted, float | None]:
        """Write a new run with what `decision` makes of it; returns it with the seconds to its first wake-up.

        With a key seen before returns the run it made then; raises `InvalidInput` if the request was another one.
        """

    async def repeated(self, key: IdempotencyKey) -> RunAccepted | None:
        """The run an idempotency key has made, None for a new one. Raises `InvalidInput` as `begin` does."""

    async def decide(self, run_ids: Collection[str], decision: Decision, *, dedup_ids: Sequence[str] = ()) -> Decided:
        """Lock the runs (in id order; unknown ids are left out), decide, write all effects with their messages.

        `dedup_ids` name the messages that led here: those seen before are missing from `Scene.fresh`. A result is
        accepted by a conditional update on run, step, attempt, token and open state; if it finds nothing, all is
        rolled back.
        """

    async def decide_due(self, decision: Decision, *, empty_queues: Mapping[str, float], limit: int) -> Decided:
        """The same for open runs whose wake-up is due, passing over those locked by others: safe on every replica."""

    async def decide_orphans(self, decision: Decision, *, limit: int) -> Decided:
        """The same for open runs that have neither an open attempt nor a step with a due time."""

    async def look_for_listeners(self) -> None:
        """Look which check types have a live worker; wake the runs that wait for one that has none any more."""

    async def next_wake_seconds(self) -> float | None:
        """Until the earliest wake-up of an open run; negative if it is late, None if no run is open."""

    async def beat(self, heartbeats: Sequence[Heartbeat], *, lease_seconds: float, grace_seconds: float) -> None:
        """Note that workers live and renew their leases; forget those that leave. A lease whose attempt is over or
        locked is passed over."""

    async def prune(self, *, older_than_seconds: float) -> None:
        """Forget message ids and workers that have been silent for so long, and idempotency keys after a day."""


class RunKeeping(Protocol):
    """How long runs are kept, and in which partitions. Transactions and errors as with `RunStore`.

    A month is the name of a partition of all that belongs to runs; a store that has none knows no months.
    """

    async def prepare_months(self) -> None:
        """Make the partitions of the coming months. Can be repeated. Raises `Unavailable` if runs are in the way."""

    async def expired_month(self, *, older_than_seconds: float) -> str | None:
        """The oldest month all of whose runs ended longer ago, if there is one."""

    async def runs_of_month(self, month: str, *, after: str, limit: int) -> Sequence[str]:
        """Its runs behind the id `after`, in order of their ids."""

    async def forget_month(self, month: str) -> int:
        """Delete everything of a month that `expired_month` named; returns how many runs that were.

        Not one transaction: first what belongs to its runs, at once, then the runs in portions. What is left when it
        is broken off is found by `expired`.
        """

    async def expired(self, *, older_than_seconds: float, limit: int) -> Sequence[str]:
        """Runs that ended longer ago by the database's clock, oldest first."""

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Delete everything of these runs that have ended; unknown ones are passed over."""

    async def not_archived(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Those that `note_archived` was not told of, in the same order."""

    async def note_archived(self, run_ids: Sequence[str]) -> None:
        """They are in the archive, whole; only now may anything of them be deleted. Can be repeated; runs that are
        forgotten meanwhile are passed over."""


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


class Catalog(Protocol):
    """Definitions and connections, as the catalog service has them."""

    async def chain(self, process_id: str) -> Chain:
        """The active revision with its connections, about a second old at most. Raises `NotFound`, `Unavailable`."""

    async def definition(self, process_id: str) -> tuple[int, Definition]:
        """The active revision and its number, read now. Raises `NotFound`, `Unavailable`."""

    async def revisions(self) -> dict[str, int]:
        """The number of the active revision of every process. Raises `Unavailable`."""

    async def draft(self, document: Document) -> Chain:
        """The same for a definition that is not saved. Raises `InvalidInput` naming its faults."""

    async def connection(self, connection_id: str) -> SealedConnection:
        """Raises `NotFound`, `Unavailable`."""

    async def connections(self) -> list[ConnectionView]:
        """All connections as people see them, without secrets. Raises `Unavailable`."""

    async def store_rights(self, connection_id: str, rights: ConnectionRights) -> None:
        """Keep what a worker found the account of a connection may do."""

    def forget(self) -> None:
        """Drop what is cached: a process or a connection has changed."""


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """Which keys of a board: those waiting at the step of this number, those past all, those beginning so."""

    number: int | None = None
    finished: bool = False
    beginning: str | None = None


@dataclass(frozen=True, slots=True)
class BoardPlace:
    """A place in the list of keys: oldest first, those without a moment last, then by key."""

    since_at: datetime | None
    key: str


class BoardStore(Protocol):
    """The last stuck board of each process. Every method is one transaction. Raises `Unavailable`."""

    async def store(self, taken: Taken, placed: Sequence[Placed]) -> None:
        """Replace the board and its keys. A key found at the same step again keeps since when it is there."""

    async def failed(self, process_id: str, message: str) -> None:
        """Note why it could not be taken; the board before stays."""

    async def last(self, process_id: str) -> tuple[Taken | None, tuple[datetime, str] | None]:
        """The last board, and when and why a later refresh failed."""

    async def keys(
        self, process_id: str, wanted: BoardFilter, *, after: BoardPlace | None, limit: int
    ) -> list[tuple[BoardKey, BoardPlace]]:
        """Keys with their newest runs, each with its place; names of steps are left to the caller."""


class InspectionStore(Protocol):
    """Whose turn it is to look at the rights of accounts. Every method is one statement. Raises `Unavailable`."""

    async def claim(self, connection_id: str, version: int, *, seconds: float) -> bool:
        """Whether the caller looks at this version of a connection now: of several callers one. The claim lapses after
        so many seconds, or when the connection is saved again."""

    async def put_off(self, connection_id: str, version: int, *, seconds: float) -> None:
        """By whom had the claim: nobody looks at this version again for so long."""


class Prober(Protocol):
    """Asks a worker for something that is not recorded as a run."""

    async def ask(
        self,
        check_type: str,
        *,
        request: StepRequest | None = None,
        connection: SealedConnection | None = None,
        keys: KeyRequest | None = None,
        timeout_seconds: float,
    ) -> ProbeAnswer:
        """Send exactly one of the three to a worker of the check type. Raises `Unavailable` if none answers in time."""


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
