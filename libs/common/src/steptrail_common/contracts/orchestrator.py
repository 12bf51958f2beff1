"""What the orchestrator says: runs as clients see them, commands it takes, and the events of a run."""

from typing import Literal

from pydantic import Field

from steptrail_common.contracts.definition import Document
from steptrail_common.contracts.model import (
    Contract,
    Event,
    FailureClass,
    Json,
    RunStatus,
    Slug,
    StepStatus,
    Timestamp,
)
from steptrail_common.contracts.workers import AssertionOutcome, Evidence, Finding, StepResult

Trigger = Literal["manual", "api", "cli", "schedule", "recheck"]

# --- commands --------------------------------------------------------------------------------------------------------


class StartRun(Contract):
    """`POST /runs`. With `from_run` a finished run is continued from `from_step` (its failed step by default)."""

    process_id: Slug
    inputs: dict[str, Json] = Field(default={}, max_length=50)
    from_run: str | None = None
    from_step: str | None = None


class RunAccepted(Contract):
    """The run exists and will end: it is in the database."""

    run_id: str
    process_id: str
    status: RunStatus
    queued_at: Timestamp


class TryStep(Contract):
    """`POST /steps/try`: one step of a draft definition, not recorded. `captures` stand for earlier steps."""

    definition: Document
    step_id: str
    inputs: dict[str, Json] = {}
    captures: dict[str, dict[str, Json]] = {}


class TriedStep(StepResult):
    """How a tried step ended, with what was found: no run keeps it, so it comes along."""

    contents: dict[str, str] = Field(
        default={}, description="Text of each piece of evidence by its id, at most 200,000 characters; no pictures"
    )


# --- views -----------------------------------------------------------------------------------------------------------


class Verdict(Contract):
    """The run in one sentence, in parts, so that a page can colour them. `text` is the whole sentence."""

    text: str
    lead: str = Field(description="e.g. `Passed 1–4, `")
    emphasis: str | None = Field(default=None, description="e.g. `stuck at 5 “Invoice file reached the bank folder”`")
    tail: str = Field(default="", description="e.g. `, waiting 3 h 12 m, expected within 30 min.`")
    step_id: str | None = None


class AttemptView(Contract):
    attempt: int
    status: Literal["dispatched", "running", "passed", "failed", "error", "lost", "cancelled"]
    dispatched_at: Timestamp
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    worker_id: str | None = None
    failure_class: FailureClass | None = None
    reason: str | None = None
    message: str | None = None
    duration_seconds: float | None = None
    evidence: list[Evidence] = []
    late: bool = Field(default=False, description="An answer came after the attempt was given up; it changed nothing")


class StepView(Contract):
    """One step of a run, planned or done. Times are the database's."""

    step_id: str
    number: int
    name: str
    description: str | None = None
    check_type: str
    target: str | None = None
    owner: str | None = None
    runbook: str | None = None
    always_run: bool = False
    status: StepStatus
    reason: str | None = Field(default=None, description="Why skipped, or a finer reason of the failure class")
    failure_class: FailureClass | None = None
    message: str | None = None
    first_aid: str | None = Field(default=None, description="What to look at first for this failure class")
    attempt: int = 0
    of_attempts: int = 1
    next_attempt_at: Timestamp | None = None
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    duration_seconds: float | None = None
    expected_duration_seconds: float | None = None
    slow_after_seconds: float | None = Field(default=None, description="Beyond this it is slower than usual")
    timeout_seconds: float
    expect_within_seconds: float | None = None
    since_at: Timestamp | None = Field(default=None, description="When the business allowance started")
    due_at: Timestamp | None = Field(default=None, description="When the business allowance ends")
    waiting_until: Timestamp | None = Field(default=None, description="When wait_until gives up")
    assertions: list[AssertionOutcome] = []
    captures: dict[str, Json] = {}
    findings: list[Finding] = []
    timings: dict[str, float] = {}
    evidence: list[Evidence] = []
    attempts: list[AttemptView] = []


class RunSummary(Contract):
    """One row of a list of runs."""

    run_id: str
    process_id: str
    process_name: str
    revision: int
    status: RunStatus
    trigger: Trigger
    initiated_by: str
    key: str | None = None
    inputs: dict[str, Json] = {}
    queued_at: Timestamp
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    duration_seconds: float | None = None
    current_step: str | None = None
    verdict: Verdict
    failure_class: FailureClass | None = None


class RunView(RunSummary):
    """A run with its whole planned chain."""

    process_owner: str | None = None
    deadline_at: Timestamp
    expected_duration_seconds: float | None = None
    slow_after_seconds: float | None = Field(default=None, description="Beyond this it is slower than usual")
    steps_done: int
    steps_planned: int
    from_run: str | None = None
    from_step: str | None = None
    rechecked_by: list[str] = Field(default=[], description="Runs that continued this one")
    last_good_run: str | None = None
    last_good_of: Literal["key", "process"] | None = Field(
        default=None, description="Whether the last good run is one of the same key, or only of the same process"
    )
    last_seq: int
    steps: list[StepView]


