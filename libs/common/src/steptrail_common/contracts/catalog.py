"""What the catalog says: processes, revisions, connections, and its events."""

from typing import Literal

from pydantic import ConfigDict, Field

from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.definition import Definition, Document
from steptrail_common.contracts.model import Contract, Event, FieldError, Json, Name, Slug, Timestamp

# --- processes -------------------------------------------------------------------------------------------------------


class ProcessSummary(Contract):
    """One row of the list of processes. What runs say of it is added by the gateway from reporting."""

    process_id: Slug
    name: str
    description: str | None
    category: str | None
    tags: list[str]
    owner: str | None
    active: bool
    step_count: int
    revision: int
    created_at: Timestamp
    updated_at: Timestamp
    updated_by: str


class ProcessView(ProcessSummary, defer_build=True):
    """A process with its definition. `document` is as written; `definition` is the parsed form with defaults."""

    document: Document
    definition: Definition
    source_yaml: str = Field(description="The same document as YAML: as sent when YAML was sent, else generated")


class RevisionSummary(Contract):
    revision: int
    saved_at: Timestamp
    saved_by: str
    note: str | None = None
    restored_from: int | None = None


class RevisionView(RevisionSummary, defer_build=True):
    process_id: Slug
    document: Document
    definition: Definition
    source_yaml: str


class ValidationReport(Contract, defer_build=True):
    """The answer of validate: `valid` and, if not, every fault with its path and the nearest known key."""

    valid: bool
    errors: list[FieldError]
    warnings: list[FieldError] = Field(default=[], description="Allowed, but probably not what is meant")
    definition: Definition | None = None


class PlanItem(Contract):
    """One thing a run would touch, found without touching it."""

    step_id: str
    step_number: int
    kind: Literal["host", "statement", "file", "secret"]
    target: str
    detail: str | None = None


class Plan(Contract):
    process_id: Slug
    items: list[PlanItem]
    warnings: list[str] = []


class PlanRequest(Contract):
    """What to plan: a saved process with these inputs, or the draft in `document`."""

    inputs: dict[str, Json] = Field(default={}, max_length=50)
    document: Document | None = None


class Facet(Contract):
    """One value that processes can be filtered by, and how many have it."""

    value: str
    count: int


class Facets(Contract):
    """What the filters of the list of processes offer, most used first."""

    categories: list[Facet]
    tags: list[Facet]
    owners: list[Facet]


# --- connections -----------------------------------------------------------------------------------------------------


class ConnectionWrite(Contract):
    """What a client sends. A secret left out keeps its value unless the target's host changed; null removes it."""

    connection_id: Slug
    name: Name
    description: str | None = Field(default=None, max_length=2000)
    settings: ConnectionSettings
    secrets: dict[str, str | None] = Field(default={}, max_length=10)


class SecretState(Contract):
    """That a secret is there, never what it is."""

    set: bool
    updated_at: Timestamp | None = None


class ConnectionRights(Contract):
    """What the account behind a connection may do, as a worker found it, and why the last test found nothing."""

    level: Literal["unknown", "read_only", "can_write", "superuser"]
    detail: str
    checked_at: Timestamp | None = None
    accepted_by: str | None = Field(default=None, description="Who accepted that the account can write")
    accepted_at: Timestamp | None = None
    failure: str | None = Field(default=None, description="Why the last test failed; null once one works")
    failed_at: Timestamp | None = None


class ConnectionView(Contract):
    connection_id: Slug
    name: str
    description: str | None
    settings: ConnectionSettings
    secrets: dict[str, SecretState]
    rights: ConnectionRights
    version: int
    created_at: Timestamp
    updated_at: Timestamp
    updated_by: str


class SealedConnection(Contract):
    """A connection as workers get it: settings and secrets as ciphertext (base64 of a sealed box).

    Kept with runs: keys that an older version wrote into it are passed over.
    """

    model_config = ConfigDict(extra="ignore")

    connection_id: Slug
    settings: ConnectionSettings
    sealed: dict[str, str] = {}
    version: int = 1


class ConnectionTest(Contract):
    """The answer of a worker that tried a connection."""

    ok: bool
    message: str
    rights: ConnectionRights | None = None
    elapsed_seconds: float | None = None


class SnapshotRequest(Contract):
    """What the orchestrator asks for when it starts a run: the active revision and every connection it names."""

    process_id: Slug
    revision: int | None = None


class DefinitionSnapshot(Contract, defer_build=True):
    """A revision with the connections it names, complete: a run needs nothing else of the catalog."""

    process_id: Slug
    revision: int
    definition: Definition
    connections: dict[str, SealedConnection]


# --- events ----------------------------------------------------------------------------------------------------------


class ProcessSaved(Event):
    """Emitted after a revision was stored: consumers may drop what they cached of the process."""

    process_id: str
    revision: int
    name: str
    category: str | None = None
    tags: list[str] = []
    owner: str | None = None
    active: bool = True
    steps: list[dict[str, Json]] = Field(default=[], description="step_id, number, name, check_type of each step")
    notify: list[dict[str, Json]] = Field(default=[], description="The notify rules of the definition")
    at: Timestamp
    by: str


class ProcessDeleted(Event):
    """Emitted after a process was deleted. Its runs stay."""

    process_id: str
    at: Timestamp
    by: str


class ConnectionSaved(Event):
    """Emitted after a connection changed: cached snapshots that hold it are stale."""

    connection_id: str
    version: int
    at: Timestamp
    by: str


class ConnectionDeleted(Event):
    """Emitted after a connection was deleted."""

    connection_id: str
    at: Timestamp
    by: str
