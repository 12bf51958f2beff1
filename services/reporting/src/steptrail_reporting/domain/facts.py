"""A run as its events tell it. Any order, any number of repetitions: the same facts.

What makes that true: every attribute is either constant over a run, or decided by the highest `seq`, or a minimum
or maximum, or a count of events each counted once (`Seen`).
"""

from dataclasses import dataclass, field
from datetime import datetime

from steptrail_common.contracts.model import OPEN_RUN, OPEN_STEP
from steptrail_common.contracts.orchestrator import RunEvent

from steptrail_reporting.domain.seen import Seen
from steptrail_reporting.domain.text import storable

UNKNOWN = "unknown"
PASSED = frozenset({"success", "warning"})
BAD_STEPS = ("failed", "overdue", "timeout", "error", "not_yet")
_STEP_BEHIND = {"failed": "failed", "stuck": "overdue", "timeout": "timeout", "error": "error", "not_yet": "not_yet"}
"""Which step status explains a run's status."""


@dataclass(slots=True)
class StepFacts:
    """One step of a run. Times UTC, durations in seconds; `attempts` counts dispatches, `retries` repeats."""

    step_id: str
    number: int = 0
    name: str = ""
    check_type: str = ""
    status: str = "pending"
    status_seq: int = 0
    failure_class: str | None = None
    attempts: int = 0
    retries: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    queue_wait_seconds: float | None = None
    changed: bool = field(default=False, compare=False)
    """Whether an event told something of it since it was read."""

    @property
    def final(self) -> bool:
        return self.status not in OPEN_STEP

    @property
    def kept(self) -> bool:
        """Whether the result was kept from the run that this one continues: no event of this run gave it."""
        return self.status_seq == 0 and self.final


@dataclass(slots=True)
class RunFacts:
    """One run. `queued_at` is the earliest moment known of it until the event that names it has arrived;
    `status_changed`: it ended otherwise than the run of its process that ended before it (see `handlers`)."""

    run_id: str
    process_id: str
    queued_at: datetime
    process_name: str | None = None
    revision: int | None = None
    status: str = "queued"
    status_seq: int = 0
    trigger: str | None = None
    initiated_by: str | None = None
    key: str | None = None
    from_run: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    verdict: str | None = None
    own_failure_class: str | None = None
    status_changed: bool = False
    seen: Seen = field(default_factory=Seen)
    steps: dict[str, StepFacts] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        return self.status not in OPEN_RUN and self.ended_at is not None

    @property
    def retries(self) -> int:
        return sum(step.retries for step in self.steps.values())

    @property
    def failed_step(self) -> str | None:
        """The first step that explains the run's status, else the first that did not pass; None for good runs."""
        if self.status in PASSED or self.status in OPEN_RUN:
            return None
        ordered = sorted(self.steps.values(), key=lambda step: (step.number, step.step_id))
        wanted = _STEP_BEHIND.get(self.status)
        explaining = [step for step in ordered if step.status == wanted]
        bad = explaining or [step for step in ordered if step.status in BAD_STEPS]
        return bad[0].step_id if bad else None

    @property
    def failure_class(self) -> str | None:
        """As told by the run's end, else that of the failed step."""
        failed = self.failed_step
        return self.own_failure_class or (self.steps[failed].failure_class if failed else None)


def new_run(event: RunEvent) -> RunFacts:
    """A run nothing was known of before this event."""
    return RunFacts(run_id=event.run_id, process_id=event.process_id, queued_at=event.queued_at or event.at)


def apply(run: RunFacts, event: RunEvent) -> bool:
    """Fold one event into the run's facts; False, and nothing changed, if it was counted before."""
    if not run.seen.add(event.seq):
        return False
    run.queued_at = min(run.queued_at, event.queued_at or event.at)
    _constants(run, event)
    if event.type.startswith("run."):
        _run_event(run, event)
    elif event.step_id is not None:
        _step_event(run, event, event.step_id)
    return True


def _constants(run: RunFacts, event: RunEvent) -> None:
    """What is the same in every event that names it."""
    run.process_name = run.process_name or storable(event.process_name)
    run.revision = run.revision if run.revision is not None else event.revision
    run.trigger = run.trigger or event.trigger
    run.initiated_by = run.initiated_by or storable(event.initiated_by)
    run.key = run.key if run.key is not None else storable(event.key)
    run.from_run = run.from_run or event.from_run


def _run_event(run: RunFacts, event: RunEvent) -> None:
    if event.seq > run.status_seq:
        run.status, run.status_seq = event.status, event.seq
    started = event.started_at or (event.at if event.type == "run.started" else None)
    if started is not None:
        run.started_at = min(started, run.started_at or started)
    if event.type == "run.queued":
        for planned in event.steps or []:
            _plan(run, planned)
    if event.type == "run.finished":
        run.ended_at = event.at
        run.duration_seconds = event.duration_seconds
        run.verdict = storable(event.verdict)
        run.own_failure_class = event.failure_class


def _plan(run: RunFacts, planned: dict[str, object]) -> None:
    """A step of the planned chain: it is pending until an event says more, unless its result was kept from before."""
    step_id = str(planned.get("step_id", ""))
    step = run.steps.setdefault(step_id, StepFacts(step_id))
    step.changed = True
    number = planned.get("number")
    step.number = number if isinstance(number, int) else step.number
    step.name = storable(str(planned.get("name") or "")) or step.name
    step.check_type = str(planned.get("check_type") or "") or step.check_type
    if planned.get("reused") and step.status_seq == 0:
        step.status = str(planned.get("status"))


def _step_event(run: RunFacts, event: RunEvent, step_id: str) -> None:
    step = run.steps.setdefault(step_id, StepFacts(step_id))
    step.changed = True
    step.number = step.number or event.step_number or 0
    step.name = step.name or storable(event.step_name) or ""
    step.check_type = step.check_type or event.check_type or ""
    if event.seq > step.status_seq:
        step.status, step.status_seq = event.status, event.seq
    step.attempts = max(step.attempts, event.attempt or 0)
    if event.type == "step.started":
        step.started_at = min(event.at, step.started_at or event.at)
    elif event.type == "step.retrying":
        step.retries += 1
    elif event.type == "step.finished":
        step.ended_at = event.at
        step.duration_seconds = event.duration_seconds
        step.failure_class = event.failure_class
        step.queue_wait_seconds = event.queue_wait_seconds


def run_seconds(run: RunFacts) -> float | None:
    """How long the run took: as told, else from start (or queueing) to end."""
    if run.duration_seconds is not None or run.ended_at is None:
        return run.duration_seconds
    return max(0.0, (run.ended_at - (run.started_at or run.queued_at)).total_seconds())


def step_seconds(step: StepFacts) -> float | None:
    """How long the step took: as told, else from its first start to its end."""
    if step.duration_seconds is not None or step.ended_at is None or step.started_at is None:
        return step.duration_seconds
    return max(0.0, (step.ended_at - step.started_at).total_seconds())