class SlowFrom(Contract):
    """From when on a process has a run under way that is slower than usual; a moment to come or gone by."""

    process_id: str
    slow_at: Timestamp


# --- events ----------------------------------------------------------------------------------------------------------


class StepEnd(Event):
    """How a step stands at the end of a run that did not pass; why, and where it looked, if it ended badly."""

    step_id: str
    number: int
    name: str
    status: StepStatus
    failure_class: FailureClass | None = None
    reason: str | None = None
    message: str | None = None
    first_aid: str | None = Field(default=None, description="What to look at first")
    connection_id: str | None = None
    host: str | None = Field(default=None, description="`host:port` it asked, if it is known")
    work: str | None = Field(default=None, description="The kind of worker it needs")


class RunEvent(Event):
    """One transition of a run, the numbered unit of its history; the same document goes to SSE, log and exchange.

    `type` is one of run.queued, run.started, run.finished, step.started, step.retrying, step.waiting, step.finished.
    Emitted in the transaction that made the transition, numbered from 1 without gaps per run. A consumer may
    conclude that everything with a smaller seq of the run has happened; it must not assume order of arrival.
    """

    run_id: str
    process_id: str
    seq: int = Field(ge=1)
    at: Timestamp
    type: Literal[
        "run.queued",
        "run.started",
        "run.finished",
        "step.started",
        "step.retrying",
        "step.waiting",
        "step.finished",
    ]
    status: str = Field(description="Of the run for run.*, of the step for step.*")
    # of run events
    process_name: str | None = None
    revision: int | None = None
    trigger: Trigger | None = None
    initiated_by: str | None = None
    key: str | None = None
    inputs: dict[str, Json] | None = None
    queued_at: Timestamp | None = None
    started_at: Timestamp | None = None
    duration_seconds: float | None = None
    steps_planned: int | None = None
    steps: list[dict[str, Json]] | None = Field(
        default=None,
        description="run.queued: step_id, number, name, check_type, always_run of every planned step",
    )
    verdict: str | None = None
    from_run: str | None = None
    ends: list[StepEnd] | None = Field(
        default=None, description="run.finished of a run that did not pass: how each step ended"
    )
    # of step events
    step_id: str | None = None
    step_number: int | None = None
    step_name: str | None = None
    check_type: str | None = None
    owner: str | None = None
    attempt: int | None = None
    of_attempts: int | None = None
    next_attempt_at: Timestamp | None = None
    waiting_until: Timestamp | None = None
    due_at: Timestamp | None = None
    failure_class: FailureClass | None = None
    reason: str | None = None
    message: str | None = None
    queue_wait_seconds: float | None = Field(
        default=None, description="step.finished: dispatch to start of the last attempt"
    )


class LoggedEvent(Contract):
    """One entry of the log of all runs. `cursor` is its global position, the `id:` of the live stream."""

    cursor: str
    event: RunEvent


# --- what is compared and who works ----------------------------------------------------------------------------------


class Change(Contract):
    """One value that is not what it was: `captures.invoice`, `assertions[2].actual`, `findings.HTTP status`."""

    path: str
    before: Json = None
    after: Json = None


class TableDiff(Contract):
    """Two tables, compared by the columns both have. `changed`: cells, where both have one row; lists are bounded."""

    before_rows: int
    after_rows: int
    new_columns: list[str] = []
    missing_columns: list[str] = []
    missing_rows: list[dict[str, Json]] = []
    new_rows: list[dict[str, Json]] = []
    changed: list[Change] = []


class ContentDiff(Contract):
    """Two pieces of evidence of the same title: a table, JSON by paths, or lines. `cut`: its end is missing."""

    title: str
    table: TableDiff | None = None
    changes: list[Change] = []
    missing_lines: list[str] = []
    new_lines: list[str] = []
    cut: bool = False


class StepDiff(Contract):
    """A step of this run against the same step of the other; `before_status` is null for a step the other lacks."""

    step_id: str
    number: int
    name: str
    status: str
    before_status: str | None
    duration_seconds: float | None = None
    before_duration_seconds: float | None = None
    slower_by_seconds: float | None = Field(default=None, description="Only if it is at least a fifth and 50 ms slower")
    changes: list[Change] = []
    definition: list[Change] = Field(
        default=[], description="What definition or connection say differently: `check.path`"
    )
    contents: list[ContentDiff] = Field(default=[], description="What the evidence holds differently, piece by piece")


class RunDiff(Contract):
    """A run against another, by default the last good one; `against_run_id` is null when there is none."""

    run_id: str
    against_run_id: str | None
    steps: list[StepDiff] = []


class WorkerState(Contract):
    """A worker as its heartbeats tell. `alive`: heard of lately."""

    worker_id: str
    version: str
    check_types: list[str]
    load: int
    capacity: int
    last_seen_at: Timestamp
    alive: bool


class QueueState(Contract):
    """The requests of one check type. `depth` is null where the broker cannot tell; 0 workers means nobody listens."""

    check_type: str
    depth: int | None
    workers: int
    last_result_at: Timestamp | None
