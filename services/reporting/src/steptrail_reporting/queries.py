"""The read side: history, states, figures, grid, export."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from steptrail_common.contracts.reporting import (
    GridColumn,
    OverviewCounts,
    ProcessFigures,
    ProcessState,
    RunFact,
    Trend,
)

from steptrail_reporting.domain.facts import UNKNOWN, RunFacts, run_seconds, step_seconds
from steptrail_reporting.domain.figures import expected_seconds, process_figures, trend_days
from steptrail_reporting.domain.overview import OverviewPlace
from steptrail_reporting.domain.period import DEFAULT_DAYS, LONGEST_FIGURES_DAYS, LONGEST_TREND_DAYS, period, whole_days
from steptrail_reporting.domain.process import ProcessFacts
from steptrail_reporting.domain.rollup import WHOLE_RUN
from steptrail_reporting.ports import FactStore, Position, RunFilter

EXPORT_PAGE = 1000
"""Runs read at a time while an export streams: no transaction stays open while a slow client reads."""
CHANGES_BEFORE = 200
"""Status changes looked back for the beginning of an outage that was open when a period began."""


async def list_runs(
    wanted: RunFilter, *, after: Position | None, limit: int, store: FactStore
) -> tuple[list[RunFact], Position | None]:
    """A page of runs, newest first, and where the next one begins; None on the last page."""
    found = await store.runs(wanted, after=after, limit=limit + 1)
    page = found[:limit]
    return page, Position(page[-1].queued_at, page[-1].run_id) if len(found) > limit else None


async def export_runs(wanted: RunFilter, *, store: FactStore) -> AsyncIterator[Sequence[RunFact]]:
    """All runs of the filter, newest first, in pages."""
    after: Position | None = None
    while True:
        page, after = await list_runs(wanted, after=after, limit=EXPORT_PAGE, store=store)
        if page:
            yield page
        if after is None:
            return


async def process_states(process_ids: Sequence[str], *, store: FactStore) -> list[ProcessState]:
    """The state of each process asked for, in that order; one without runs has nothing but nulls."""
    known = await store.processes(process_ids)
    return [_state(known.get(process_id) or ProcessFacts(process_id)) for process_id in process_ids]


def _state(process: ProcessFacts) -> ProcessState:
    last = process.last
    return ProcessState(
        process_id=process.process_id,
        last_run_id=last.run_id if last else None,
        last_status=last.status if last else None,
        last_key=process.last_key,
        last_verdict=process.last_verdict,
        last_run_at=last.ended_at if last else None,
        since=process.since,
        running=process.running,
        recent=[(ended.run_id, ended.status) for ended in process.recent],
    )


async def figures(
    process_id: str, *, since: datetime | None, until: datetime | None, now: datetime, store: FactStore
) -> ProcessFigures:
    """Figures of a period, by default of the last 30 days. Raises `InvalidInput` for impossible periods."""
    asked = period(since, until, now=now, longest_days=LONGEST_FIGURES_DAYS)
    tallies = await store.tallies(process_id, asked)
    changes = await store.changes(process_id, asked, before=CHANGES_BEFORE)
    known = (await store.processes([process_id])).get(process_id)
    missed = await store.missed(process_id, asked)
    return process_figures(process_id, asked, tallies, changes, known.steps if known else {}, missed)


async def trend(
    process_id: str,
    step_id: str | None,
    *,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
    store: FactStore,
) -> Trend:
    """Figures day by day, of the UTC days that the period touches. Raises `InvalidInput` for impossible periods."""
    asked = period(since, until, now=now, longest_days=LONGEST_TREND_DAYS)
    first, last = asked.since.date(), (asked.until - timedelta(microseconds=1)).date()
    scope = step_id or WHOLE_RUN
    missed = await store.missed(process_id, whole_days(first, last)) if scope == WHOLE_RUN else {}
    days = trend_days(scope, await store.daily(process_id, scope, (first, last)), missed)
    return Trend(process_id=process_id, step_id=step_id, since=first, until=last, days=days)


async def overview(
    *, after: OverviewPlace | None, limit: int, store: FactStore
) -> tuple[OverviewCounts, list[ProcessState], OverviewPlace | None]:
    """How all active processes stand, a page of them, and where the next page begins; None on the last."""
    found = await store.overview(after=after, limit=limit + 1)
    by_status, running = await store.standing()
    counts = OverviewCounts(
        processes=sum(by_status.values()),
        by_status={status: count for status, count in by_status.items() if status is not None},
        never_run=by_status.get(None, 0),
        running=running,
    )
    states = [_state(process) for _, process in found[:limit]]
    return counts, states, found[limit - 1][0] if len(found) > limit else None


async def expected(process_id: str, *, now: datetime, store: FactStore) -> dict[str, float]:
    """Seconds each step usually takes: the median of its passes in the last 30 days. Steps without any are left out."""
    asked = period(None, None, now=now, longest_days=DEFAULT_DAYS)
    return expected_seconds(await store.tallies(process_id, asked))


async def grid(process_id: str, *, limit: int, store: FactStore) -> list[GridColumn]:
    """The newest runs as columns, newest first."""
    return [_column(run) for run in await store.last_runs(process_id, limit)]


def _column(run: RunFacts) -> GridColumn:
    took = {step_id: step_seconds(step) for step_id, step in run.steps.items()}
    return GridColumn(
        run_id=run.run_id,
        status=run.status,
        trigger=run.trigger or UNKNOWN,
        key=run.key,
        queued_at=run.queued_at,
        duration_seconds=run_seconds(run),
        steps={step_id: step.status for step_id, step in run.steps.items()},
        step_seconds={step_id: seconds for step_id, seconds in took.items() if seconds is not None},
        kept=[step_id for step_id, step in run.steps.items() if step.kept],
    )
