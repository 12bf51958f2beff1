"""The bus on RabbitMQ: quorum queues, confirms, explicit acknowledgement, and connections that come back.

Publishing and consuming use separate connections, so that a broker that blocks publishers (memory, disk) still takes
acknowledgements.
"""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, cast
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractChannel
from aiormq.channel import Channel as WireChannel
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity, PublishError
from pamqp.commands import Basic

from steptrail_common.bus.port import (
    DEAD_SUFFIX,
    DELIVERY_LIMIT,
    Destination,
    Handler,
    Message,
    PublishFailed,
    Subscription,
    Taking,
)
from steptrail_common.bus.rabbitconsumer import (
    CALL_TIMEOUT_SECONDS,
    DEDUP_HEADER,
    DELETED_PAUSE_SECONDS,
    Consumer,
    declaration_error,
    declare_events_exchange,
    declare_work_queue,
)
from steptrail_common.bus.rabbitlink import Link, broker_url
from steptrail_common.contracts.workers import EVENTS_EXCHANGE
from steptrail_common.errors import Unavailable
from steptrail_common.telemetry import BUS_PUBLISHED, inject, labelled

START_TIMEOUT_SECONDS = 30.0
PUBLISH_TIMEOUT_SECONDS = 10.0
FEW = 10
"""Of so few messages the first is on the wire, and who waits for it at work, while the others are put together."""
PUBLISH_AT_ONCE = 500
"""Messages on the wire before their confirms are awaited together."""

log = structlog.get_logger()
Outgoing = tuple[Destination, Message]


