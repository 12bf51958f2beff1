"""The routes of incidents, part of the internal API."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from steptrail_common.contracts.incidents import (
    AffectedKey,
    IncidentNote,
    IncidentPage,
    IncidentRef,
    IncidentState,
    IncidentView,
)
from steptrail_common.contracts.model import Page, Slug, utc
from steptrail_common.web import Actor, decode_cursor, encode_cursor, read_actor

from steptrail_notifier import handlers, queries
from steptrail_notifier.domain.incidents import Slot
from steptrail_notifier.ports import IncidentFilter, IncidentPlace, NotifierStore

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=2000)]
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")]
By = Annotated[Actor, Depends(read_actor)]


def incident_routes(store: NotifierStore, *, wake: Callable[[], None], cursor_key: bytes) -> APIRouter:
    """Lists and deeds. `wake`: a message about an incident may be due."""
    router = APIRouter(prefix="/incidents")
    _lists(router, store, cursor_key)
    _deeds(router, store, wake)
    return router


def _lists(router: APIRouter, store: NotifierStore, cursor_key: bytes) -> None:
    of_incidents, of_keys = cursor_key + b"incidents", cursor_key + b"incident keys"

    @router.get("")
    async def list_incidents(
        state: Annotated[list[IncidentState] | None, Query()] = None,
        process_id: Slug | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> IncidentPage:
        wanted = IncidentFilter(frozenset(state or ()), process_id)
        after = _place(decode_cursor(cursor, of_incidents)) if cursor else None
        items, following = await queries.list_incidents(wanted, after=after, limit=limit, store=store)
        is_open, in_hand = await store.incident_counts()
        more = encode_cursor(_values(following), of_incidents) if following else None
        return IncidentPage(items=items, next_cursor=more, open=is_open, acknowledged=in_hand)

    @router.get("/of-processes")
    async def list_of_processes(process_id: Annotated[list[Slug], Query(max_length=200)]) -> list[IncidentRef]:
        return await store.incidents_of(process_id)

    @router.get("/{incident_id}")
    async def read(incident_id: Id) -> IncidentView:
        return await store.incident(incident_id)

    @router.get("/{incident_id}/keys")
    async def list_keys(
        incident_id: Id,
        is_open: Annotated[bool, Query(alias="open")] = False,
        process_id: Slug | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[AffectedKey]:
        values = decode_cursor(cursor, of_keys) if cursor else None
        after: Slot | None = (values["process_id"], values["key"]) if values else None
        items, following = await queries.list_incident_keys(
            incident_id, open_only=is_open, process_id=process_id, after=after, limit=limit, store=store
        )
        last = {"process_id": following[0], "key": following[1]} if following else None
        return Page(items=items, next_cursor=encode_cursor(last, of_keys) if last else None)


def _deeds(router: APIRouter, store: NotifierStore, wake: Callable[[], None]) -> None:
    @router.post("/{incident_id}/acknowledge")
    async def acknowledge(incident_id: Id, actor: By, said: IncidentNote) -> IncidentView:
        return await handlers.acknowledge(incident_id, actor.username, said.note, store=store)

    @router.post("/{incident_id}/unacknowledge")
    async def unacknowledge(incident_id: Id, actor: By, said: IncidentNote) -> IncidentView:
        return await handlers.unacknowledge(incident_id, actor.username, said.note, store=store)

    @router.post("/{incident_id}/resolve")
    async def resolve(incident_id: Id, actor: By, said: IncidentNote) -> IncidentView:
        resolved = await handlers.resolve(incident_id, actor.username, said.note, store=store)
        wake()
        return resolved


def _place(values: dict[str, object]) -> IncidentPlace:
    moment = datetime.fromisoformat(str(values["at"]))
    return int(str(values["group"])), int(str(values["severity"])), moment, str(values["id"])


def _values(place: IncidentPlace) -> dict[str, object]:
    return {"group": place[0], "severity": place[1], "at": utc(place[2]), "id": place[3]}
