"""The nouns of a run: its chain, its state, the state of its steps, and one attempt at a step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from steptrail_common.contracts.catalog import DefinitionSnapshot, SealedConnection
from steptrail_common.contracts.checks.configuration import Texts
from steptrail_common.contracts.definition import Retry, Step
from steptrail_common.contracts.model import FailureClass, RunStatus, StepStatus
from steptrail_common.contracts.orchestrator import Trigger, Verdict
from steptrail_common.contracts.workers import StepResult

DEFAULT_TIMEOUT_SECONDS = 30.0
"""Of one attempt, when neither step nor defaults nor the kind of check say otherwise (NFR-002, NFR-003)."""
_NO_WORD_ON_RETRY = Retry()


TAKEN_SECONDS = 3.0
"""So long a worker may hold a request without a word; it tells of it within a tenth of a second, or of its end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds. All of them are measured by the database's clock."""

    lease_seconds: float = 15.0
    """A worker that is silent for longer has lost its attempt."""
    heartbeat_seconds: float = 5.0
    """How often a worker renews its leases."""
    grace_seconds: float = 10.0
    """What an attempt gets beyond its timeout before it is given up even if its worker still beats."""
    notice_seconds: float = 2.0
    """After this an attempt that nobody listens for says so."""
    pickup_seconds: float = 60.0
    """After this an attempt that nobody listens for is given up."""
    republish_seconds: float = 20.0
    """After this an attempt that was not taken although its queue is empty is sent again."""


class Chain:
    """The planned steps of a run: a stored snapshot of definition and connections, never changed."""

    def __init__(self, definition_id: str, snapshot: DefinitionSnapshot) -> None:
        self.definition_id = definition_id
        self.snapshot = snapshot
        self.definition = snapshot.definition
        self.steps = snapshot.definition.steps
        self._numbers = {step.id: number for number, step in enumerate(self.steps, 1)}
        self._static: dict[str, bool] = {}
        self._texts: dict[str, Texts] = {}

    @property
    def planned(self) -> int:
        """Steps that count for progress: the enabled ones."""
        return sum(step.enabled for step in self.steps)

    def number(self, step_id: str) -> int | None:
        """The step's place, from 1; None if the chain has no such step."""
        return self._numbers.get(step_id)

    def step(self, step_id: str) -> Step:
        return self.steps[self._numbers[step_id] - 1]

    def is_static(self, step: Step) -> bool:
        """Whether nothing of what the worker gets holds an expression, so that it can be sent as it is."""
        found = self._static.get(step.id)
        if found is None:
            sent = (step.check, *step.assertions, *step.capture.values())
            found = self._static[step.id] = not any("${{" in part.model_dump_json() for part in sent)
        return found

    def texts(self, step: Step) -> Texts:
        """The texts of its check that hold expressions; looked for once."""
        found = self._texts.get(step.id)
        if found is None:
            found = self._texts[step.id] = Texts(step.check)
        return found

    def retry(self, step: Step) -> Retry:
        return step.retry or self.definition.defaults.retry or _NO_WORD_ON_RETRY

    def timeout_seconds(self, step: Step) -> float:
        """Of one attempt. A default of the process does not lengthen the short default of a quick kind of check."""
        if step.timeout is not None:
            return step.timeout
        default, own = self.definition.defaults.timeout, step.check.timeout_seconds
        if own < DEFAULT_TIMEOUT_SECONDS:
            return min(default or own, own)
        return default or own

    def connection(self, step: Step) -> SealedConnection | None:
        name = step.check.connection_id
        return self.snapshot.connections.get(name) if name else None


@dataclass(slots=True)
class StepState:
    """Where one step stands. `base_attempt` is the attempt number of the last clean look of `wait_until`:
    the retry budget counts from there."""

    step_id: str
    number: int
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    base_attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    next_attempt_at: datetime | None = None
    waiting_until: datetime | None = None
    since_at: datetime | None = None
    due_at: datetime | None = None
    failure_class: FailureClass | None = None
    reason: str | None = None
    message: str | None = None
    duration_seconds: float | None = None
    captures: dict[str, Any] = field(default_factory=dict)
    capture_types: dict[str, str] = field(default_factory=dict)
    reused_from: str | None = None


@dataclass(slots=True)
class RunState:
    """Where the run stands. `seq` is the number of its last event; `wake_at` the next moment by which something
    must have happened, always set while the run is open and never after."""

    run_id: str
    process_id: str
    process_name: str
    definition_id: str
    revision: int
    trigger: Trigger
    initiated_by: str
    key: str | None
    inputs: dict[str, Any]
    queued_at: datetime
    deadline_at: datetime
    status: RunStatus = RunStatus.QUEUED
    started_at: datetime | None = None
    ended_at: datetime | None = None
    wake_at: datetime | None = None
    current_step: str | None = None
    seq: int = 0
    verdict: Verdict | None = None
    failure_class: FailureClass | None = None
    from_run: str | None = None
    from_step: str | None = None
    trace: str | None = None
    """The trace context that every message of the run continues."""


@dataclass(slots=True)
class AttemptState:
    """One dispatch of a step. Only a result with its token ends it; without an end it is under way."""

    run_id: str
    step_id: str
    attempt: int
    token: str
    dispatched_at: datetime
    started_at: datetime | None = None
    lease_until: datetime | None = None
    published_at: datetime | None = None
    """When its request was last put into the outbox."""
    publications: int = 1
    worker_id: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended: by its result, or given up (`lost`, `cancelled`) without one."""

    attempt: AttemptState
    status: str
    ended_at: datetime
    failure_class: FailureClass | None = None
    reason: str | None = None
    message: str | None = None
    result: StepResult | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What a decision about time needs to know besides the run: the database's clock and who listens.

    `live_types`: check types with a live worker. `empty_queues`: those whose queue is empty and to which everything we
    owe has been published; and how many seconds ago the look before found it empty as well (0: it did not, or there was
    none). A message that was there neither time, and that nobody announced between them, is lost.
    `heard_seconds`: for how long whoever lives could be heard without a break; who is silent longer than that is away.
    """

    now: datetime
    live_types: frozenset[str] = frozenset()
    empty_queues: Mapping[str, float] = field(default_factory=dict)
    heard_seconds: float = math.inf


def later(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)
