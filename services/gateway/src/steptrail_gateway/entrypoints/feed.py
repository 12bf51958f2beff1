"""From the bus to the hub: what this replica hears, in the order it happened.

The bus is a hint. Events that come early wait for the missing ones, which are fetched from the orchestrator's log when
they do not come by themselves; after a lost connection to the broker the log is read from where we stood.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from pydantic import ValidationError
from steptrail_common import telemetry
from steptrail_common.bus.port import Delivery, Reject, Subscription
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.events import CloudEvent, begun_at, read_envelopes
from steptrail_common.contracts.incidents import IncidentEvent
from steptrail_common.contracts.model import Page
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.errors import SteptrailError

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.stream import (
    OVERLAP,
    Frame,
    Gap,
    RunOrder,
    incident_frame,
    process_frame,
    reset_frame,
    run_frame,
)
from steptrail_gateway.entrypoints.hub import Hub
from steptrail_gateway.entrypoints.replay import MAX_REPLAYED, PAGE, read_log
from steptrail_gateway.ports import Downstream

PATTERNS: Final = ("run.#", "step.#", "process.#", "incident.#")
POSITION_HEADER: Final = "position"
"""Of each event in the message, with commas between."""
PATIENCE_SECONDS: Final = 0.3
"""How long an early event waits before the missing one is fetched."""
CLOCKS_SECONDS: Final = 5.0
"""By so much the clocks of the replicas may differ."""
_PROCESS_EVENTS: Final[dict[str, type[ProcessSaved] | type[ProcessDeleted]]] = {
    "process.saved": ProcessSaved,
    "process.deleted": ProcessDeleted,
}
_REMEMBERED_FACTS: Final = 2_000


class Feed:
    """Turns deliveries into frames and gives them to the hub."""

    def __init__(self, hub: Hub, log: Downstream, clock: Clock) -> None:
        self._hub = hub
        self._log = log
        self._clock = clock
        self._order: RunOrder[Frame] = RunOrder()
        self._facts: OrderedDict[str, None] = OrderedDict()
        self._highest: int | None = None
        self._behind = asyncio.Event()
        self._listens_since = clock.now()

    def subscription(self, replica: str) -> Subscription:
        """Exclusive to this replica: every replica hears everything."""
        return Subscription(
            queue=f"steptrail.gateway.{replica}",
            patterns=PATTERNS,
            shared=False,
            batch_max=50,
            resubscribed=self._behind.set,
        )

    def position(self) -> str | None:
        """The highest position seen, None before the first event."""
        return None if self._highest is None else str(self._highest)

    async def on_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Handler of the subscription. Raises `Reject` for what is no event of ours."""
        frames: list[Frame] = []
        for delivery in deliveries:
            try:
                frames += self._frames_of(delivery)
            except ValueError as error:
                raise Reject(f"not an event: {error}") from error
        await self._hub.publish(frames)

    def _frames_of(self, delivery: Delivery) -> list[Frame]:
        events = read_envelopes(delivery.message.body)
        if not events:
            raise ValueError("a list without events")
        listed = delivery.message.headers.get(POSITION_HEADER, "").split(",")
        positions = listed if len(listed) == len(events) else [None] * len(events)
        return [
            frame for event, at in zip(events, positions, strict=True) for frame in self._frames_of_event(event, at)
        ]

    def _frames_of_event(self, event: CloudEvent, position: str | None) -> list[Frame]:
        if (model := _PROCESS_EVENTS.get(event.name)) is not None:
            return [] if self._repeated(event.id) else [process_frame(event.name, model.model_validate(event.data))]
        if event.name.startswith("incident."):
            told = IncidentEvent.model_validate(event.data)
            return [] if self._repeated(event.id) else [incident_frame(told)]
        return self._ordered(RunEvent.model_validate(event.data), position or None)

    def _ordered(self, event: RunEvent, position: str | None) -> list[Frame]:
        if position is not None and position.isdigit():
            self._highest = max(self._highest or 0, int(position))
        frame = run_frame(event, position)
        return self._order.offer(event.run_id, event.seq, frame, self._clock.monotonic())

    def _repeated(self, fact_id: str) -> bool:
        if fact_id in self._facts:
            return True
        self._facts[fact_id] = None
        if len(self._facts) > _REMEMBERED_FACTS:
            self._facts.popitem(last=False)
        return False

    async def mend(self) -> None:
        """Background: fetch what does not come, until cancelled."""
        while True:
            await asyncio.sleep(PATIENCE_SECONDS / 2)
            if self._behind.is_set():
                self._behind.clear()
                await self._catch_up()
            for gap in self._order.gaps(self._clock.monotonic(), PATIENCE_SECONDS):
                await self._fill(gap)

    async def _fill(self, gap: Gap) -> None:
        """Fetch the missing events of one run. Where that fails the clients are told to read again.

        What happened to a run before this replica listened is nothing that its clients wait for.
        """
        after = 0 if gap.after is None and self._heard_beginning(gap.run_id) else gap.after
        if after is not None:
            try:
                params = {"after": after, "limit": PAGE}
                answer = await self._log.request("GET", f"/runs/{segment(gap.run_id)}/events", params=params)
                page = Page[RunEvent].model_validate_json(answer.content)
                for event in page.items:
                    await self._hub.publish(self._ordered(event, None))
            except (SteptrailError, ValidationError) as error:
                telemetry.log.warning("stream.gap_not_filled", run_id=gap.run_id, error=str(error)[:500])
        now = self._clock.monotonic()
        if any(open_gap.run_id == gap.run_id for open_gap in self._order.gaps(now, PATIENCE_SECONDS)):
            await self._hub.publish(self._order.release(gap.run_id, now))
            if after is not None:
                self._hub.say(reset_frame("Some events of a run did not arrive."))

    def _heard_beginning(self, run_id: str) -> bool:
        """Whether a run began while we listened: then its first events are only late."""
        began = begun_at(run_id)
        return began is not None and began >= self._listens_since - timedelta(seconds=CLOCKS_SECONDS)

    async def _catch_up(self) -> None:
        """After a lost subscription: read the log from where we stood."""
        if self._highest is None:
            self._hub.say(reset_frame("The connection to the events was lost."))
            return
        try:
            cursor, count = str(max(0, self._highest - OVERLAP)), 0
            while count < MAX_REPLAYED:
                page = await read_log(self._log, cursor)
                for item in page.items:
                    await self._hub.publish(self._ordered(item.event, item.cursor))
                count += len(page.items)
                if page.next_cursor is None:
                    return
                cursor = page.next_cursor
        except (SteptrailError, ValidationError) as error:
            telemetry.log.warning("stream.catch_up_failed", error=str(error)[:500])
        self._hub.say(reset_frame("The connection to the events was lost for too long."))
