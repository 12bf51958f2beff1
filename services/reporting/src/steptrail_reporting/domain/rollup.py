"""What a run adds to the counters of its process and day.

A run counts on the UTC day it ended, with everything it holds. Counters are kept current by adding what the facts
contribute after an event and subtracting what they contributed before it, so they equal a recomputation at any moment.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date

from steptrail_reporting.domain.facts import PASSED, UNKNOWN, RunFacts, StepFacts, run_seconds, step_seconds
from steptrail_reporting.domain.histogram import bucket_of

WHOLE_RUN = ""
"""The scope of figures of the run itself; other scopes are step ids."""
STATUS, TRIGGER, DURATION, QUEUE_WAIT, RETRIES = "status:", "trigger:", "duration", "queue_wait", "retries"
NOT_MEASURED = frozenset({"pending", "running", "retrying", "waiting", "skipped", "cancelled"})
"""Step states that say nothing about the step."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One counter: a measure of a scope on a day; `bucket` is 0 except in histograms."""

    process_id: str
    day: date
    scope: str
    measure: str
    bucket: int = 0


def run_bucket(run: RunFacts) -> int | None:
    """The histogram bucket of the run's duration; only runs that passed are in the histogram."""
    seconds = run_seconds(run)
    return bucket_of(seconds) if run.final and run.status in PASSED and seconds is not None else None


def step_bucket(step: StepFacts) -> int | None:
    """The histogram bucket of the step's duration; only steps that passed are in the histogram."""
    seconds = step_seconds(step)
    return bucket_of(seconds) if step.status in PASSED and seconds is not None else None


def wait_bucket(step: StepFacts) -> int | None:
    """The histogram bucket of the wait between dispatch and start."""
    return bucket_of(step.queue_wait_seconds) if step.queue_wait_seconds is not None else None


def contributions(run: RunFacts | None) -> Counter[Cell]:
    """The counters of a run; empty while it is open."""
    cells: Counter[Cell] = Counter()
    if run is None or not run.final or run.ended_at is None:
        return cells
    process_id, day = run.process_id, run.ended_at.astimezone(UTC).date()

    def count(scope: str, measure: str, bucket: int | None = 0, by: int = 1) -> None:
        if bucket is not None and by:
            cells[Cell(process_id, day, scope, measure, bucket)] += by

    count(WHOLE_RUN, STATUS + run.status)
    count(WHOLE_RUN, TRIGGER + (run.trigger or UNKNOWN))
    count(WHOLE_RUN, RETRIES, by=run.retries)
    count(WHOLE_RUN, DURATION, run_bucket(run))
    for step in run.steps.values():
        count(WHOLE_RUN, QUEUE_WAIT, wait_bucket(step))
        if step.status not in NOT_MEASURED and not step.kept:
            count(step.step_id, STATUS + step.status)
            count(step.step_id, RETRIES, by=step.retries)
            count(step.step_id, DURATION, step_bucket(step))
    return cells


def difference(before: Counter[Cell], after: Counter[Cell]) -> dict[Cell, int]:
    """What to add to the stored counters; cells that stay the same are left out."""
    return {cell: by for cell in before.keys() | after.keys() if (by := after[cell] - before[cell])}
