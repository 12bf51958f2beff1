"""The bus inside one process: the same promises as the broker's, except surviving the loss of the process.

One `InProcessBroker` holds the queues; each service has its own `InProcessBus` on it. All run on one event loop.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from steptrail_common.bus.dispatch import Arrival, Dispatcher, Outcome
from steptrail_common.bus.port import (
    DEAD_SUFFIX,
    DELIVERY_LIMIT,
    Delivery,
    Destination,
    Handler,
    Message,
    PublishFailed,
    Subscription,
    Taking,
)
from steptrail_common.errors import ConfigurationError, Unavailable
from steptrail_common.telemetry import BUS_PUBLISHED, inject, labelled


@lru_cache(maxsize=4096)
def topic_matches(pattern: str, key: str) -> bool:
    """AMQP topic rules: `*` stands for exactly one word, `#` for any number of words, none included."""
    return _words_match(tuple(pattern.split(".")), tuple(key.split(".")) if key else ())


def _words_match(pattern: tuple[str, ...], key: tuple[str, ...]) -> bool:
    if not pattern:
        return not key
    if pattern[0] == "#":
        return _words_match(pattern[1:], key) or (bool(key) and _words_match(pattern, key[1:]))
    return bool(key) and pattern[0] in ("*", key[0]) and _words_match(pattern[1:], key[1:])


@dataclass(eq=False, slots=True)
class _Stored:
    """A message in a queue. `handed_out` counts its deliveries."""

    message: Message
    routing_key: str
    handed_out: int = 0


@dataclass(eq=False)
class _Consumer:
    """One subscription of one bus; `credit` is how many deliveries it may hold unsettled."""

    queue: "_Queue"
    dispatcher: Dispatcher
    credit: int
    held: dict[_Stored, None] = field(default_factory=dict)


@dataclass(eq=False)
class _Queue:
    name: str
    shared: bool = True
    ready: deque[_Stored] = field(default_factory=deque)
    consumers: deque[_Consumer] = field(default_factory=deque)

    def pump(self) -> None:
        """Hand out what is ready, to the consumers in turn, as far as their credit goes."""
        while self.ready:
            consumer = next((one for one in self.consumers if len(one.held) < one.credit), None)
            if consumer is None:
                return
            self.consumers.remove(consumer)
            self.consumers.append(consumer)
            stored = self.ready.popleft()
            consumer.held[stored] = None
            earlier, stored.handed_out = stored.handed_out, stored.handed_out + 1
            delivery = Delivery(stored.message, stored.routing_key, redelivered=earlier > 0)
            consumer.dispatcher.offer(Arrival(delivery, earlier, stored))


class InProcessBroker:
    """The queues and bindings that all services of the process share."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._bindings: dict[str, tuple[str, ...]] = {}

    def queue(self, name: str, *, shared: bool = True) -> _Queue:
        """The queue of this name, made when it is not there. Raises ConfigurationError for two kinds of one name."""
        found = self._queues.setdefault(name, _Queue(name, shared))
        if found.shared != shared or (not shared and found.consumers):
            raise ConfigurationError(f"The queue {name} is exclusive to its owner: give every replica its own name.")
        return found

    def bind(self, queue: str, patterns: tuple[str, ...]) -> None:
        self._bindings[queue] = tuple(dict.fromkeys((*self._bindings.get(queue, ()), *patterns)))

    def remove(self, queue: str) -> None:
        self._queues.pop(queue, None)
        self._bindings.pop(queue, None)

    def publish(self, destination: Destination, message: Message) -> None:
        for queue, key in self._targets(destination):
            queue.ready.append(_Stored(message, key))
            queue.pump()

    def _targets(self, destination: Destination) -> list[tuple[_Queue, str]]:
        if destination.queue is not None:
            if destination.queue not in self._queues and destination.reply:
                return []
            found = self._queues.setdefault(destination.queue, _Queue(destination.queue))
            return [(found, destination.queue)]
        key = destination.topic or ""
        return [
            (self._queues[name], key)
            for name, patterns in self._bindings.items()
            if any(topic_matches(pattern, key) for pattern in patterns)
        ]

    def park(self, queue: _Queue, stored: _Stored) -> None:
        if queue.shared and not queue.name.endswith(DEAD_SUFFIX):
            dead = self.queue(queue.name + DEAD_SUFFIX)
            dead.ready.append(replace(stored, handed_out=0))
            dead.pump()

    def depths(self) -> dict[str, int]:
        return {name: len(queue.ready) for name, queue in self._queues.items()}


