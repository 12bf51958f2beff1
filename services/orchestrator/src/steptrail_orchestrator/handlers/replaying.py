"""Telling events again to a consumer that may have lost some, straight from the log."""

from collections.abc import Sequence

from pydantic import ValidationError
from steptrail_common import telemetry
from steptrail_common.bus.port import Bus, Delivery, Destination, Message, Reject
from steptrail_common.contracts.events import CONTENT_TYPE, envelope
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.replays import ReplayRequest

from steptrail_orchestrator.ports import RunReader

PAGE_EVENTS = 500


async def replay(deliveries: Sequence[Delivery], *, reader: RunReader, bus: Bus) -> None:
    """Not through the outbox: a long replay must hold up no run. What broke off begins again with the request."""
    for delivery in deliveries:
        try:
            wanted = ReplayRequest.model_validate_json(delivery.message.body)
        except ValidationError as error:
            raise Reject(f"not a ReplayRequest: {error.errors()[0]['msg']}") from error
        await _replay(wanted, reader=reader, bus=bus)


async def _replay(wanted: ReplayRequest, *, reader: RunReader, bus: Bus) -> None:
    after, told = 0, 0
    while page := await reader.events_since(wanted.since, after=after, limit=PAGE_EVENTS):
        after = page[-1][0]
        chosen = [event for _, event in page if not wanted.types or event.type in wanted.types]
        await bus.publish([(Destination(queue=wanted.queue), _message(event)) for event in chosen])
        told += len(chosen)
    telemetry.log.info("replay.told", queue=wanted.queue, since=str(wanted.since), events=told)


def _message(event: RunEvent) -> Message:
    told = envelope(
        event.type,
        event,
        source="orchestrator",
        identity=(event.run_id, event.seq),
        at=event.at,
        subject=event.process_id,
    )
    return Message(told.model_dump_json(exclude_none=True).encode(), told.id, CONTENT_TYPE)
