"""What a decision sends: step requests to workers, events to everyone, each serialised once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic_core import to_json
from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.events import BATCH_CONTENT_TYPE, CONTENT_TYPE, TYPE_PREFIX, dedup_id, routing_key
from steptrail_common.contracts.model import utc
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.workers import StepRequest, StepRequestBundle, request_queue
from steptrail_common.outbox import Entry

from steptrail_orchestrator.domain.walk import Walk

MAX_BUNDLE_ITEMS = 10
"""Step requests in one message: few enough that several workers get something to do."""
MAX_BUNDLE_EVENTS = 100
POSITION_HEADER = "position"
"""Global numbers of the events in a message, in their order, with commas between."""
POSITIONS = "@positions@"
"""Stands in that header until the insert has given the numbers."""

EventKey = tuple[str, int]
"""Run and number of an event within it."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as it is stored and sent."""

    event: RunEvent
    document: str
    trace: str | None
    identity: str

    @property
    def key(self) -> EventKey:
        return self.event.run_id, self.event.seq

    @property
    def topic(self) -> str:
        return routing_key(self.event.type, self.event.process_id)

    def envelope(self) -> bytes:
        """The CloudEvent around the stored document: the same JSON as `contracts.events.envelope` makes."""
        head = {
            "specversion": "1.0",
            "id": self.identity,
            "source": "/steptrail/orchestrator",
            "type": f"{TYPE_PREFIX}{self.event.type}.v1",
            "time": utc(self.event.at),
            "subject": self.event.process_id,
            "datacontenttype": "application/json",
        }
        return to_json(head)[:-1] + b',"data":' + self.document.encode() + b"}"


@dataclass(frozen=True, slots=True)
class EventBundle:
    """Events of one transaction with the same routing key: one message. Alone, an event travels as itself."""

    rows: Sequence[EventRow]

    def entry(self) -> Entry:
        """The message, still without the positions of its events."""
        traces = {row.trace for row in self.rows}
        trace = traces.pop() if len(traces) == 1 else None
        headers = {POSITION_HEADER: POSITIONS} | ({"traceparent": trace} if trace else {})
        envelopes = [row.envelope() for row in self.rows]
        destination = Destination(topic=self.rows[0].topic)
        if len(envelopes) == 1:
            return destination, Message(envelopes[0], self.rows[0].identity, CONTENT_TYPE, headers)
        identity = dedup_id("events", *(row.identity for row in self.rows))
        return destination, Message(b"[" + b",".join(envelopes) + b"]", identity, BATCH_CONTENT_TYPE, headers)


Announced = tuple[EventBundle, Entry]
"""Events with the message that carries them."""


def positioned(announced: Announced, positions: Mapping[EventKey, int]) -> Entry:
    """The message with the positions of its events, as the insert gave them by run and number."""
    bundle, (destination, message) = announced
    listed = ",".join(str(positions[row.key]) for row in bundle.rows)
    return destination, replace(message, headers={**message.headers, POSITION_HEADER: listed})


def event_rows(walks: Iterable[Walk]) -> list[EventRow]:
    return [
        EventRow(
            event,
            event.model_dump_json(exclude_none=True),
            walk.run.trace,
            dedup_id(event.type, event.run_id, event.seq),
        )
        for walk in walks
        for event in walk.events
    ]


def bundled(rows: Iterable[EventRow]) -> list[EventBundle]:
    """The events in as few messages as their routing keys allow, each in the order it happened."""
    topics: dict[str, list[EventRow]] = {}
    for row in rows:
        topics.setdefault(row.topic, []).append(row)
    return [
        EventBundle(group[at : at + MAX_BUNDLE_EVENTS])
        for group in topics.values()
        for at in range(0, len(group), MAX_BUNDLE_EVENTS)
    ]


def request_entries(walks: Iterable[Walk], *, bundle: bool = True) -> list[Entry]:
    """Requests that leave in the same transaction for the same queue travel together."""
    queues: dict[str, list[tuple[StepRequest, str, str | None]]] = {}
    for walk in walks:
        resent = {(again.step_id, again.attempt): again.publications for again in walk.resent}
        for request in walk.requests:
            number = resent.get((request.step_id, request.attempt), 1)
            identity = f"{request.run_id}/{request.step_id}/{request.attempt}/{number}"
            queues.setdefault(request_queue(request.check.work), []).append((request, identity, walk.run.trace))
    size = MAX_BUNDLE_ITEMS if bundle else 1
    return [
        _request_entry(queue, items[at : at + size])
        for queue, items in queues.items()
        for at in range(0, len(items), size)
    ]


def _request_entry(queue: str, items: Sequence[tuple[StepRequest, str, str | None]]) -> Entry:
    body = StepRequestBundle(items=[request for request, _, _ in items]).model_dump_json(exclude_none=True)
    traces = {trace for _, _, trace in items}
    trace = traces.pop() if len(traces) == 1 else None
    identity = dedup_id("request", *(identity for _, identity, _ in items))
    return Destination(queue=queue), Message(body.encode(), identity, headers={"traceparent": trace} if trace else {})
