"""Acknowledgements on one channel, collected for a moment: nobody waits for them.

What is handled and not acknowledged yet is delivered again if this process or its connection dies, as it is when they
die in the middle of handling it: handlers drop what they know.
"""

import asyncio
from collections.abc import Collection, Sequence
from itertools import takewhile

import structlog
from aiormq.abc import AbstractChannel as WireChannel

COLLECT_SECONDS = 0.02
"""A few steps of a run that is alone; what is handled twice because of it is hardly more than without it."""
HELD_SHARE = 8
"""At most one in so many deliveries of the prefetch waits for its acknowledgement: the rest can be at work."""

log = structlog.get_logger()


class Acknowledgements:
    """Of one consumer's deliveries on one channel. Never raises: if the channel is gone, the broker delivers again.

    `prefetch`: of the consumer; with less than `HELD_SHARE` nothing is collected, each would keep a delivery away.
    """

    def __init__(self, channel: WireChannel, *, prefetch: int) -> None:
        self.channel = channel
        self._held_most = prefetch // HELD_SHARE
        self._unsettled: dict[int, None] = {}
        self._handled: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None

    def arrived(self, tag: int) -> None:
        """This delivery will be settled; tags grow."""
        self._unsettled[tag] = None

    async def handled(self, tags: Collection[int]) -> None:
        """Acknowledge these, soon."""
        self._handled.update(tags)
        if len(self._handled) > self._held_most:
            await self.send()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COLLECT_SECONDS, self._due)

    async def return_now(self, tags: Sequence[int], *, requeue: bool) -> None:
        """Give these back, to be delivered again or to be parked."""
        for tag in tags:
            self._unsettled.pop(tag, None)
        try:
            for tag in tags:
                await self.channel.basic_nack(tag, requeue=requeue, wait=False)
        except Exception as error:
            log.debug("settle_failed", error=repr(error))

    async def send(self) -> None:
        """Acknowledge now what was handled: all of the oldest with one frame."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        handled, self._handled = self._handled, set()
        oldest = list(takewhile(handled.__contains__, self._unsettled))
        others = sorted(handled.difference(oldest))
        for tag in handled:
            self._unsettled.pop(tag, None)
        try:
            if oldest:
                await self.channel.basic_ack(oldest[-1], multiple=True, wait=False)
            for tag in others:
                await self.channel.basic_ack(tag, wait=False)
        except Exception as error:
            log.debug("settle_failed", error=repr(error))

    def _due(self) -> None:
        self._timer = None
        self._sending = asyncio.create_task(self.send(), name="acknowledge")
