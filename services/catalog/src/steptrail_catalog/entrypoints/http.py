"""The internal API of the catalog; the gateway mirrors it under `/api/v1`."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from pydantic import AfterValidator
from steptrail_common.contracts.catalog import (
    ConnectionRights,
    ConnectionView,
    ConnectionWrite,
    DefinitionSnapshot,
    Facet,
    Facets,
    Plan,
    PlanRequest,
    ProcessSummary,
    ProcessView,
    RevisionSummary,
    RevisionView,
    SealedConnection,
    SnapshotRequest,
    ValidationReport,
)
from steptrail_common.contracts.definition import Document
from steptrail_common.contracts.model import Page
from steptrail_common.errors import InvalidInput, NotFound, PreconditionRequired, UnsupportedMedia
from steptrail_common.web import Actor, build_app, decode_cursor, encode_cursor, read_actor

from steptrail_catalog import handlers, queries
from steptrail_catalog.domain.source import MEDIA_TYPES, Source
from steptrail_catalog.domain.summary import sort_name
from steptrail_catalog.domain.validation import read_text
from steptrail_catalog.ports import Process, ProcessFilter, Stores

YAML = "application/yaml"
MAX_IDS = 200
Limit = Annotated[int, Query(ge=1, le=200)]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


Printable = Annotated[str, AfterValidator(_printable)]
Words = Annotated[Printable, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=1000)]
IfMatch = Annotated[str | None, Header(max_length=200)]
By = Annotated[Actor, Depends(read_actor)]
Hook = Callable[[], None]
Schema = Callable[[], dict[str, Any]]
_TAG = re.compile(r'(?:W/)?"(\d{1,9})"\Z')


def build_api(
    *,
    stores: Stores,
    wake: Hook,
    service_token: str | None,
    cursor_key: bytes,
    checks: Mapping[str, Callable[[], Awaitable[None]]],
    process_schema: Schema,
    connection_schema: Schema,
) -> FastAPI:
    """The application with every route. `wake` is called after each commit, so that events leave at once."""
    app = build_app(title="Steptrail catalog", service_token=service_token, checks=checks)
    app.include_router(_reading_processes(stores, cursor_key))
    app.include_router(_checking_processes(stores))
    app.include_router(_writing_processes(stores, wake))
    app.include_router(_revisions(stores, wake, cursor_key))
    app.include_router(_connections(stores, wake, cursor_key))
    app.include_router(_snapshots(stores))
    app.include_router(_schemas(process_schema, connection_schema))
    return app


async def sent_definition(request: Request) -> Source:
    """The body as document; raises `InvalidInput` with lines, `UnsupportedMedia`."""
    given = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if given not in MEDIA_TYPES:
        raise UnsupportedMedia(f"{given[:80]} is not read here: send application/json or application/yaml")
    body = await request.body()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput.field("body", f"is not UTF-8 at byte {error.start}") from None
    return await asyncio.to_thread(read_text, text, MEDIA_TYPES[given])


Sent = Annotated[Source, Depends(sent_definition)]


def expected(if_match: str | None, *, required: bool) -> int | None:
    """The revision of `If-Match: "7"`; None for `*`, and for nothing where nothing is allowed."""
    if if_match is None or if_match.strip() == "*":
        if if_match is None and required:
            raise PreconditionRequired('send If-Match with the ETag you read, such as "7": nobody else\'s save is lost')
        return None
    match = _TAG.match(if_match.strip())
    if match is None:
        raise InvalidInput.field("header.If-Match", 'must be one ETag of this resource, such as "7"')
    return int(match[1])


def etag(number: int) -> dict[str, str]:
    return {"ETag": f'"{number}"'}


def _answer(process: Process, status: int = 200) -> Response:
    body = queries.process_view(process).model_dump_json(by_alias=True)
    headers = etag(process.current.revision)
    return Response(body, status, headers, "application/json")


def _ids(given: list[str] | None) -> list[str] | None:
    """Repeated or separated by commas; nothing asked for is no filter."""
    if given is None:
        return None
    wanted = list(dict.fromkeys(part for item in given for part in item.split(",") if part))
    if len(wanted) > MAX_IDS:
        raise InvalidInput.field("query.ids", f"ask for at most {MAX_IDS} processes at a time")
    return wanted


def _key(cursor_key: bytes, what: str) -> bytes:
    """Each list signs with a key of its own, so that a cursor of one list is refused by another."""
    return cursor_key + what.encode()


def _number(text: str) -> int:
    """The number of a revision; whatever no revision can have is not found."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise NotFound("there is no such revision")
    return int(text)


