"""The bus port.

Two kinds of destination: a *queue* (work shared by competing consumers) and the *topic exchange*
`steptrail.events` (facts for everyone who bound a pattern). Delivery is at least once, order is not promised.
A message is acknowledged after its handler returned; a handler that raises gets it again, at most
`delivery_limit` times, then it is parked in the dead-letter queue `<queue>.dead`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

DELIVERY_LIMIT = 20
"""Deliveries of one message before it is parked. The same for every queue, because publishers declare queues too."""

DEAD_SUFFIX = ".dead"
"""Dead letters of queue `q` are in queue `q.dead`, which can be consumed and published to like any other."""


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes with headers. `dedup_id` is the deterministic identity."""

    body: bytes
    dedup_id: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Destination:
    """Exactly one of `queue` (a durable work queue) and `topic` (a routing key on the events exchange).

    `reply`: `queue` is the exclusive queue of whoever asked; if it is gone the message is dropped, because nobody
    waits for it any more, instead of a durable queue being declared for ever.
    """

    queue: str | None = None
    topic: str | None = None
    reply: bool = False


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
    connection and gone with it (fan-out to every replica); its name is used as it is, so make it unique, and it has
    no dead letters. `batch_max`: most deliveries handed over at once (what has arrived is taken, nothing is waited
    for; redelivered ones come alone, so that a poisonous one harms no other). `concurrency`: batches handled at the
    same time. `batch_seconds`: a new batch begins so long after the one before at the earliest, unless it is full:
    fewer transactions for work that nobody waits for. `delivery_limit`: at most `DELIVERY_LIMIT`. `resubscribed`:
    called each time the queue was declared again after a loss; an exclusive queue may have missed messages meanwhile.
    """

    queue: str
    patterns: tuple[str, ...] = ()
    shared: bool = True
    batch_max: int = 1
    concurrency: int = 1
    batch_seconds: float = 0.0
    delivery_limit: int = DELIVERY_LIMIT
    resubscribed: Callable[[], None] | None = None

    @property
    def prefetch(self) -> int:
        """Most deliveries held at a time. Single ones are not hoarded (another worker may be idle); batches refill."""
        waiting = 2 if self.batch_max > 1 else 1
        return min(self.batch_max * self.concurrency * waiting, 65535)


Handler = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Called with 1 to `batch_max` deliveries. Returning acknowledges all of them, raising returns all of them.
Never run inside the broker's callback. What raised is delivered again after a growing pause. Raise `Reject` to park at
once; a rejected batch is handed over again one by one, and only those rejected alone are parked."""


class Reject(Exception):
    """This delivery can never be handled: park it in the dead-letter queue, do not deliver it again."""


class PublishFailed(Exception):
    """The broker did not confirm in time or returned the message: whether it arrived is unknown; publish again."""


class Taking(Protocol):
    """A subscription that stands."""

    async def drain(self, timeout_seconds: float) -> None:
        """Take no more, let running handlers end for so long and be acknowledged, give back the rest."""


class Bus(Protocol):
    """A connection to the messages of one service replica. One per service, created by the composition root."""

    async def start(self) -> None:
        """Connect and declare; raises `Unavailable` when the broker cannot be reached within the start timeout."""

    async def publish(self, messages: Sequence[tuple[Destination, Message]]) -> None:
        """Publish all and wait for every confirm (a queue that does not exist yet is declared).

        Raises `PublishFailed` when any outcome is unknown; some may have arrived: consumers drop duplicates.
        """

    async def subscribe(self, subscription: Subscription, handler: Handler) -> Taking:
        """Declare the queue and its bindings and begin to consume; survives reconnects until `drain` or `close`. A
        queue of work may be subscribed to more than once: each subscription has its own prefetch. Raises `Unavailable`
        while the broker is away, and on a bus that drains."""

    async def drain(self, timeout_seconds: float) -> None:
        """Stop taking messages, let running handlers end and be acknowledged, give back the rest."""

    async def close(self) -> None:
        """Close the connections; undrained deliveries come again."""

    def healthy(self) -> bool:
        """Whether the connection stands now."""

    async def queue_depths(self, queues: Collection[str] = ()) -> dict[str, int]:
        """Messages ready in the queues this bus published to or takes from, if they still exist, and in these queues of
        work, which others may have published to and which are declared for it. Raises `Unavailable`."""
