"""CloudEvents 1.0 around every fact: structured JSON, `io.steptrail.<name>.v1`, routed by `<name>.<process_id>`."""

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import Field, TypeAdapter

from steptrail_common.contracts.catalog import (
    ConnectionDeleted,
    ConnectionSaved,
    ProcessDeleted,
    ProcessSaved,
)
from steptrail_common.contracts.model import Event, Timestamp
from steptrail_common.contracts.orchestrator import RunEvent

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "io.steptrail."
NAMESPACE = uuid5(NAMESPACE_URL, "https://steptrail.io/dedup")

EVENT_MODELS: dict[str, type[Event]] = {
    "run.queued": RunEvent,
    "run.started": RunEvent,
    "run.finished": RunEvent,
    "step.started": RunEvent,
    "step.retrying": RunEvent,
    "step.waiting": RunEvent,
    "step.finished": RunEvent,
    "process.saved": ProcessSaved,
    "process.deleted": ProcessDeleted,
    "connection.saved": ConnectionSaved,
    "connection.deleted": ConnectionDeleted,
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


_MESSAGE = TypeAdapter(CloudEvent | list[CloudEvent])


def read_events(body: bytes) -> list[tuple[CloudEvent, Event]]:
    """What an events message holds (structured or batch mode), each with its data as the model of its type.

    Events of names that are not known here are left out, so that consumers survive new ones. Raises `ValueError` for
    anything else: no JSON, no CloudEvent, wrong data, another version of a known event.
    """
    read = _MESSAGE.validate_json(body)
    events = read if isinstance(read, list) else [read]
    return [(event, _data_of(event)) for event in events if event.name in EVENT_MODELS]


def _data_of(event: CloudEvent) -> Event:
    if event.type != f"{TYPE_PREFIX}{event.name}.v1":
        raise ValueError(f"{event.type}: only version 1 of {event.name} is known here")
    return EVENT_MODELS[event.name].model_validate(event.data)


def dedup_id(*parts: object) -> str:
    """A deterministic id of a fact or message from the values that name it."""
    return str(uuid5(NAMESPACE, "/".join(str(part) for part in parts)))


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