def _reading_processes(stores: Stores, cursor_key: bytes) -> APIRouter:
    router = APIRouter()
    key = _key(cursor_key, "processes")

    @router.get("/processes")
    async def list_processes(
        q: Words | None = None,
        category: Words | None = None,
        tag: Annotated[list[Printable] | None, Query(max_length=20)] = None,
        owner: Words | None = None,
        active: bool | None = None,
        board: bool | None = None,
        ids: Annotated[list[str] | None, Query(max_length=MAX_IDS)] = None,
        connection_id: Words | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[ProcessSummary]:
        wanted = ProcessFilter(q, category, tag or (), owner, active, board, _ids(ids), connection_id)
        after = decode_cursor(cursor, key) if cursor else None
        place = (str(after["name"]), str(after["id"])) if after else None
        found = await stores.processes.search(wanted, after=place, limit=limit + 1)
        following = None
        if len(found) > limit:
            last = found[limit - 1]
            following = encode_cursor({"name": sort_name(last.name), "id": last.process_id}, key)
        return Page(items=list(found[:limit]), next_cursor=following)

    @router.get("/processes/{process_id}", response_model=ProcessView)
    async def read_process(
        process_id: str, request: Request, if_none_match: Annotated[str | None, Header(max_length=1000)] = None
    ) -> Response:
        process = await stores.processes.get(process_id)
        tag = etag(process.current.revision)
        if if_none_match is not None and tag["ETag"] in if_none_match:
            return Response(status_code=304, headers=tag)
        if "yaml" in request.headers.get("accept", ""):
            return Response(process.current.source_yaml, 200, tag, YAML)
        return _answer(process)

    @router.get("/facets")
    async def facets() -> Facets:
        found = await stores.processes.facets()
        return Facets(
            **{name: [Facet(value=value, count=count) for value, count in values] for name, values in found.items()}
        )

    return router


def _checking_processes(stores: Stores) -> APIRouter:
    router = APIRouter()

    @router.post("/processes/validate")
    async def validate(request: Request) -> ValidationReport:
        try:
            source = await sent_definition(request)
        except InvalidInput as error:
            return ValidationReport(valid=False, errors=error.errors or [])
        return await handlers.check(source, stores=stores)

    async def planned(body: PlanRequest, process_id: str | None) -> Plan:
        if body.document is not None:
            definition = await handlers.valid_definition(Source(body.document), stores=stores)
        elif process_id is not None:
            definition = queries.process_view(await stores.processes.get(process_id)).definition
        else:
            raise InvalidInput.field("body.document", "is required: the definition to plan")
        return await queries.plan_of(definition, body.inputs, stores=stores)

    @router.post("/processes/plan")
    async def plan_draft(body: PlanRequest) -> Plan:
        return await planned(body, None)

    @router.post("/processes/{process_id}/plan")
    async def plan_process(process_id: str, body: PlanRequest) -> Plan:
        return await planned(body, process_id)

    return router


def _writing_processes(stores: Stores, wake: Hook) -> APIRouter:
    router = APIRouter()

    @router.post("/processes", status_code=201, response_model=ProcessView)
    async def create_process(source: Sent, actor: By) -> Response:
        process = await handlers.create_process(source, by=actor.username, stores=stores)
        wake()
        answer = _answer(process, 201)
        answer.headers["Location"] = f"/processes/{process.process_id}"
        return answer

    @router.put("/processes/{process_id}", response_model=ProcessView)
    async def save_process(process_id: str, source: Sent, actor: By, if_match: IfMatch = None) -> Response:
        below = expected(if_match, required=True)
        process = await handlers.save_process(process_id, source, expected=below, by=actor.username, stores=stores)
        wake()
        return _answer(process)

    @router.delete("/processes/{process_id}", status_code=204)
    async def delete_process(process_id: str, actor: By, if_match: IfMatch = None) -> None:
        below = expected(if_match, required=False)
        await handlers.delete_process(process_id, expected=below, by=actor.username, stores=stores)
        wake()

    return router


def _revisions(stores: Stores, wake: Hook, cursor_key: bytes) -> APIRouter:
    router = APIRouter(prefix="/processes/{process_id}/revisions")

    @router.get("")
    async def list_revisions(process_id: str, limit: Limit = 50, cursor: Cursor = None) -> Page[RevisionSummary]:
        key = _key(cursor_key, f"revisions {process_id}")
        before = int(decode_cursor(cursor, key)["before"]) if cursor else None
        found = await stores.processes.revisions(process_id, before=before, limit=limit + 1)
        following = encode_cursor({"before": found[limit - 1].revision}, key) if len(found) > limit else None
        return Page(items=[queries.revision_summary(item) for item in found[:limit]], next_cursor=following)

    @router.get("/{number}")
    async def read_revision(process_id: str, number: str) -> RevisionView:
        return queries.revision_view(await stores.processes.revision(process_id, _number(number)))

    @router.post("/{number}/restore", response_model=ProcessView)
    async def restore(process_id: str, number: str, actor: By, if_match: IfMatch = None) -> Response:
        below, old = expected(if_match, required=False), _number(number)
        process = await handlers.restore_revision(process_id, old, expected=below, by=actor.username, stores=stores)
        wake()
        return _answer(process)

    return router


def _connections(stores: Stores, wake: Hook, cursor_key: bytes) -> APIRouter:
    router = APIRouter(prefix="/connections")
    key = _key(cursor_key, "connections")

    @router.get("")
    async def list_connections(limit: Limit = 50, cursor: Cursor = None) -> Page[ConnectionView]:
        after = str(decode_cursor(cursor, key)["id"]) if cursor else None
        found = await stores.connections.page(after=after, limit=limit + 1)
        following = encode_cursor({"id": found[limit - 1].connection_id}, key) if len(found) > limit else None
        return Page(items=[queries.connection_view(item) for item in found[:limit]], next_cursor=following)

    @router.post("", status_code=201)
    async def create_connection(body: ConnectionWrite, actor: By, response: Response) -> ConnectionView:
        connection = await handlers.create_connection(body, by=actor.username, stores=stores)
        wake()
        response.headers.update(etag(connection.version))
        return queries.connection_view(connection)

    @router.get("/{connection_id}")
    async def read_connection(connection_id: str, response: Response) -> ConnectionView:
        connection = await stores.connections.get(connection_id)
        response.headers.update(etag(connection.version))
        return queries.connection_view(connection)

    @router.put("/{connection_id}")
    async def save_connection(
        connection_id: str, body: ConnectionWrite, actor: By, response: Response, if_match: IfMatch = None
    ) -> ConnectionView:
        if body.connection_id != connection_id:
            raise InvalidInput.field("body.connection_id", f"must stay {connection_id}")
        below = expected(if_match, required=False)
        connection = await handlers.save_connection(body, expected=below, by=actor.username, stores=stores)
        wake()
        response.headers.update(etag(connection.version))
        return queries.connection_view(connection)

    @router.delete("/{connection_id}", status_code=204)
    async def delete_connection(connection_id: str, actor: By) -> None:
        await handlers.delete_connection(connection_id, by=actor.username, stores=stores)
        wake()

    @router.put("/{connection_id}/rights", status_code=204)
    async def store_rights(connection_id: str, body: ConnectionRights) -> None:
        await handlers.keep_rights(connection_id, body, stores=stores)

    @router.post("/{connection_id}/rights/accept")
    async def accept_rights(connection_id: str, actor: By) -> ConnectionView:
        return queries.connection_view(await handlers.accept_rights(connection_id, by=actor.username, stores=stores))

    @router.get("/{connection_id}/sealed")
    async def read_sealed(connection_id: str) -> SealedConnection:
        return queries.sealed(await stores.connections.get(connection_id))

    return router


def _snapshots(stores: Stores) -> APIRouter:
    router = APIRouter(prefix="/snapshots")

    def answer(snapshot: DefinitionSnapshot) -> Response:
        return Response(snapshot.model_dump_json(by_alias=True), media_type="application/json")

    @router.post("", response_model=DefinitionSnapshot)
    async def snapshot(body: SnapshotRequest) -> Response:
        return answer(await queries.snapshot(body.process_id, body.revision, stores=stores))

    @router.post("/draft", response_model=DefinitionSnapshot)
    async def draft(body: Document) -> Response:
        definition = await handlers.valid_definition(Source(body), stores=stores)
        return answer(await queries.draft_snapshot(definition, stores=stores))

    return router


def _schemas(process_schema: Schema, connection_schema: Schema) -> APIRouter:
    """The shapes people write, for editors and forms."""
    router = APIRouter(prefix="/schemas")

    @router.get("/process")
    async def read_process_schema() -> dict[str, Any]:
        return process_schema()

    @router.get("/connection")
    async def read_connection_schema() -> dict[str, Any]:
        return connection_schema()

    return router
