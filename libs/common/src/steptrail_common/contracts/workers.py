"""What orchestrator and workers say to each other: step requests, results, heartbeats.

Queues: requests of a check type go to `steptrail.step.<check_type>.v1`, results to `steptrail.results.v1`,
heartbeats to `steptrail.heartbeats.v1`. Every message is a bundle of 1 to n items, each with its own token.
"""

from typing import Annotated, Literal

from pydantic import Field

from steptrail_common.contracts.catalog import ConnectionTest, SealedConnection
from steptrail_common.contracts.checks import Check
from steptrail_common.contracts.definition import Assertion, Capture
from steptrail_common.contracts.model import Contract, Event, FailureClass, Json, Timestamp

RESULTS_QUEUE = "steptrail.results.v1"
HEARTBEATS_QUEUE = "steptrail.heartbeats.v1"
EVENTS_EXCHANGE = "steptrail.events"


def request_queue(check_type: str) -> str:
    """The queue that workers of a check type share."""
    return f"steptrail.step.{check_type}.v1"


class StepRequest(Event, defer_build=True):
    """One attempt at one step: everything a worker needs, expressions already evaluated.

    `token` fences the attempt: a result without it is refused. `issued_at` is the database's clock, the only
    clock a worker may use for ages (now = issued_at plus its own monotonic time since receipt).
    """

    run_id: str
    process_id: str
    step_id: str
    step_number: int
    step_name: str
    attempt: int = Field(ge=1, description="Counts every dispatch of this step, polls of wait_until included")
    of_attempts: int
    token: str
    check: Check
    connection: SealedConnection | None = None
    assertions: list[Assertion] = []
    captures: dict[str, Capture] = {}
    share: bool = Field(default=True, description="One look may answer identical requests of the same moment")
    timeout_seconds: float
    lease_seconds: float
    heartbeat_seconds: float
    issued_at: Timestamp
    idempotency_key: str = Field(description="Stable per run and step: sent to targets as Idempotency-Key")


class StepRequestBundle(Event, defer_build=True):
    """What travels to a worker's queue."""

    version: Literal[1] = 1
    items: list[StepRequest]


class AssertionOutcome(Contract):
    """One assertion, what was expected and what was found, both as short readable JSON values."""

    label: str = Field(description="What was looked at, e.g. `$.state`, `column status`, `status`")
    operator: str
    expected: Json = None
    actual: Json = None
    met: bool
    message: str | None = Field(default=None, description="Why it could not be evaluated, or a short difference")


class Evidence(Contract):
    """One stored piece of evidence. `address` is relative to the evidence store; `sha256` is checked on every read.

    A `recording` is a log of what happened, with its times: it is never compared with an earlier one.
    """

    evidence_id: str
    kind: Literal["page", "request", "response", "rows", "listing", "screenshot", "content", "recording"]
    title: str
    media_type: str
    size_bytes: int
    sha256: str
    address: str
    truncated: bool = False


class Finding(Contract):
    """One named fact of a check for display, e.g. `HTTP status: 200`, `Rows: 1`."""

    label: str
    value: Json = None
    fleeting: bool = Field(default=False, description="Differs from look to look by itself, so it is not compared")


class StepResult(Event):
    """How one attempt ended. `ok` false carries `failure_class`; `ours`: we could not check (error, not failed)."""

    run_id: str
    step_id: str
    attempt: int
    token: str
    worker_id: str
    ok: bool
    ours: bool = False
    failure_class: FailureClass | None = None
    reason: str | None = None
    message: str | None = None
    target: str | None = Field(default=None, description="What was touched, without secrets: a URL, `erp · select …`")
    assertions: list[AssertionOutcome] = []
    captures: dict[str, Json] = {}
    capture_types: dict[str, str] = Field(default={}, description="Of captures that JSON cannot tell: `datetime`")
    findings: list[Finding] = []
    timings: dict[str, float] = Field(
        default={}, description="Seconds per phase: dns, connect, tls, first_byte, body, total"
    )
    evidence: list[Evidence] = []
    duration_seconds: float


class StepResultBundle(Event):
    version: Literal[1] = 1
    items: list[StepResult]


class Lease(Contract):
    run_id: str
    step_id: str
    attempt: int
    token: str
    waiting: bool = Field(
        default=False, description="The worker holds the attempt but has not begun it: its time does not run yet"
    )
    waits: str | None = Field(
        default=None, description="For what it has waited for long, in words for people; empty once that is over"
    )


class Heartbeat(Event):
    """Sent at the start of an attempt and every `heartbeat_seconds`: renews leases, and the worker lives."""

    worker_id: str
    version: str
    check_types: list[str]
    load: int = Field(description="Attempts under way")
    capacity: int
    leases: list[Lease] = []
    leaving: bool = Field(default=False, description="The last one: the worker stops in good order")


class KeyRequest(Contract, defer_build=True):
    """Ask for many keys at once: one read-only statement, of whose rows one column is the key."""

    connection: SealedConnection
    query: str
    params: dict[str, Json] = {}
    key: str | None = Field(default=None, description="Column with the key; else the first")
    since: str | None = Field(default=None, description="Column with the moment a key's age counts from")
    max_keys: int
    timeout_seconds: float


class KeyAnswer(Contract):
    """Each key once, in the order of its first row; `since` beside it if it was asked for. Or why there are none."""

    keys: list[str] = []
    since: list[Timestamp | None] = []
    failure_class: FailureClass | None = None
    message: str | None = None
    duration_seconds: float = 0.0


class ProbeRequest(Event, defer_build=True):
    """Ask a worker for something that is not recorded as a run: try a step, test a connection, fetch keys.

    Sent to the request queue of the check type in a message with header `kind: probe`; the answer goes as `ProbeAnswer`
    to `reply_to` (the asker's own exclusive queue).
    """

    probe_id: str
    reply_to: str
    request: StepRequest | None = None
    test_connection: SealedConnection | None = None
    keys: KeyRequest | None = None


class ProbeAnswer(Event):
    probe_id: str
    result: StepResult | None = None
    connection_test: ConnectionTest | None = None
    keys: KeyAnswer | None = None


StepNumber = Annotated[int, Field(ge=1)]
