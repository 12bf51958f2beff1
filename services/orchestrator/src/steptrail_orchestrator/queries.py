"""The read side: lists, a run with its chain, its log, its evidence, differences, workers and queues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from steptrail_common.bus.port import Bus
from steptrail_common.contracts.definition import Check
from steptrail_common.contracts.model import Page
from steptrail_common.contracts.orchestrator import (
    LoggedEvent,
    QueueState,
    RunDiff,
    RunEvent,
    RunSummary,
    RunView,
    WorkerState,
)
from steptrail_common.contracts.workers import Evidence, request_queue
from steptrail_common.errors import NotFound, SteptrailError
from steptrail_common.evidence import EvidenceStore

from steptrail_orchestrator.domain.comparing import run_diff
from steptrail_orchestrator.domain.picture import Background, summary, view
from steptrail_orchestrator.ports import Place, RunFilter, RunReader

LAST_SUCCESS = "last_success"
TYPICAL_OF_RUNS = 20
"""How many good runs the expected durations are taken from."""
CHECK_TYPES: tuple[str, ...] = tuple(
    get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(get_args(Check)[0])
)


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
    step_seconds, run_seconds = await reader.durations(run.process_id, TYPICAL_OF_RUNS)
    background = Background(
        step_seconds=step_seconds,
        run_seconds=run_seconds,
        rechecked_by=await reader.rechecks_of(run_id),
        last_good_run=await reader.last_good(run.process_id, run.queued_at),
    )
    return view(run, stored.chain, stored.steps, stored.tried, background, await reader.now())


async def diff_run(run_id: str, against: str, *, reader: RunReader) -> RunDiff:
    """A run against the last good one of its process, or against a named one. Raises `NotFound`."""
    run = await read_run(run_id, reader=reader)
    other_id = run.last_good_run if against == LAST_SUCCESS else against
    other = await read_run(other_id, reader=reader) if other_id else None
    if other is not None and other.process_id != run.process_id:
        raise NotFound(f"there is no run {against} of the process {run.process_id}")
    return run_diff(run, other)


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
        depths: Mapping[str, int] = await bus.queue_depths()
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
        for kind in CHECK_TYPES
    ]
