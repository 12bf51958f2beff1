"""Incidents: one for each root cause, with the keys it stops.

A *slot* is a process and one of its keys. It joins the incident with a run that met the cause, and leaves it when a
newer run of it has passed the step that failed. An incident without open slots resolves by itself, and opens again, as
the same one, if its cause comes back within `REOPEN_WITHIN`. What is known of runs comes in any order: the end is the
same.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from steptrail_common.contracts.incidents import CauseKind, IncidentState, IncidentStatus
from steptrail_common.errors import Conflict

from steptrail_notifier.domain.causes import Fault
from steptrail_notifier.domain.outcomes import Outcome

REOPEN_WITHIN = timedelta(hours=1)
FORGET_AFTER = timedelta(days=35)
"""A slot nobody checked for so long is dropped: longer than a month, so that monthly checks still count as checked."""

Slot = tuple[str, str]
Cleared = Literal["passed", "deleted", "unseen", "hand"]
What = Literal["opened", "reopened", "changed", "acknowledged", "unacknowledged", "resolved"]


def slot_of(outcome: Outcome) -> Slot:
    """Process and key; a run without a key has the empty one."""
    return outcome.process_id, outcome.key or ""


@dataclass(slots=True)
class Affected:
    """A slot of an incident."""

    incident_id: str
    process_id: str
    key: str
    process_name: str
    step_id: str
    step_number: int
    step_name: str
    runs: int
    first_run_id: str
    first_seen_at: datetime
    last_run_id: str
    last_seen_at: datetime
    cleared_at: datetime | None = None
    cleared_run_id: str | None = None
    cleared_by: Cleared | None = None

    def note(self, outcome: Outcome, fault: Fault) -> None:
        """Count a run that met the cause."""
        self.runs += 1
        if (outcome.ended_at, outcome.run_id) < (self.first_seen_at, self.first_run_id):
            self.first_seen_at, self.first_run_id = outcome.ended_at, outcome.run_id
        if (outcome.ended_at, outcome.run_id) > (self.last_seen_at, self.last_run_id):
            self.last_seen_at, self.last_run_id = outcome.ended_at, outcome.run_id
            self.step_id, self.step_number, self.step_name = fault.end.step_id, fault.end.number, fault.end.name
        if self.cleared_at is not None and (outcome.ended_at, outcome.run_id) > (
            self.cleared_at,
            self.cleared_run_id or "",
        ):
            self.cleared_at = self.cleared_run_id = self.cleared_by = None

    def is_before(self, outcome: Outcome) -> bool:
        """Whether a run is news of it: none that met the cause ended later."""
        return (outcome.ended_at, outcome.run_id) > (self.last_seen_at, self.last_run_id)

    def clear(self, at: datetime, by: Cleared, run_id: str | None = None) -> None:
        self.cleared_at, self.cleared_by, self.cleared_run_id = at, by, run_id


@dataclass(frozen=True, slots=True)
class Line:
    """What happened to an incident, numbered from 1."""

    number: int
    at: datetime
    what: What
    by: str | None = None
    note: str | None = None
    run_id: str | None = None


@dataclass(slots=True)
class Incident:
    """An incident in one transaction: `affected` holds the slots that are looked at, `lines` what is new."""

    incident_id: str
    cause: str
    kind: CauseKind
    title: str
    status: IncidentStatus
    failure_class: str | None
    reason: str | None
    message: str | None
    first_aid: str | None
    target: str | None
    opened_at: datetime
    last_seen_at: datetime
    last_run_id: str
    last_process_id: str
    last_key: str
    last_step_id: str
    runs: int = 0
    keys_open: int = 0
    openings: int = 0
    number: int = 0
    """Of its last line."""
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    affected: dict[Slot, Affected] = field(default_factory=dict)
    touched: set[Slot] = field(default_factory=set)
    moved: bool = False
    """Whether a slot joined or left."""
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def of(cls, incident_id: str, fault: Fault, outcome: Outcome) -> "Incident":
        """As yet without slots; `meet` opens it."""
        end = fault.end
        return cls(
            incident_id=incident_id,
            cause=fault.cause,
            kind=fault.kind,
            title=fault.title,
            status=fault.status,
            failure_class=end.failure_class,
            reason=end.reason,
            message=end.message,
            first_aid=end.first_aid,
            target=fault.target,
            opened_at=outcome.ended_at,
            last_seen_at=outcome.ended_at,
            last_run_id=outcome.run_id,
            last_process_id=outcome.process_id,
            last_key=outcome.key or "",
            last_step_id=end.step_id,
        )

    @property
    def state(self) -> IncidentState:
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"

    # --- runs --------------------------------------------------------------------------------------------------------

    def meet(self, outcome: Outcome, fault: Fault, process_name: str, passed: Outcome | None) -> None:
        """A run met the cause. `passed`: the first known run after it that passed the step; then it is over already."""
        slot = slot_of(outcome)
        settled = self.resolved_by is not None and self.resolved_at is not None and outcome.ended_at <= self.resolved_at
        if not self.openings:
            self.openings = 1
            self._say(outcome.ended_at, "opened", run_id=outcome.run_id)
        elif self.resolved_at is not None and passed is None and not settled:
            self._reopen(outcome)
        self._note(outcome, fault)
        found = self.affected.get(slot)
        was_open = found is not None and found.cleared_at is None
        if found is None:
            found = self.affected[slot] = _affected(self.incident_id, outcome, fault, process_name)
        else:
            found.note(outcome, fault)
        if settled and found.cleared_at is None:
            found.clear(self.resolved_at or outcome.ended_at, "hand")
        elif passed is not None and found.cleared_at is None and found.is_before(passed):
            found.clear(passed.ended_at, "passed", passed.run_id)
        self.touched.add(slot)
        is_open = found.cleared_at is None
        self.keys_open += is_open - was_open
        self.moved |= is_open != was_open

    def leave(self, slot: Slot, outcome: Outcome) -> None:
        """A run of the slot passed the step that failed: older news change nothing."""
        found = self.affected.get(slot)
        if found is None or found.cleared_at is not None:
            return
        if found.is_before(outcome):
            found.clear(outcome.ended_at, "passed", outcome.run_id)
            self.touched.add(slot)
            self.keys_open -= 1
            self.moved = True

    def drop(self, count: int) -> None:
        """So many slots were cleared for another reason than a run."""
        self.keys_open -= count
        self.moved |= count > 0

    def settle(self, now: datetime) -> None:
        """Resolve it if nothing of it is left, at the moment the last slot left if it is one of those held here."""
        if self.resolved_at is None and self.keys_open <= 0:
            left = [
                (at, one.cleared_run_id) for slot in self.touched if (at := (one := self.affected[slot]).cleared_at)
            ]
            at, run_id = max(left, key=lambda place: place[0], default=(now, None))
            self.resolved_at, self.resolved_by = at, None
            self._say(at, "resolved", run_id=run_id)
        elif self.moved and not self.lines:
            self._say(now, "changed")

    # --- people ------------------------------------------------------------------------------------------------------

    def acknowledge(self, by: str, note: str | None, at: datetime) -> None:
        """Somebody has it in hand. Said again, the newer word stands. Raises `Conflict` when it is resolved."""
        self._must_be_open("acknowledged")
        self.acknowledged_at, self.acknowledged_by, self.note = at, by, note
        self._say(at, "acknowledged", by=by, note=note)

    def unacknowledge(self, by: str, note: str | None, at: datetime) -> None:
        """Nobody has it in hand. Raises `Conflict` when it is resolved or was not acknowledged."""
        self._must_be_open("given back")
        if self.acknowledged_at is None:
            raise Conflict("nobody has acknowledged this incident")
        self.acknowledged_at = self.acknowledged_by = self.note = None
        self._say(at, "unacknowledged", by=by, note=note)

    def resolve(self, by: str, note: str | None, at: datetime) -> None:
        """Somebody says it is over; the caller clears its slots. Raises `Conflict` when it is resolved."""
        self._must_be_open("resolved")
        self.resolved_at, self.resolved_by, self.keys_open = at, by, 0
        self._say(at, "resolved", by=by, note=note)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _must_be_open(self, wanted: str) -> None:
        if self.resolved_at is not None:
            raise Conflict(f"this incident is resolved; it cannot be {wanted}")

    def _reopen(self, outcome: Outcome) -> None:
        """Whoever has it in hand keeps it, unless somebody said that it is over: it was not."""
        if self.resolved_by is not None:
            self.acknowledged_at = self.acknowledged_by = self.note = None
        self.resolved_at = self.resolved_by = None
        self.openings += 1
        self._say(outcome.ended_at, "reopened", run_id=outcome.run_id)

    def _note(self, outcome: Outcome, fault: Fault) -> None:
        """Count the run; the newest one says how the incident looks."""
        self.runs += 1
        self.opened_at = min(self.opened_at, outcome.ended_at)
        if (outcome.ended_at, outcome.run_id) < (self.last_seen_at, self.last_run_id):
            return
        end = fault.end
        self.last_seen_at, self.last_run_id, self.last_step_id = outcome.ended_at, outcome.run_id, end.step_id
        self.last_process_id, self.last_key = outcome.process_id, outcome.key or ""
        self.title, self.status, self.failure_class = fault.title, fault.status, end.failure_class
        self.reason, self.message, self.first_aid = end.reason, end.message, end.first_aid

    def _say(self, at: datetime, what: What, **more: str | None) -> None:
        self.number += 1
        self.lines.append(Line(self.number, at, what, **more))


def _affected(incident_id: str, outcome: Outcome, fault: Fault, process_name: str) -> Affected:
    return Affected(
        incident_id=incident_id,
        process_id=outcome.process_id,
        key=outcome.key or "",
        process_name=process_name,
        step_id=fault.end.step_id,
        step_number=fault.end.number,
        step_name=fault.end.name,
        runs=1,
        first_run_id=outcome.run_id,
        first_seen_at=outcome.ended_at,
        last_run_id=outcome.run_id,
        last_seen_at=outcome.ended_at,
    )


def may_reopen(resolved_at: datetime, outcome: Outcome) -> bool:
    """Whether a cause that comes back now belongs to the incident that was resolved then."""
    return outcome.ended_at <= resolved_at + REOPEN_WITHIN
