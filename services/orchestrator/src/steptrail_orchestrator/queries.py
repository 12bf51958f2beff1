"""The read side: lists, a run with its chain, its log, its evidence, differences, workers and queues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from steptrail_common.bus.port import Bus
from steptrail_common.contracts.board import BoardKey, StuckBoard
from steptrail_common.contracts.checks import work_types
from steptrail_common.contracts.model import Page
from steptrail_common.contracts.orchestrator import (
    ContentDiff,
    LoggedEvent,
    QueueState,
    RunDiff,
    RunEvent,
    RunSummary,
    RunView,
    SlowFrom,
    WorkerState,
)
from steptrail_common.contracts.schedules import ScheduleView, TickView
from steptrail_common.contracts.workers import Evidence, request_queue
from steptrail_common.errors import NotFound, SteptrailError
from steptrail_common.evidence import EvidenceStore

from steptrail_orchestrator.domain.board import board_view
from steptrail_orchestrator.domain.comparing import evidence_pairs, run_diff
from steptrail_orchestrator.domain.contents import content_diff
from steptrail_orchestrator.domain.picture import Background, summary, view
from steptrail_orchestrator.domain.prediction import NEWEST, usual
from steptrail_orchestrator.domain.run import Chain, RunState
from steptrail_orchestrator.domain.schedules import schedule_view
from steptrail_orchestrator.ports import (
    BoardFilter,
    BoardPlace,
    BoardStore,
    Catalog,
    Place,
    RunFilter,
    RunReader,
    ScheduleStore,
)

LAST_SUCCESS = "last_success"
MOST_SAMPLES, MOST_STEP_SAMPLES = 200, 2000
"""Good runs that are looked at for what is usual, and steps of them: a few weeks of an hourly check."""


@dataclass(frozen=True, slots=True)
class RunList:
    """One page of runs and the place behind it, None on the last page."""

    items: list[RunSummary]
    next_place: Place | None


async def list_runs(wanted: RunFilter, *, before: Place | None, limit: int, reader: RunReader) -> RunList:
    """Runs, newest first."""
    found = await reader.runs(wanted, before=before, limit=limit + 1)
    now = await reader.now()
    items = [
        summary(run, details.chain if details else None, details.steps if details else {}, now)
        for run, details in found[:limit]
    ]
    last = found[limit - 1][0] if len(found) > limit else None
    return RunList(items, Place(last.queued_at, last.run_id) if last else None)


async def read_run(run_id: str, *, reader: RunReader) -> RunView:
    """A run with its whole planned chain and every attempt. Raises `NotFound`."""
    stored = await reader.run(run_id)
    if stored is None:
        raise NotFound(f"there is no run {run_id}")
    run = stored.run
    samples = max(NEWEST, min(MOST_SAMPLES, MOST_STEP_SAMPLES // len(stored.chain.steps)))
    step_samples, run_samples = await reader.durations(run.process_id, samples)
    good, good_of = await _last_good(run, reader=reader)
    background = Background(
        step_samples=step_samples,
        run_samples=run_samples,
        rechecked_by=await reader.rechecks_of(run_id),
        last_good_run=good,
        last_good_of=good_of,
    )
    return view(run, stored.chain, stored.steps, stored.tried, background, await reader.now())


async def list_slow(process_ids: Sequence[str], *, reader: RunReader) -> list[SlowFrom]:
    """From when on each of these has a run under way that is slower than usual. Those without any are left out."""
    begun: dict[str, list[datetime]] = {}
    for process_id, started_at in await reader.started(process_ids):
        begun.setdefault(process_id, []).append(started_at)
    told = []
    for process_id, starts in begun.items():
        samples = await reader.run_durations(process_id, MOST_SAMPLES)
        found = [(at, expected.slow_after_seconds) for at in starts if (expected := usual(samples, at))]
        moments = [at + timedelta(seconds=seconds) for at, seconds in found if seconds is not None]
        if moments:
            told.append(SlowFrom(process_id=process_id, slow_at=min(moments)))
    return told


async def _last_good(run: RunState, *, reader: RunReader) -> tuple[str | None, Literal["key", "process"] | None]:
    """The good run to compare with: of the same key if there is one, else of any key."""
    if run.key is not None:
        of_key = await reader.last_good(run.process_id, run.queued_at, key=run.key)
        if of_key is not None:
            return of_key, "key"
    found = await reader.last_good(run.process_id, run.queued_at)
    return found, "process" if found else None


async def diff_run(run_id: str, against: str, *, reader: RunReader, evidence: EvidenceStore) -> RunDiff:
    """A run against the last good one of its key, else of its process, or against a named one. Raises `NotFound`."""
    run = await read_run(run_id, reader=reader)
    other_id = run.last_good_run if against == LAST_SUCCESS else against
    other = await read_run(other_id, reader=reader) if other_id else None
    if other is None:
        return run_diff(run, None)
    if other.process_id != run.process_id:
        raise NotFound(f"there is no run {against} of the process {run.process_id}")
    stored, before = await reader.run(run_id), await reader.run(other.run_id)
    chains = (before.chain, stored.chain) if before and stored else None
    return run_diff(run, other, chains=chains, contents=await _contents(run, other, evidence))


async def _contents(run: RunView, other: RunView, evidence: EvidenceStore) -> dict[str, list[ContentDiff]]:
    """The differences of the evidence by step. A piece that is no longer kept or was damaged is passed over."""
    found: dict[str, list[ContentDiff]] = {}
    for before, after in evidence_pairs(run, other):
        try:
            old = await evidence.get(before.address, before.sha256)
            new = await evidence.get(after.piece.address, after.piece.sha256)
        except SteptrailError:
            continue
        difference = content_diff(after.piece, old, new)
        if difference is not None:
            found.setdefault(after.step_id, []).append(difference)
    return found


async def list_events(run_id: str, *, after: int, limit: int, reader: RunReader) -> Page[RunEvent]:
    """The log of a run. `next_cursor` is the seq to go on behind. Raises `NotFound`."""
    items = await reader.events(run_id, after=after, limit=limit + 1)
    if not items and await reader.run(run_id) is None:
        raise NotFound(f"there is no run {run_id}")
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=str(items[limit - 1].seq) if more else None)


async def read_log(
    *, after: int, run_ids: Sequence[str], process_ids: Sequence[str], limit: int, reader: RunReader
) -> Page[LoggedEvent]:
    """The log of all runs behind a position, for streams that take up again."""
    items = await reader.log(after=after, run_ids=run_ids, process_ids=process_ids, limit=limit + 1)
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=items[limit - 1].cursor if more else None)


async def read_evidence(
    run_id: str, evidence_id: str, *, reader: RunReader, evidence: EvidenceStore
) -> tuple[Evidence, bytes]:
    """One piece of evidence, its bytes verified by their hash. Raises `NotFound`, `EvidenceDamaged`, `Unavailable`."""
    kept = await reader.evidence(run_id, evidence_id)
    if kept is None:
        raise NotFound("there is no such evidence of this run")
    return kept, await evidence.get(kept.address, kept.sha256)


async def list_workers(*, reader: RunReader, live_seconds: float) -> list[WorkerState]:
    """The workers as their heartbeats tell, living ones first."""
    workers = [
        WorkerState(
            worker_id=worker.worker_id,
            version=worker.version,
            check_types=list(worker.check_types),
            load=worker.load,
            capacity=worker.capacity,
            last_seen_at=worker.seen_at,
            alive=worker.silent_seconds < live_seconds,
        )
        for worker in await reader.workers()
    ]
    return sorted(workers, key=lambda worker: (not worker.alive, worker.worker_id))


async def list_queues(*, reader: RunReader, bus: Bus, live_seconds: float) -> list[QueueState]:
    """How much work waits per check type, and how many living workers take it."""
    try:
        depths: Mapping[str, int] = await bus.queue_depths(list(map(request_queue, work_types())))
    except SteptrailError:
        depths = {}
    workers = await list_workers(reader=reader, live_seconds=live_seconds)
    last = await reader.last_results()
    return [
        QueueState(
            check_type=kind,
            depth=depths.get(request_queue(kind)),
            workers=sum(worker.alive and kind in worker.check_types for worker in workers),
            last_result_at=last.get(kind),
        )
        for kind in work_types()
    ]


async def read_board(process_id: str, *, boards: BoardStore, catalog: Catalog, reader: RunReader) -> StuckBoard:
    """The last stuck board with its age. Raises `NotFound`."""
    chain = await catalog.chain(process_id)
    taken, failure = await boards.last(process_id)
    return board_view(chain.definition, taken, failure, await reader.now())


async def list_board_keys(
    process_id: str,
    step_id: str | None,
    *,
    finished: bool,
    beginning: str | None,
    after: BoardPlace | None,
    limit: int,
    boards: BoardStore,
    catalog: Catalog,
) -> list[tuple[BoardKey, BoardPlace]]:
    """Keys of the last board, oldest first. Raises `NotFound`, also for a step the process does not have."""
    chain = await catalog.chain(process_id)
    number = chain.number(step_id) if step_id is not None else None
    if step_id is not None and number is None:
        raise NotFound(f"the process {process_id} has no step {step_id}")
    found = await boards.keys(process_id, BoardFilter(number, finished, beginning), after=after, limit=limit)
    return [(_named(key, chain), place) for key, place in found]


def _named(key: BoardKey, chain: Chain) -> BoardKey:
    number = key.step_number
    if number is None or number > len(chain.steps):
        return key
    step = chain.steps[number - 1]
    return key.model_copy(update={"step_id": step.id, "step_name": step.name})


async def list_schedules(
    process_id: str | None, *, after: tuple[str, int] | None, limit: int, schedules: ScheduleStore, reader: RunReader
) -> list[ScheduleView]:
    """Schedules in order of process and number."""
    found = await schedules.page(process_id, after=after, limit=limit)
    now = await reader.now()
    return [schedule_view(planned, now) for planned in found]


async def read_schedule(schedule_id: str, *, schedules: ScheduleStore, reader: RunReader) -> ScheduleView:
    """Raises `NotFound`."""
    planned = await schedules.get(schedule_id)
    if planned is None:
        raise NotFound(f"there is no schedule {schedule_id}")
    return schedule_view(planned, await reader.now())


async def list_ticks(
    schedule_id: str, *, before: datetime | None, limit: int, schedules: ScheduleStore
) -> list[TickView]:
    """What became of a schedule's ticks, newest first. Raises `NotFound`."""
    found = await schedules.ticks(schedule_id, before=before, limit=limit)
    if not found and await schedules.get(schedule_id) is None:
        raise NotFound(f"there is no schedule {schedule_id}")
    return found
