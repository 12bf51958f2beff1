"""The internal API of the notifier; the gateway mirrors it under `/api/v1`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Path, Query
from pydantic import AfterValidator
from steptrail_common.contracts.model import Page, Slug, utc
from steptrail_common.contracts.notifier import (
    ChannelCreated,
    ChannelView,
    ChannelWrite,
    Delivery,
    RuleView,
    RuleWrite,
)
from steptrail_common.web import build_app, decode_cursor, encode_cursor

from steptrail_notifier import handlers, queries
from steptrail_notifier.entrypoints.incidents import incident_routes
from steptrail_notifier.ports import Carriers, DeliveryFilter, Gate, NotifierStore, SigningKeys


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]
ChannelId = Annotated[Slug, Path()]
Text = Annotated[str, Query(min_length=1, max_length=200), AfterValidator(_printable)]
DeliveryId = Annotated[str, Path(max_length=100), AfterValidator(_printable)]


@dataclass(frozen=True, slots=True)
class Tools:
    """What the routes work with. `wake` tells the sender that something is due."""

    store: NotifierStore
    carriers: Carriers
    keys: SigningKeys
    gate: Gate
    wake: Callable[[], None]
    cursor_key: bytes


def build_api(
    tools: Tools, *, service_token: str | None, checks: Mapping[str, Callable[[], Awaitable[None]]]
) -> FastAPI:
    """The application with every route."""
    app = build_app(title="Steptrail notifier", service_token=service_token, checks=checks)
    app.include_router(_channels(tools))
    app.include_router(_rules(tools))
    app.include_router(_deliveries(tools))
    app.include_router(incident_routes(tools.store, wake=tools.wake, cursor_key=tools.cursor_key))
    return app


def _channels(tools: Tools) -> APIRouter:
    router = APIRouter(prefix="/channels")
    store, keys, gate, key = tools.store, tools.keys, tools.gate, _key(tools, "channels")

    @router.get("")
    async def list_channels(limit: Limit = 50, cursor: Cursor = None) -> Page[ChannelView]:
        items, following = await queries.list_channels(after=_after(cursor, key), limit=limit, store=store)
        return Page(items=items, next_cursor=_cursor(following, key))

    @router.post("", status_code=201)
    async def create(wanted: ChannelWrite) -> ChannelCreated:
        return await handlers.create_channel(wanted, store=store, keys=keys, gate=gate)

    @router.get("/{channel_id}")
    async def read(channel_id: ChannelId) -> ChannelView:
        return (await store.channel(channel_id)).view()

    @router.put("/{channel_id}")
    async def change(channel_id: ChannelId, wanted: ChannelWrite) -> ChannelView:
        return await handlers.change_channel(channel_id, wanted, store=store, keys=keys, gate=gate)

    @router.delete("/{channel_id}", status_code=204)
    async def delete(channel_id: ChannelId) -> None:
        await store.delete_channel(channel_id)

    @router.post("/{channel_id}/test", status_code=202)
    async def test(channel_id: ChannelId) -> Delivery:
        return await handlers.send_test(channel_id, store=store, carriers=tools.carriers, keys=keys)

    return router


def _rules(tools: Tools) -> APIRouter:
    router = APIRouter(prefix="/rules")
    store, key = tools.store, _key(tools, "rules")

    @router.get("")
    async def list_rules(limit: Limit = 50, cursor: Cursor = None) -> Page[RuleView]:
        items, following = await queries.list_rules(after=_after(cursor, key), limit=limit, store=store)
        return Page(items=items, next_cursor=_cursor(following, key))

    @router.post("", status_code=201)
    async def create(wanted: RuleWrite) -> RuleView:
        return await store.add_rule(wanted)

    @router.put("/{rule_id}")
    async def change(rule_id: Annotated[Slug, Path()], wanted: RuleWrite) -> RuleView:
        return await handlers.change_rule(rule_id, wanted, store=store)

    @router.delete("/{rule_id}", status_code=204)
    async def delete(rule_id: Annotated[Slug, Path()]) -> None:
        await store.delete_rule(rule_id)

    return router


def _deliveries(tools: Tools) -> APIRouter:
    router = APIRouter(prefix="/deliveries")
    key = _key(tools, "deliveries")

    @router.get("")
    async def list_deliveries(
        channel_id: Text | None = None,
        rule_id: Text | None = None,
        run_id: Text | None = None,
        process_id: Text | None = None,
        status: Literal["pending", "delivered", "undelivered"] | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[Delivery]:
        wanted = DeliveryFilter(channel_id, rule_id, run_id, process_id, status)
        values = decode_cursor(cursor, key) if cursor else None
        place = (datetime.fromisoformat(values["at"]), values["id"]) if values else None
        items, following = await queries.list_deliveries(wanted, after=place, limit=limit, store=tools.store)
        cursor = encode_cursor({"at": utc(following[0]), "id": following[1]}, key) if following else None
        return Page(items=items, next_cursor=cursor)

    @router.post("/{delivery_id}/retry", status_code=202)
    async def retry(delivery_id: DeliveryId) -> Delivery:
        due = await tools.store.retry(delivery_id)
        tools.wake()
        return due

    return router


def _key(tools: Tools, what: str) -> bytes:
    """Each list signs with a key of its own, so that a cursor of one list is refused by another."""
    return tools.cursor_key + what.encode()


def _after(cursor: str | None, key: bytes) -> str | None:
    return str(decode_cursor(cursor, key)["after"]) if cursor else None


def _cursor(following: str | None, key: bytes) -> str | None:
    return encode_cursor({"after": following}, key) if following is not None else None
