"""CloudEvents 1.0 around every fact: structured JSON, `io.steptrail.<name>.v1`, routed by `<name>.<process_id>`."""

from datetime import UTC, datetime
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from pydantic import Field, TypeAdapter

from steptrail_common.contracts.catalog import (
    ConnectionDeleted,
    ConnectionSaved,
    ProcessDeleted,
    ProcessSaved,
)
from steptrail_common.contracts.incidents import IncidentEvent
from steptrail_common.contracts.model import Event, Timestamp
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.schedules import ScheduleMissed

CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
"""Of a message with several events of one routing key, a JSON list: what happened together travels together."""
TYPE_PREFIX = "io.steptrail."
NAMESPACE = uuid5(NAMESPACE_URL, "https://steptrail.io/dedup")
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The first digit of a UUID's fourth group says by its two upper bits that it follows the RFC."""

EVENT_MODELS: dict[str, type[Event]] = {
    "run.queued": RunEvent,
    "run.started": RunEvent,
    "run.finished": RunEvent,
    "step.started": RunEvent,
    "step.retrying": RunEvent,
    "step.waiting": RunEvent,
    "step.finished": RunEvent,
    "schedule.missed": ScheduleMissed,
    "process.saved": ProcessSaved,
    "process.deleted": ProcessDeleted,
    "connection.saved": ConnectionSaved,
    "connection.deleted": ConnectionDeleted,
    "incident.opened": IncidentEvent,
    "incident.reopened": IncidentEvent,
    "incident.changed": IncidentEvent,
    "incident.acknowledged": IncidentEvent,
    "incident.unacknowledged": IncidentEvent,
    "incident.resolved": IncidentEvent,
}
"""Every event by its short name: the closed list that AsyncAPI and the golden schemas are made from."""


class CloudEvent(Event):
    """The envelope. `id` is the deterministic dedup id: the same fact always carries the same one."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    time: Timestamp
    subject: str | None = None
    datacontenttype: str = "application/json"
    dataschema: str | None = None
    data: dict[str, Any] = Field(default={})

    @property
    def name(self) -> str:
        """The short name: `io.steptrail.run.finished.v1` → `run.finished`."""
        return self.type.removeprefix(TYPE_PREFIX).rsplit(".v", 1)[0]


_BATCH = TypeAdapter(list[CloudEvent])


def read_envelopes(body: bytes) -> list[CloudEvent]:
    """The CloudEvents of a message in structured or batch mode. Raises `ValueError`."""
    return _BATCH.validate_json(body) if body.lstrip()[:1] == b"[" else [CloudEvent.model_validate_json(body)]


def read_events(body: bytes) -> list[tuple[CloudEvent, Event]]:
    """What an events message holds (structured or batch mode), each with its data as the model of its type.

    Events of names that are not known here are left out, so that consumers survive new ones. Raises `ValueError` for
    anything else: no JSON, no CloudEvent, wrong data, another version of a known event.
    """
    return [(event, _data_of(event)) for event in read_envelopes(body) if event.name in EVENT_MODELS]


def _data_of(event: CloudEvent) -> Event:
    if event.type != f"{TYPE_PREFIX}{event.name}.v1":
        raise ValueError(f"{event.type}: only version 1 of {event.name} is known here")
    return EVENT_MODELS[event.name].model_validate(event.data)


def dedup_id(*parts: object) -> str:
    """A deterministic id of a fact or message from the values that name it: a UUID of version 5 (RFC 9562, 5.5), made
    here because `uuid.uuid5` takes three times as long and every message has one."""
    digest = sha1(NAMESPACE.bytes + "/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANT[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def envelope(
    name: str, data: Event, *, source: str, identity: tuple[object, ...], at: datetime, subject: str
) -> CloudEvent:
    """Wrap a fact. `identity` names it (run id and seq, process id and revision); `subject` is the process id."""
    return CloudEvent(
        id=dedup_id(name, *identity),
        source=f"/steptrail/{source}",
        type=f"{TYPE_PREFIX}{name}.v1",
        time=at,
        subject=subject,
        data=data.model_dump(mode="json", exclude_none=True),
    )


def routing_key(name: str, subject: str) -> str:
    """`run.finished.order-to-cash`."""
    return f"{name}.{subject}"


def new_token() -> str:
    """A fencing token: random, never guessed."""
    return uuid4().hex


def begun_at(run_id: str) -> datetime | None:
    """When a run was begun, to the millisecond, as its id (a UUIDv7) says; None if it is another kind of id."""
    try:
        value = UUID(run_id)
        return datetime.fromtimestamp((value.int >> 80) / 1000, UTC) if value.version == 7 else None
    except (ValueError, OverflowError):  # not an id of ours, or one of the year 10000
        return None
