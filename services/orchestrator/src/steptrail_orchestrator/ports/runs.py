"""The runs: begun, decided and kept in order by a store whose transactions can be trusted."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from steptrail_common.contracts.orchestrator import RunAccepted, Trigger
from steptrail_common.contracts.workers import Heartbeat

from steptrail_orchestrator.domain.run import Chain, StepState, World
from steptrail_orchestrator.domain.walk import Walk


@dataclass(frozen=True, slots=True)
class Scene:
    """What a decision sees: the world, the locked runs by id, and which of the given dedup ids are new."""

    world: World
    walks: Mapping[str, Walk]
    fresh: frozenset[str] = frozenset()


Decision = Callable[[Scene], None]
"""Pure and synchronous: moves the walks; the store writes what it did. It may be called in vain before, with what the
store remembered of the runs: only its last call counts."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a committed decision did. `wake_in_seconds`: until the earliest wake-up it noted, None without one."""

    walks: Sequence[Walk]
    wake_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RunOrder:
    """A run to begin. `reused`: results of an earlier run that it keeps, by step id."""

    run_id: str
    chain: Chain
    trigger: Trigger
    initiated_by: str
    key: str | None
    inputs: dict[str, object]
    from_run: str | None = None
    from_step: str | None = None
    trace: str | None = None
    reused: Mapping[str, StepState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """`digest` is a hash of the request: the same key with another one is refused."""

    actor: str
    key: str
    digest: str


class RunStore(Protocol):
    """The runs, and the only way to change them. Every method is one transaction: all of it or nothing.

    Raises `Unavailable` while the database is away; nothing has happened then, or, if the connection broke during the
    commit, all of it may have: every call can be repeated. Moments are the database's clock.
    """

    async def begin(
        self, order: RunOrder, decision: Callable[[Walk, datetime], None], key: IdempotencyKey | None
    ) -> tuple[RunAccepted, float | None]:
        """Write a new run with what `decision` makes of it; returns it with the seconds to its first wake-up.

        With a key seen before returns the run it made then; raises `InvalidInput` if the request was another one.
        """

    async def repeated(self, key: IdempotencyKey) -> RunAccepted | None:
        """The run an idempotency key has made, None for a new one. Raises `InvalidInput` as `begin` does."""

    async def decide(self, run_ids: Collection[str], decision: Decision, *, dedup_ids: Sequence[str] = ()) -> Decided:
        """Lock the runs (in id order; unknown ids are left out), decide, write all effects with their messages.

        `dedup_ids` name the messages that led here: those seen before are missing from `Scene.fresh`. A result is
        accepted by a conditional update on run, step, attempt, token and open state; if it finds nothing, all is
        rolled back.
        """

    async def decide_due(self, decision: Decision, *, empty_queues: Mapping[str, float], limit: int) -> Decided:
        """The same for open runs whose wake-up is due, passing over those locked by others: safe on every replica."""

    async def decide_orphans(self, decision: Decision, *, limit: int) -> Decided:
        """The same for open runs that have neither an open attempt nor a step with a due time."""

    async def look_for_listeners(self) -> None:
        """Look which check types have a live worker; wake the runs that wait for one that has none any more."""

    async def next_wake_seconds(self) -> float | None:
        """Until the earliest wake-up of an open run; negative if it is late, None if no run is open."""

    async def beat(self, heartbeats: Sequence[Heartbeat], *, lease_seconds: float, grace_seconds: float) -> None:
        """Note that workers live and renew their leases; forget those that leave. A lease whose attempt is over or
        locked is passed over."""

    async def prune(self, *, older_than_seconds: float) -> None:
        """Forget message ids and workers that have been silent for so long, and idempotency keys after a day."""
