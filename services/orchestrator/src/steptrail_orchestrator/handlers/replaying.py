"""Telling events again to a consumer that may have lost some, straight from the log."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError
from steptrail_common import telemetry
from steptrail_common.bus.port import Bus, Delivery, Destination, Message, PublishFailed, Reject
from steptrail_common.contracts.events import CONTENT_TYPE, CloudEvent, envelope
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.replays import ReplayRequest

from steptrail_orchestrator.domain.schedules import MISSED, missed_envelope
from steptrail_orchestrator.ports import RunReader, ScheduleStore

PAGE_EVENTS = 500
PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0)
"""Before a page is published again."""


async def replay(deliveries: Sequence[Delivery], *, reader: RunReader, schedules: ScheduleStore, bus: Bus) -> None:
    """Not through the outbox: a long replay must hold up no run. What broke off begins again with the request."""
    for delivery in deliveries:
        try:
            wanted = ReplayRequest.model_validate_json(delivery.message.body)
        except ValidationError as error:
            raise Reject(f"not a ReplayRequest: {error.errors()[0]['msg']}") from error
        told = await _runs(wanted, reader=reader, bus=bus)
        if not wanted.types or MISSED in wanted.types:
            told += await _missed_starts(wanted, schedules=schedules, bus=bus)
        telemetry.log.info("replay.told", queue=wanted.queue, since=str(wanted.since), events=told)


async def _runs(wanted: ReplayRequest, *, reader: RunReader, bus: Bus) -> int:
    """How many events were told."""
    after, told = 0, 0
    while page := await reader.events_since(wanted.since, after=after, limit=PAGE_EVENTS):
        after = page[-1][0]
        chosen = [event for _, event in page if not wanted.types or event.type in wanted.types]
        await _tell(wanted, [_envelope(event) for event in chosen], bus)
        told += len(chosen)
    return told


async def _missed_starts(wanted: ReplayRequest, *, schedules: ScheduleStore, bus: Bus) -> int:
    after: tuple[str, datetime] | None = None
    told = 0
    while page := await schedules.missed_since(wanted.since, after=after, limit=PAGE_EVENTS):
        after = page[-1].schedule_id, page[-1].tick_at
        await _tell(wanted, [missed_envelope(event) for event in page], bus)
        told += len(page)
    return told


async def _tell(wanted: ReplayRequest, events: Sequence[CloudEvent], bus: Bus) -> None:
    """A page that was not confirmed goes again by itself: to begin anew would tell all before it once more."""
    messages = [(Destination(queue=wanted.queue), _message(event)) for event in events]
    for pause in PAUSES_SECONDS:
        try:
            return await bus.publish(messages)
        except PublishFailed as error:
            telemetry.log.info("replay.page_again", queue=wanted.queue, detail=str(error))
            await asyncio.sleep(pause)
    await bus.publish(messages)


def _envelope(event: RunEvent) -> CloudEvent:
    return envelope(
        event.type,
        event,
        source="orchestrator",
        identity=(event.run_id, event.seq),
        at=event.at,
        subject=event.process_id,
    )


def _message(told: CloudEvent) -> Message:
    return Message(told.model_dump_json(exclude_none=True).encode(), told.id, CONTENT_TYPE)
