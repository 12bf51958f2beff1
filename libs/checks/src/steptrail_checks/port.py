"""The check port: what a check kind implements. One file per kind, found by its `type`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import Finding, KeyRequest, StepRequest


@dataclass(frozen=True, slots=True)
class OpenedConnection:
    """A connection inside a worker: settings and opened secrets. Never logged, never sent on."""

    connection_id: str
    settings: ConnectionSettings
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class CheckContext:
    """One attempt: the request, its opened connection, the moment by the database's clock, the time left."""

    request: StepRequest
    connection: OpenedConnection | None
    now: datetime
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class EvidenceDraft:
    """Evidence before it is stored: already masked, already cut to size."""

    kind: str
    title: str
    media_type: str
    body: bytes
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """What a check saw. `subjects` answers assertions and captures (see `assertions.py` for the shape each kind gives);
    findings and timings are shown; evidence is stored."""

    subject: Any
    target: str
    findings: list[Finding] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    evidence: list[EvidenceDraft] = field(default_factory=list)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Secrets that came up during the check, such as issued tokens: hidden in results like those of the connection."""


class CheckFailed(Exception):
    """The check could not be completed or met a failure that no assertion explains.

    `ours` true means that we could not check (our credentials, our bug): the step ends `error`, otherwise `failed`.
    """

    def __init__(
        self,
        failure_class: FailureClass,
        message: str,
        *,
        reason: str | None = None,
        ours: bool = False,
        observation: Observation | None = None,
    ) -> None:
        super().__init__(message)
        self.failure_class = failure_class
        self.message = message
        self.reason = reason
        self.ours = ours
        self.observation = observation


class CheckKind(Protocol):
    """One kind of check."""

    type: str
    """The `type` in a definition, e.g. `api_call`."""

    async def check(self, context: CheckContext) -> Observation:
        """Look at the target. Raises `CheckFailed`; ends by itself before `timeout_seconds`; cancellation-safe."""

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        """Try a connection of this kind and say what its account may do. Raises `CheckFailed`."""

    async def close(self) -> None:
        """Give back pools and clients."""


@runtime_checkable
class Preparing(Protocol):
    """A check kind that loads what it needs when somebody needs it, such as the driver of a database."""

    async def prepare(self, connection: OpenedConnection) -> None:
        """Load it, without holding up others. Called before every look; the look's own time does not run yet."""


@runtime_checkable
class KeySource(Protocol):
    """A check kind that can also give many keys at once, for the stuck board."""

    async def keys(self, connection: OpenedConnection, wanted: KeyRequest) -> tuple[list[str], list[datetime | None]]:
        """Each key once, with its moment if one was asked for. Raises `CheckFailed`; cancellation-safe."""
