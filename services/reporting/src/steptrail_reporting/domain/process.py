"""A process as its runs and definitions tell it: its name, its steps' names, its last verdict."""

from dataclasses import dataclass, field
from datetime import datetime

from steptrail_reporting.domain.facts import RunFacts

RECENT_RUNS = 30
CANCELLED = "cancelled"
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class StepName:
    """What a step was called at a moment; later namings replace earlier ones."""

    seen_at: datetime
    number: int
    name: str
    check_type: str


@dataclass(frozen=True, slots=True, order=True)
class Ended:
    """The place of a finished run in the history of its process: by end, then by id."""

    ended_at: datetime
    run_id: str
    status: str = field(compare=False)


@dataclass(slots=True)
class ProcessFacts:
    """One process. `last` is its newest run that was not cancelled; `since`: when its status began to stand."""

    process_id: str
    name: str | None = None
    name_at: datetime = EPOCH
    deleted: bool = False
    active: bool = True
    defined_at: datetime = EPOCH
    running: int = 0
    last: Ended | None = None
    last_key: str | None = None
    last_verdict: str | None = None
    since: datetime | None = None
    recent: list[Ended] = field(default_factory=list)
    steps: dict[str, StepName] = field(default_factory=dict)

    def call(self, name: str | None, at: datetime) -> None:
        """Note the name; the latest naming stands."""
        if name and (at, name) > (self.name_at, self.name or ""):
            self.name, self.name_at = name, at

    def call_step(self, step_id: str, naming: StepName) -> None:
        """Note what a step is called; the latest naming stands."""
        known = self.steps.get(step_id)
        if known is None or (naming.seen_at, naming.name) > (known.seen_at, known.name):
            self.steps[step_id] = naming

    def define(self, at: datetime, *, deleted: bool, active: bool) -> None:
        """The process was saved or deleted at a moment; the latest stands."""
        if at >= self.defined_at:
            self.deleted, self.active, self.defined_at = deleted, active, at

    def note_finished(self, run: RunFacts) -> None:
        """Take a finished run into the recent ones and, if it is the newest, as the last verdict. Idempotent."""
        if not run.final or run.ended_at is None:
            return
        ended = Ended(run.ended_at, run.run_id, run.status)
        others = [known for known in self.recent if known.run_id != run.run_id]
        self.recent = sorted([*others, ended])[-RECENT_RUNS:]
        if run.status != CANCELLED and (self.last is None or ended >= self.last):
            self.last, self.last_key, self.last_verdict = ended, run.key, run.verdict
