"""The bus port.

Two kinds of destination: a *queue* (work shared by competing consumers) and the *topic exchange*
`steptrail.events` (facts for everyone who bound a pattern). Delivery is at least once, order is not promised.
A message is acknowledged after its handler returned; a handler that raises gets it again, at most
`delivery_limit` times, then it is parked in the dead-letter queue `<queue>.dead`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes with headers. `dedup_id` is the deterministic identity; `message_id` is new for every publish."""

    body: bytes
    dedup_id: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    message_id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class Destination:
    """Exactly one of `queue` (a durable work queue) and `topic` (a routing key on the events exchange)."""

    queue: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it arrived. `redelivered` is a hint: it may have been handled before."""

    message: Message
    routing_key: str
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """What to consume.

    `queue`: its name. `patterns`: topic patterns (`run.*.#`) that bind it to the events exchange; empty for a work
    queue. `shared`: durable and shared by all replicas (competing consumers); otherwise exclusive to this
    connection and gone with it (fan-out to every replica). `batch_max`: most deliveries handed over at once
    (what has arrived is taken, nothing is waited for). `concurrency`: batches handled at the same time.
    """

    queue: str
    patterns: tuple[str, ...] = ()
    shared: bool = True
    batch_max: int = 1
    concurrency: int = 1
    delivery_limit: int = 20


Handler = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Called with 1 to `batch_max` deliveries. Returning acknowledges all of them, raising returns all of them.
Never run inside the broker's callback. Raise `Reject` to park all at once."""


class Reject(Exception):
    """This delivery can never be handled: park it in the dead-letter queue, do not deliver it again."""


class PublishFailed(Exception):
    """The broker did not confirm in time or returned the message: whether it arrived is unknown; publish again."""


class Bus(Protocol):
    """A connection to the messages of one service replica. One per service, created by the composition root."""

    async def start(self) -> None:
        """Connect and declare; raises `Unavailable` when the broker cannot be reached within the start timeout."""

    async def publish(self, messages: Sequence[tuple[Destination, Message]]) -> None:
        """Publish all and wait for every confirm (a queue that does not exist yet is declared).

        Raises `PublishFailed` when any outcome is unknown; some may have arrived: consumers drop duplicates.
        """

    async def subscribe(self, subscription: Subscription, handler: Handler) -> None:
        """Declare the queue and its bindings and begin to consume; survives reconnects until `drain` or `close`."""

    async def drain(self, timeout_seconds: float) -> None:
        """Stop taking messages, let running handlers end and be acknowledged, give back the rest."""

    async def close(self) -> None:
        """Close the connections; undrained deliveries come again."""

    def healthy(self) -> bool:
        """Whether the connection stands now."""

    async def queue_depths(self) -> dict[str, int]:
        """Messages ready per known queue, for metrics and the worker page."""
