"""Figures of a process from its counters: shares, percentiles, time to recover. Nothing measured is None."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from steptrail_common.contracts.reporting import ProcessFigures, StepFigures, TrendDay

from steptrail_reporting.domain.facts import PASSED
from steptrail_reporting.domain.histogram import RELATIVE_ERROR, percentile
from steptrail_reporting.domain.period import Period
from steptrail_reporting.domain.process import Ended, StepName
from steptrail_reporting.domain.rollup import DURATION, QUEUE_WAIT, RETRIES, STATUS, TRIGGER, WHOLE_RUN

Tallies = Mapping[tuple[str, str, int], int]
"""(scope, measure, bucket) → how many, summed over a period."""
NOT_JUDGED = frozenset({"cancelled", "error"})
DOWN = frozenset({"failed", "stuck", "timeout"})

ACCOUNTING = (
    "Runs that ended in the period, by every trigger, re-checks from a failed step included; a run counts on its "
    "end. Success rate: success and warning over all runs except cancelled and error, because an error is our "
    "failure to check, not the process's. A step that passed after retries is a success; its retries are counted "
    "separately. Skipped and cancelled steps are not measured. Durations are those of passed runs and steps; "
    f"percentiles are read from logarithmic buckets and are within ±{RELATIVE_ERROR:.0%}. Time to recover: from "
    "the first run that ended failed, stuck or timeout to the next that passed, of recoveries in the period. "
    "Queue wait: from dispatch of a step to its start by a worker. Time without runs is not measured and not "
    "counted as up. Missed starts: scheduled ticks that were found too late to be made; they are no runs, are in no "
    "rate, and count at the time they were due."
)


def process_figures(
    process_id: str,
    period: Period,
    tallies: Tallies,
    changes: Iterable[Ended],
    names: Mapping[str, StepName],
    missed: Mapping[date, int],
) -> ProcessFigures:
    """Figures of a period. `changes`: status changes up to its end, with enough before it to find the open outage."""
    by_status = _with_prefix(tallies, WHOLE_RUN, STATUS)
    durations = _histogram(tallies, WHOLE_RUN, DURATION)
    return ProcessFigures(
        process_id=process_id,
        since=period.since,
        until=period.until,
        runs=sum(by_status.values()),
        by_status=by_status,
        by_trigger=_with_prefix(tallies, WHOLE_RUN, TRIGGER),
        success_rate=success_rate(by_status),
        p50_seconds=percentile(durations, 0.50),
        p95_seconds=percentile(durations, 0.95),
        p99_seconds=percentile(durations, 0.99),
        mean_time_to_recover_seconds=mean_time_to_recover(changes, since=period.since),
        queue_wait_p95_seconds=percentile(_histogram(tallies, WHOLE_RUN, QUEUE_WAIT), 0.95),
        retries=tallies.get((WHOLE_RUN, RETRIES, 0), 0),
        missed_starts=sum(missed.values()),
        steps=_steps(tallies, names),
        accounting=ACCOUNTING,
    )


def trend_days(scope: str, days: Mapping[date, Tallies], missed: Mapping[date, int]) -> list[TrendDay]:
    """The days with runs of a scope (nothing for the whole run) or with missed starts, oldest first."""
    told = []
    for day in sorted(days.keys() | missed.keys()):
        tallies = days.get(day, {})
        by_status = _with_prefix(tallies, scope, STATUS)
        durations = _histogram(tallies, scope, DURATION)
        if by_status or day in missed:
            told.append(
                TrendDay(
                    day=day,
                    runs=sum(by_status.values()),
                    by_status=by_status,
                    success_rate=success_rate(by_status),
                    p50_seconds=percentile(durations, 0.50),
                    p95_seconds=percentile(durations, 0.95),
                    missed_starts=missed.get(day, 0),
                )
            )
    return told


def success_rate(by_status: Mapping[str, int]) -> float | None:
    """Passed over judged; None when nothing was judged."""
    judged = sum(count for status, count in by_status.items() if status not in NOT_JUDGED)
    passed = sum(count for status, count in by_status.items() if status in PASSED)
    return round(passed / judged, 6) if judged else None


def mean_time_to_recover(changes: Iterable[Ended], *, since: datetime) -> float | None:
    """Mean seconds from going down to passing again, over the recoveries at or after `since`; None without one."""
    recoveries: list[float] = []
    down_at: datetime | None = None
    for change in sorted(changes):
        if change.status in DOWN:
            down_at = down_at or change.ended_at
        elif change.status in PASSED and down_at is not None:
            if change.ended_at >= since:
                recoveries.append((change.ended_at - down_at).total_seconds())
            down_at = None
    return round(sum(recoveries) / len(recoveries), 3) if recoveries else None


def expected_seconds(tallies: Tallies) -> dict[str, float]:
    """The median duration of every step that ever passed in the period."""
    scopes = sorted({scope for scope, measure, _ in tallies if measure == DURATION and scope != WHOLE_RUN})
    medians = ((scope, percentile(_histogram(tallies, scope, DURATION), 0.50)) for scope in scopes)
    return {scope: median for scope, median in medians if median is not None}


def _steps(tallies: Tallies, names: Mapping[str, StepName]) -> list[StepFigures]:
    scopes = {scope for scope, _, _ in tallies if scope != WHOLE_RUN}
    return sorted((_step(scope, tallies, names.get(scope)) for scope in scopes), key=lambda s: (s.number, s.step_id))


def _step(scope: str, tallies: Tallies, named: StepName | None) -> StepFigures:
    by_status = _with_prefix(tallies, scope, STATUS)
    durations = _histogram(tallies, scope, DURATION)
    return StepFigures(
        step_id=scope,
        name=named.name if named else scope,
        number=named.number if named else 0,
        runs=sum(by_status.values()),
        success_rate=success_rate(by_status),
        p50_seconds=percentile(durations, 0.50),
        p95_seconds=percentile(durations, 0.95),
        p99_seconds=percentile(durations, 0.99),
        retries=tallies.get((scope, RETRIES, 0), 0),
    )


def _with_prefix(tallies: Tallies, scope: str, prefix: str) -> dict[str, int]:
    return {
        measure.removeprefix(prefix): count
        for (where, measure, _), count in sorted(tallies.items())
        if where == scope and measure.startswith(prefix) and count
    }


def _histogram(tallies: Tallies, scope: str, wanted: str) -> dict[int, int]:
    return {bucket: count for (where, measure, bucket), count in tallies.items() if (where, measure) == (scope, wanted)}
