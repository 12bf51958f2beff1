"""What a decision sends: step requests to workers, events to everyone, each serialised once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic_core import to_json
from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.events import CONTENT_TYPE, TYPE_PREFIX, dedup_id, routing_key
from steptrail_common.contracts.model import utc
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.workers import StepRequest, StepRequestBundle, request_queue

from steptrail_orchestrator.domain.walk import Walk

MAX_BUNDLE_ITEMS = 10
"""Step requests in one message: few enough that several workers get something to do."""
Entry = tuple[Destination, Message]


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as it is stored and sent; `position` is its global number."""

    event: RunEvent
    document: str
    trace: str | None

    def entry(self, position: int | str) -> Entry:
        event = self.event
        headers = {"position": str(position)}
        if self.trace:
            headers["traceparent"] = self.trace
        identity = dedup_id(event.type, event.run_id, event.seq)
        topic = routing_key(event.type, event.process_id)
        return Destination(topic=topic), Message(self._envelope(identity), identity, CONTENT_TYPE, headers)

    def _envelope(self, identity: str) -> bytes:
        """The CloudEvent around the stored document: the same JSON as `contracts.events.envelope` makes."""
        head = {
            "specversion": "1.0",
            "id": identity,
            "source": "/steptrail/orchestrator",
            "type": f"{TYPE_PREFIX}{self.event.type}.v1",
            "time": utc(self.event.at),
            "subject": self.event.process_id,
            "datacontenttype": "application/json",
        }
        return to_json(head)[:-1] + b',"data":' + self.document.encode() + b"}"


def event_rows(walks: Iterable[Walk]) -> list[EventRow]:
    return [
        EventRow(event, event.model_dump_json(exclude_none=True), walk.run.trace)
        for walk in walks
        for event in walk.events
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
