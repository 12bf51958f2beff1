"""One subscription on RabbitMQ over the lives of its connection, and how queues are declared.

What the broker hands over is only put onto a queue of our own: work in a broker callback would be cancelled together
with its connection.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as WireChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused, ChannelLockedResource, ChannelPreconditionFailed

from steptrail_common.bus.dispatch import Arrival, Dispatcher, Outcome
from steptrail_common.bus.port import DEAD_SUFFIX, DELIVERY_LIMIT, Delivery, Handler, Message, Subscription
from steptrail_common.bus.rabbitacks import Acknowledgements
from steptrail_common.bus.rabbitlink import LONGEST_PAUSE_SECONDS, Link
from steptrail_common.contracts.workers import EVENTS_EXCHANGE
from steptrail_common.errors import ConfigurationError, Unavailable
from steptrail_common.tasks import end

CALL_TIMEOUT_SECONDS = 5.0
DELETED_PAUSE_SECONDS = 0.25
"""Before a deleted queue is declared again: the broker must have told its consumers, or it never will (3.10)."""
WATCH_SECONDS = 5.0
"""How often a subscription asks whether the broker still counts a consumer of its queue."""
DEDUP_HEADER = "steptrail-dedup-id"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Receipt:
    """What acknowledges a delivery: valid only on the channel it came from."""

    channel: WireChannel
    tag: int


async def declare_events_exchange(channel: AbstractChannel) -> None:
    """The topic exchange of all facts."""
    await channel.declare_exchange(EVENTS_EXCHANGE, "topic", durable=True, timeout=CALL_TIMEOUT_SECONDS)


async def declare_work_queue(channel: AbstractChannel, queue: str) -> None:
    """Declare a quorum queue and its dead letters; the move between the two is confirmed, not hoped for."""
    dead = queue.removesuffix(DEAD_SUFFIX) + DEAD_SUFFIX
    await channel.declare_queue(dead, durable=True, arguments={"x-queue-type": "quorum"}, timeout=CALL_TIMEOUT_SECONDS)
    if queue == dead:
        return
    await channel.declare_queue(
        queue,
        durable=True,
        timeout=CALL_TIMEOUT_SECONDS,
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def _log_parked(queue: str, arrival: Arrival) -> None:
    """Each dead letter has its line, for whoever finds it in the queue."""
    deliveries = arrival.earlier + 1
    log.error("message_parked", queue=queue, dedup_id=arrival.delivery.message.dedup_id, deliveries=deliveries)


def declaration_error(queue: str, error: Exception) -> ConfigurationError | Unavailable:
    """Say what to do about a queue that could not be declared."""
    if isinstance(error, ChannelPreconditionFailed):
        return ConfigurationError(
            f"The queue {queue} exists on the broker with other arguments ({error}). Let its consumers empty it, "
            f"delete it (rabbitmqctl delete_queue {queue}) and start again."
        )
    if isinstance(error, ChannelLockedResource):
        return ConfigurationError(f"The queue {queue} is exclusive to another connection: use a name of its own.")
    if isinstance(error, ChannelAccessRefused):
        return ConfigurationError(f"The broker's user may not declare or read the queue {queue}: {error}")
    if isinstance(error, TimeoutError):
        return Unavailable(
            f"The broker does not serve the queue {queue} in time. If this lasts while other queues work, the broker "
            f"has lost its inside (killed in the second it was made): rabbitmqctl delete_queue {queue}"
        )
    return Unavailable(f"The queue {queue} could not be declared: {error!r}")


class Consumer:
    """One subscription over the lives of its connection."""

    def __init__(self, link: Link, subscription: Subscription, handler: Handler) -> None:
        self._link = link
        self._subscription = subscription
        self._dispatcher = Dispatcher(subscription, handler, self._settle)
        self._lost = asyncio.Event()
        self._channel: AbstractChannel | None = None
        self._wire: WireChannel | None = None
        self._tag = f"{subscription.queue}.{uuid4().hex[:8]}"
        self._acknowledgements: Acknowledgements | None = None
        self._task: asyncio.Task[None] | None = None
        self.ending = self.drained = False

    @property
    def queue(self) -> str:
        return self._subscription.queue

    @property
    def shared(self) -> bool:
        return self._subscription.shared

    @property
    def consuming(self) -> bool:
        return self._wire is not None and not self._lost.is_set()

    async def start(self, timeout_seconds: float) -> None:
        """Consume. Raises ConfigurationError when the queue cannot be declared like this.

        A broker that has just come up knows its queues before it can serve them: tries for so long, then Unavailable.
        """
        self._dispatcher.start()
        deadline = time.monotonic() + timeout_seconds
        while (error := await self._open_error()) is not None:
            if isinstance(error, ConfigurationError) or time.monotonic() > deadline:
                await self._dispatcher.drain(0)
                raise error
            log.warning("subscribe_failed", queue=self.queue, error=str(error))
            await asyncio.sleep(LONGEST_PAUSE_SECONDS)
        self._task = asyncio.create_task(self._keep(), name=f"keep consuming {self.queue}")

    async def _open_error(self) -> ConfigurationError | Unavailable | None:
        """Open; what went wrong is returned as what to say about it."""
        try:
            await self._open()
        except Exception as error:
            return declaration_error(self.queue, error)
        return None

    async def _open(self) -> None:
        connection = await self._link.connection(CALL_TIMEOUT_SECONDS)
        channel = connection.channel(publisher_confirms=False)
        try:
            # The library's own limit does not cover its wait for the answer: on a stuck connection it lasts for ever.
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
                await channel.initialize()
        except TimeoutError:
            self._link.give_up(connection)
            raise
        try:
            await self._declare(channel)
            wire = await channel.get_underlay_channel()
            lost = asyncio.Event()
            channel.close_callbacks.add(lambda *_: lost.set())
            wire.on_consumer_cancel_callbacks.add(lambda _: lost.set())
            await channel.set_qos(prefetch_count=self._subscription.prefetch, timeout=CALL_TIMEOUT_SECONDS)
            self._lost, self._channel, self._wire = lost, channel, wire
            self._acknowledgements = Acknowledgements(wire, prefetch=self._subscription.prefetch)
            await wire.basic_consume(self.queue, self._receive, consumer_tag=self._tag, timeout=CALL_TIMEOUT_SECONDS)
        except BaseException:
            with contextlib.suppress(Exception):  # on a connection that is stuck the broker never confirms it
                await asyncio.wait_for(channel.close(), CALL_TIMEOUT_SECONDS)
            raise

    async def _declare(self, channel: AbstractChannel) -> None:
        if self.shared:
            await declare_work_queue(channel, self.queue)
        else:
            await channel.declare_queue(self.queue, exclusive=True, auto_delete=True, timeout=CALL_TIMEOUT_SECONDS)
        if self._subscription.patterns:
            await declare_events_exchange(channel)
            wire = await channel.get_underlay_channel()
            for pattern in self._subscription.patterns:
                await wire.queue_bind(self.queue, EVENTS_EXCHANGE, pattern, timeout=CALL_TIMEOUT_SECONDS)

    async def _keep(self) -> None:
        """Subscribe again whenever channel, connection or queue is lost."""
        while True:
            while not await self._is_lost():
                pass
            self._lost.set()
            self._dispatcher.forget()
            log.warning("subscription_lost", queue=self.queue)
            while not await self._opened_again():
                pass
            log.info("subscribed_again", queue=self.queue)
            if self._subscription.resubscribed is not None:
                self._subscription.resubscribed()

    async def _is_lost(self) -> bool:
        """Wait to be told; from time to time ask, because a queue deleted and declared again may tell nobody."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._lost.wait(), WATCH_SECONDS)
            return True
        try:
            assert self._wire is not None  # noqa: S101 - open since start
            found = await self._wire.queue_declare(self.queue, passive=True, timeout=CALL_TIMEOUT_SECONDS)
        except Exception:
            return True
        return found.consumer_count == 0

    async def _opened_again(self) -> bool:
        await self._abandon()
        await asyncio.sleep(DELETED_PAUSE_SECONDS)
        error = await self._open_error()
        if error is not None:
            log.warning("subscribe_failed", queue=self.queue, error=str(error))
            await asyncio.sleep(LONGEST_PAUSE_SECONDS)
        return error is None

    async def _abandon(self) -> None:
        """Close the channel of the life before, if it still stands (the queue was deleted under it)."""
        channel, self._channel, self._wire = self._channel, None, None
        if channel is not None and not channel.is_closed:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(channel.close(), CALL_TIMEOUT_SECONDS)

    async def _receive(self, arrived: DeliveredMessage) -> None:
        """The broker's callback: only takes note."""
        tag, properties = arrived.delivery_tag, arrived.header.properties
        if tag is None or arrived.channel is not self._wire or self._acknowledgements is None:
            return
        headers = dict(properties.headers or {})
        count = headers.pop("x-delivery-count", 0)
        message = Message(
            body=arrived.body,
            dedup_id=str(headers.pop(DEDUP_HEADER, properties.message_id or "")),
            content_type=properties.content_type or "application/octet-stream",
            headers={key: value for key, value in headers.items() if isinstance(value, str)},
        )
        delivery = Delivery(message, arrived.routing_key or "", redelivered=bool(arrived.redelivered))
        self._acknowledgements.arrived(tag)
        earlier = count if isinstance(count, int) else 0
        self._dispatcher.offer(Arrival(delivery, earlier, _Receipt(arrived.channel, tag)))

    async def _settle(self, arrivals: Sequence[Arrival], outcome: Outcome) -> None:
        acknowledgements = self._acknowledgements
        mine = {
            one.receipt.tag: one
            for one in arrivals
            if isinstance(one.receipt, _Receipt) and one.receipt.channel is self._wire
        }
        if acknowledgements is None or acknowledgements.channel.is_closed or not mine:
            return  # delivered again by the broker; handlers drop what they know
        if outcome is Outcome.DONE:
            await acknowledgements.handled(mine)
            return
        await acknowledgements.return_now(list(mine), requeue=outcome is Outcome.AGAIN)
        if outcome is Outcome.PARKED:
            for one in mine.values():
                _log_parked(self.queue, one)

    async def drain(self, timeout_seconds: float) -> None:
        self.ending = True
        if self._task is not None:
            await end(self._task)
        if self._wire is not None and not self._wire.is_closed:
            with contextlib.suppress(Exception):
                await self._wire.basic_cancel(self._tag, timeout=CALL_TIMEOUT_SECONDS)
        await self._dispatcher.drain(timeout_seconds)
        if self._acknowledgements is not None:
            await self._acknowledgements.send()
        with contextlib.suppress(Exception):
            await self._abandon()
        self.drained = True