class RabbitBus:
    """One service replica's bus on a RabbitMQ broker. `name` names its connections in the management page."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        start_timeout_seconds: float = START_TIMEOUT_SECONDS,
        publish_timeout_seconds: float = PUBLISH_TIMEOUT_SECONDS,
    ) -> None:
        checked = broker_url(url)
        self._start_timeout_seconds = start_timeout_seconds
        self._publish_timeout_seconds = publish_timeout_seconds
        self._publishing = Link(checked, f"{name} publishing")
        self._consuming = Link(checked, f"{name} consuming")
        self._consumers: list[Consumer] = []
        self._draining = False
        self._known: dict[str, None] = {}
        self._sender, self._numbers = uuid4().hex, count()
        self._channel: AbstractChannel | None = None
        self._channel_lock = asyncio.Lock()

    async def start(self) -> None:
        self._draining = False
        try:
            await self._publishing.start(self._start_timeout_seconds)
            await self._consuming.start(self._start_timeout_seconds)
            await self._publish_channel()
        except BaseException as error:
            await self.close()
            if isinstance(error, AMQPError | OSError):
                raise Unavailable(f"RabbitMQ could not be set up: {error!r}") from error
            raise

    # --- publishing --------------------------------------------------------------------------------------------------

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        outgoing = list(messages)
        try:
            async with asyncio.timeout(self._publish_timeout_seconds):
                for some in _in_turn(outgoing):
                    await self._publish_some(some)
        except Exception as error:  # whatever a dying connection raises, the outcome is unknown
            labelled(BUS_PUBLISHED, "unknown").inc(len(outgoing))
            if isinstance(error, TimeoutError):
                raise PublishFailed(f"no confirm within {self._publish_timeout_seconds:g} s") from None
            raise error if isinstance(error, PublishFailed) else PublishFailed(repr(error)) from error
        labelled(BUS_PUBLISHED, "confirmed").inc(len(outgoing))

    async def _publish_some(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish; declare the queues whose messages came back, and publish those again, once."""
        if not (returned := [item for item in await self._send(outgoing) if not item[0].reply]):
            return
        await asyncio.sleep(DELETED_PAUSE_SECONDS)
        for queue in dict.fromkeys(destination.queue for destination, _ in returned):
            await self._declare(str(queue))
        if await self._send(returned):
            raise PublishFailed("the broker returned messages although their queues were declared")

    async def _send(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """Send all, wait for all confirms. Returns what the broker sent back because the queue does not exist."""
        # The wire channel: it alone can send without waiting for each message to be flushed.
        channel = cast(WireChannel, await (await self._publish_channel()).get_underlay_channel())
        pauses = 2 if len(outgoing) <= FEW else 0
        results = await _results(
            self._send_one(channel, item, pauses if number else 0) for number, item in enumerate(outgoing)
        )
        returned = []
        for item, result in zip(outgoing, results, strict=True):
            if isinstance(result, PublishError):
                returned.append(item)
            elif isinstance(result, BaseException):
                raise PublishFailed(repr(result)) from result
            elif item[0].queue is not None and not item[0].reply:
                self._known[item[0].queue] = None
        return returned

    async def _send_one(self, channel: WireChannel, item: Outgoing, pauses: int) -> None:
        """`pauses`: turns of the loop to leave to others before."""
        for _ in range(pauses):
            await asyncio.sleep(0)
        destination, message = item
        headers = dict(message.headers) if "traceparent" in message.headers else inject(message.headers)
        headers[DEDUP_HEADER] = message.dedup_id
        properties = Basic.Properties(
            content_type=message.content_type,
            delivery_mode=2,
            # aiormq finds the confirm of a returned message by this id: it must be new for every publish.
            message_id=f"{self._sender}-{next(self._numbers)}",
            headers=dict(headers),
        )
        await channel.basic_publish(
            message.body,
            exchange="" if destination.queue is not None else EVENTS_EXCHANGE,
            routing_key=(destination.queue or destination.topic) or "",
            properties=properties,
            mandatory=destination.queue is not None,
            wait=False,
        )

    async def _publish_channel(self) -> AbstractChannel:
        """The channel for publishing; opened again after a loss."""
        async with self._channel_lock:
            if self._channel is None or self._channel.is_closed or not self._publishing.up:
                connection = await self._publishing.connection(self._publish_timeout_seconds)
                channel = connection.channel(publisher_confirms=True, on_return_raises=True)
                await channel.initialize(timeout=CALL_TIMEOUT_SECONDS)
                await declare_events_exchange(channel)
                self._channel = channel
            return self._channel

    async def _declare(self, queue: str) -> None:
        """On a channel of its own, because a refused declaration closes its channel."""
        connection = await self._publishing.connection(CALL_TIMEOUT_SECONDS)
        async with connection.channel() as channel:
            try:
                await declare_work_queue(channel, queue)
            except AMQPError as error:
                raise PublishFailed(str(declaration_error(queue, error))) from error

    # --- consuming ---------------------------------------------------------------------------------------------------

    async def subscribe(self, subscription: Subscription, handler: Handler) -> Taking:
        if not 1 <= subscription.delivery_limit <= DELIVERY_LIMIT:
            raise ValueError(f"delivery_limit must be 1 to {DELIVERY_LIMIT}")
        consumer = Consumer(self._consuming, subscription, handler)
        if not self._draining:
            await consumer.start(self._start_timeout_seconds)
        if self._draining:
            await consumer.drain(0)
            raise Unavailable("the bus takes nothing any more")
        # Drained ones go first: what this bus holds does not grow with the subscriptions that come and go.
        self._consumers = [*(one for one in self._consumers if not one.drained), consumer]
        self._known[subscription.queue] = None
        return consumer

    async def drain(self, timeout_seconds: float) -> None:
        self._draining = True
        await asyncio.gather(*(consumer.drain(timeout_seconds) for consumer in self._consumers))
        self._consumers.clear()

    async def close(self) -> None:
        await self.drain(0)
        await asyncio.gather(self._publishing.close(), self._consuming.close())
        self._channel = None

    def healthy(self) -> bool:
        return (
            self._publishing.up and self._consuming.up and all(one.consuming or one.ending for one in self._consumers)
        )

    async def queue_depths(self, queues: Collection[str] = ()) -> dict[str, int]:
        for queue in set(queues) - self._known.keys():
            try:
                await self._declare(queue)
            except Exception as error:
                raise Unavailable(f"RabbitMQ does not say how long {queue} is: {error!r}") from error
            self._known[queue] = None
        exclusive = {consumer.queue for consumer in self._consumers if not consumer.shared}
        names = [
            name
            for queue in self._known
            for name in ([queue] if queue in exclusive else [queue, queue.removesuffix(DEAD_SUFFIX) + DEAD_SUFFIX])
        ]
        depths = {name: await self._depth(name) for name in dict.fromkeys(names)}
        return {name: depth for name, depth in depths.items() if depth is not None}

    async def _depth(self, queue: str) -> int | None:
        """Messages ready, or None when there is no such queue. Raises Unavailable."""
        try:
            connection = await self._consuming.connection(CALL_TIMEOUT_SECONDS)
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS), connection.channel() as channel:
                found = await channel.declare_queue(queue, passive=True)
                return found.declaration_result.message_count or 0
        except ChannelNotFoundEntity:
            return None
        except Exception as error:
            raise Unavailable(f"RabbitMQ does not say how long its queues are: {error!r}") from error


async def _results(sending: Iterable[Coroutine[Any, Any, None]]) -> Sequence[BaseException | None]:
    """What became of each: None or what it raised. One alone needs no task of its own."""
    first, *others = sending
    if others:
        found: list[BaseException | None] = await asyncio.gather(first, *others, return_exceptions=True)
        return found
    try:
        await first
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return [error]  # the client cancels what waits for a confirm when its channel closes
    except Exception as error:
        return [error]
    return [None]


def _in_turn(outgoing: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    """What is sent together. Of a few messages those for queues first, whose consumers are to work; what is told to
    whoever listens follows when they are confirmed, and takes no processor from them meanwhile."""
    if len(outgoing) <= FEW:
        work = [item for item in outgoing if item[0].queue is not None]
        told = [item for item in outgoing if item[0].queue is None]
        yield from filter(None, (work, told))
        return
    for start in range(0, len(outgoing), PUBLISH_AT_ONCE):
        yield outgoing[start : start + PUBLISH_AT_ONCE]