@dataclass(frozen=True)
class _Taking:
    """One subscription of a bus."""

    bus: "InProcessBus"
    consumer: _Consumer

    async def drain(self, timeout_seconds: float) -> None:
        await self.bus._drain([self.consumer], timeout_seconds)


class InProcessBus:
    """One service's view of the broker."""

    def __init__(self, broker: InProcessBroker) -> None:
        self._broker = broker
        self._consumers: list[_Consumer] = []
        self._open = self._draining = False

    async def start(self) -> None:
        self._open, self._draining = True, False

    async def publish(self, messages: Sequence[tuple[Destination, Message]]) -> None:
        if not self._open:
            raise PublishFailed("The bus is not started or is closed already.")
        for destination, message in messages:
            headers = dict(message.headers)
            if "traceparent" not in headers:
                headers = inject(headers)
            self._broker.publish(destination, replace(message, headers=headers))
        labelled(BUS_PUBLISHED, "confirmed").inc(len(messages))

    async def subscribe(self, subscription: Subscription, handler: Handler) -> Taking:
        if not 1 <= subscription.delivery_limit <= DELIVERY_LIMIT:
            raise ValueError(f"delivery_limit must be 1 to {DELIVERY_LIMIT}")
        if self._draining:
            raise Unavailable("the bus takes nothing any more")
        queue = self._broker.queue(subscription.queue, shared=subscription.shared)
        self._broker.bind(subscription.queue, subscription.patterns)

        async def settle(arrivals: Sequence[Arrival], outcome: Outcome) -> None:
            self._settle(consumer, [arrival.receipt for arrival in arrivals], outcome)

        dispatcher = Dispatcher(subscription, handler, settle)
        consumer = _Consumer(queue, dispatcher, credit=subscription.prefetch)
        self._consumers.append(consumer)
        queue.consumers.append(consumer)
        dispatcher.start()
        queue.pump()
        return _Taking(self, consumer)

    def _settle(self, consumer: _Consumer, receipts: Sequence[object], outcome: Outcome) -> None:
        returned = []
        for stored in receipts:
            if not isinstance(stored, _Stored) or stored not in consumer.held:
                continue
            del consumer.held[stored]
            if outcome is Outcome.PARKED:
                self._broker.park(consumer.queue, stored)
            elif outcome is Outcome.AGAIN:
                returned.append(stored)
        consumer.queue.ready.extendleft(reversed(returned))
        consumer.queue.pump()

    async def drain(self, timeout_seconds: float) -> None:
        self._draining = True
        await self._drain(self._consumers, timeout_seconds)

    async def _drain(self, consumers: Sequence[_Consumer], timeout_seconds: float) -> None:
        ending = list(consumers)
        for consumer in ending:
            if consumer in consumer.queue.consumers:
                consumer.queue.consumers.remove(consumer)
        await asyncio.gather(*(consumer.dispatcher.drain(timeout_seconds) for consumer in ending))
        for consumer in ending:
            self._settle(consumer, list(consumer.held), Outcome.AGAIN)
            if not consumer.queue.shared:
                self._broker.remove(consumer.queue.name)
        self._consumers = [one for one in self._consumers if one not in ending]

    async def close(self) -> None:
        await self.drain(0)
        self._open = False

    def healthy(self) -> bool:
        return self._open

    async def queue_depths(self, queues: Collection[str] = ()) -> dict[str, int]:
        return self._broker.depths()
