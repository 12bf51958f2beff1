"""What the notifier says of incidents: what is wrong now, one entry per root cause, however many runs it stops."""

from typing import Literal

from pydantic import Field

from steptrail_common.contracts.model import Contract, Event, FailureClass, Timestamp

IncidentState = Literal["open", "acknowledged", "resolved"]
CauseKind = Literal["target", "workers", "step"]
IncidentStatus = Literal["failed", "stuck", "timeout", "error"]
NOTE_CHARACTERS = 1000
LISTED_PROCESSES = 20
"""Of an incident that stops more, the counts tell how many; `GET /incidents/{id}/keys` lists all."""


class IncidentRef(Contract):
    """The incident a process stands in, for a row of a list."""

    process_id: str
    incident_id: str
    state: IncidentState
    title: str


class AffectedProcess(Contract):
    process_id: str
    process_name: str
    keys: int = Field(description="Keys that met this cause; a process without a key input counts as one")
    keys_open: int = Field(description="Those that have not passed since")


class AffectedKey(Contract):
    """One process and key that met the cause. It is open until the step that failed has passed."""

    process_id: str
    process_name: str
    key: str | None
    step_id: str
    step_number: int
    step_name: str
    runs: int
    first_run_id: str
    first_seen_at: Timestamp
    last_run_id: str
    last_seen_at: Timestamp
    cleared_at: Timestamp | None
    cleared_run_id: str | None
    cleared_by: Literal["passed", "deleted", "unseen", "hand"] | None = Field(
        description="passed: a newer run passed the step; deleted: the process was; unseen: nobody checked it "
        "any more; hand: somebody resolved the incident"
    )


class IncidentLine(Contract):
    """One entry of what happened to an incident. Without `by` it happened by itself."""

    number: int
    at: Timestamp
    what: Literal["opened", "reopened", "acknowledged", "unacknowledged", "resolved"]
    by: str | None = None
    note: str | None = None
    run_id: str | None = None


class IncidentSummary(Contract):
    """One row of the list of incidents."""

    incident_id: str
    state: IncidentState
    title: str = Field(description="The cause in one sentence")
    kind: CauseKind = Field(description="Whether a target, the workers of a kind of check, or one step is the cause")
    status: IncidentStatus = Field(description="How the step that failed last ended")
    failure_class: FailureClass | None
    reason: str | None
    message: str | None = Field(description="What the last run said")
    target: str | None = Field(description="`host:port`, a connection or a kind of worker")
    opened_at: Timestamp
    last_seen_at: Timestamp = Field(description="When the newest run with this cause ended")
    last_run_id: str
    last_process_id: str
    last_step_id: str
    runs: int = Field(description="Runs with this cause, over all openings")
    keys_open: int
    processes: list[AffectedProcess] = Field(description=f"At most {LISTED_PROCESSES}, most open keys first")
    process_count: int
    openings: int = Field(description="1; more if it came back shortly after it was resolved")
    acknowledged_at: Timestamp | None
    acknowledged_by: str | None
    note: str | None = Field(description="Of whoever acknowledged it")
    resolved_at: Timestamp | None
    resolved_by: str | None = Field(description="None: by itself, every key passed")


class IncidentView(IncidentSummary):
    """An incident with what to look at first and what happened to it, newest first."""

    first_aid: str | None
    timeline: list[IncidentLine]


class IncidentPage(Contract):
    """A page of incidents, and how many wait for somebody at all."""

    items: list[IncidentSummary]
    next_cursor: str | None = None
    open: int = Field(description="All open ones that nobody has acknowledged")
    acknowledged: int


class IncidentNote(Contract):
    """A word on the deed, for the colleagues."""

    note: str | None = Field(default=None, min_length=1, max_length=NOTE_CHARACTERS)


class IncidentEvent(Event):
    """What happened to an incident: opened, reopened (again, within an hour after it was resolved), changed (keys
    joined or left it), acknowledged, unacknowledged, resolved. Emitted by the notifier in the transaction that made the
    change.

    `number` counts what happened to one incident, so that a consumer can drop what came late.
    """

    incident_id: str
    number: int = Field(ge=1)
    at: Timestamp
    type: Literal[
        "incident.opened",
        "incident.reopened",
        "incident.changed",
        "incident.acknowledged",
        "incident.unacknowledged",
        "incident.resolved",
    ]
    state: IncidentState
    title: str
    kind: CauseKind
    status: IncidentStatus
    failure_class: FailureClass | None = None
    reason: str | None = None
    message: str | None = None
    first_aid: str | None = None
    target: str | None = None
    process_ids: list[str] = Field(default=[], description=f"At most {LISTED_PROCESSES} of those it stops or stopped")
    keys_open: int
    runs: int
    opened_at: Timestamp
    run_id: str = Field(description="The newest run with this cause")
    process_id: str = Field(description="Of that run")
    key: str | None = None
    by: str | None = Field(default=None, description="Who did it; None: it happened by itself")
    note: str | None = None
