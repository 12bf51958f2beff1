"""The state of a run as the sum of its events: what every store and every client must agree with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from steptrail_common.contracts.orchestrator import RunEvent


@dataclass(slots=True)
class ToldStep:
    """A step as its events tell it."""

    status: str = "pending"
    attempt: int = 0
    failure_class: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class ToldRun:
    """A run as its events tell it. `faults` lists what a complete and ordered history cannot contain."""

    status: str = "none"
    last_seq: int = 0
    verdict: str | None = None
    steps: dict[str, ToldStep] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def replay(events: Iterable[RunEvent]) -> ToldRun:
    """Fold the events of one run, given in order of seq."""
    told = ToldRun()
    for event in events:
        if event.seq != told.last_seq + 1:
            told.faults.append(f"seq {event.seq} follows {told.last_seq}")
        if told.status not in ("none", "queued", "running"):
            told.faults.append(f"{event.type} after the run ended as {told.status}")
        told.last_seq = event.seq
        if event.type.startswith("run."):
            _take_run(told, event)
        else:
            _take_step(told, event)
    return told


def _take_run(told: ToldRun, event: RunEvent) -> None:
    told.status, told.verdict = event.status, event.verdict
    for planned in event.steps or []:
        told.steps[str(planned["step_id"])] = ToldStep(str(planned.get("status", "pending")))


def _take_step(told: ToldRun, event: RunEvent) -> None:
    step = told.steps.setdefault(event.step_id or "", ToldStep())
    if step.status not in ("pending", "running", "retrying", "waiting"):
        told.faults.append(f"{event.type} of {event.step_id} after it ended as {step.status}")
    attempt = event.attempt or 0
    if attempt not in (step.attempt, step.attempt + 1):
        told.faults.append(f"attempt {attempt} of {event.step_id} follows {step.attempt}")
    step.status, step.attempt = event.status, attempt
    step.failure_class = event.failure_class.value if event.failure_class else None
    step.reason = event.reason


def disagreements(told: ToldRun, view: Mapping[str, Any]) -> list[str]:
    """Where a run as the API shows it (JSON of a `RunView`) differs from what its events tell. Empty: nowhere."""
    found = list(told.faults)
    for name, mine, theirs in (("status", told.status, view["status"]), ("last_seq", told.last_seq, view["last_seq"])):
        if mine != theirs:
            found.append(f"run {name}: told {mine}, shown {theirs}")
    for step in view["steps"]:
        told_step = told.steps.get(step["step_id"], ToldStep())
        mine_is = (told_step.status, told_step.attempt) if told_step.attempt else (told_step.status,)
        shown = (step["status"], step["attempt"]) if told_step.attempt else (step["status"],)
        if mine_is != shown:
            found.append(f"step {step['step_id']}: told {mine_is}, shown {shown}")
    return found
