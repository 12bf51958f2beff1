"""The internal API of the orchestrator; the gateway mirrors it under `/api/v1`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Response
from pydantic import AfterValidator
from steptrail_common import telemetry
from steptrail_common.bus.port import Bus
from steptrail_common.contracts.catalog import ConnectionTest
from steptrail_common.contracts.model import Page, RunStatus, Timestamp, utc
from steptrail_common.contracts.orchestrator import (
    LoggedEvent,
    QueueState,
    RunAccepted,
    RunDiff,
    RunEvent,
    RunSummary,
    RunView,
    SlowFrom,
    StartRun,
    TriedStep,
    Trigger,
    TryStep,
    WorkerState,
)
from steptrail_common.errors import InvalidInput, NotFound
from steptrail_common.evidence import EvidenceStore
from steptrail_common.web import Actor, build_app, decode_cursor, encode_cursor, read_actor

from steptrail_orchestrator import handlers, queries
from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.entrypoints.boards import board_routes
from steptrail_orchestrator.entrypoints.schedules import schedule_routes
from steptrail_orchestrator.handlers.running import Poke
from steptrail_orchestrator.ports import (
    BoardStore,
    Catalog,
    Place,
    Prober,
    RunFilter,
    RunReader,
    RunStore,
    ScheduleStore,
)

MAX_KEY = 255
_MAX_POSITION = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes need."""

    store: RunStore
    reader: RunReader
    schedules: ScheduleStore
    boards: BoardStore
    boarding: handlers.Boarding
    catalog: Catalog
    prober: Prober
    evidence: EvidenceStore
    bus: Bus
    limits: Limits
    live_seconds: float
    poke: Poke
    new_run_id: Callable[[], str]
    cursor_key: bytes


def _storable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


Text = Annotated[str, Query(min_length=1, max_length=500), AfterValidator(_storable)]
Ids = Annotated[list[Text] | None, Query(max_length=200)]
By = Annotated[Actor, Depends(read_actor)]
Limit = Annotated[int, Query(ge=1, le=200)]


def build_api(
    parts: Parts, *, service_token: str | None, checks: Mapping[str, Callable[[], Awaitable[None]]]
) -> FastAPI:
    """The application with every route."""
    app = build_app(title="Steptrail orchestrator", service_token=service_token, checks=checks)
    boards = board_routes(parts.boards, parts.boarding, parts.catalog, parts.reader, parts.cursor_key)
    schedules = schedule_routes(parts.schedules, parts.reader, parts.cursor_key)
    for router in (_commands(parts), _runs(parts), _log(parts), _trials(parts), schedules, boards):
        app.include_router(router)
    return app


def _commands(parts: Parts) -> APIRouter:
    router = APIRouter()

    @router.post("/runs", status_code=202)
    async def start_run(
        body: StartRun,
        response: Response,
        actor: By,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=MAX_KEY)] = None,
        x_steptrail_trigger: Annotated[Trigger, Header()] = "api",
    ) -> RunAccepted:
        with telemetry.span("run.start", process_id=body.process_id):
            accepted = await handlers.start_run(
                body,
                run_id=parts.new_run_id(),
                actor=actor.username,
                trigger=x_steptrail_trigger,
                idempotency_key=idempotency_key,
                trace=telemetry.inject({}).get("traceparent"),
                store=parts.store,
                reader=parts.reader,
                catalog=parts.catalog,
                poke=parts.poke,
            )
        response.headers["Location"] = f"/runs/{accepted.run_id}"
        return accepted

    @router.post("/runs/{run_id}/cancel", status_code=202)
    async def cancel_run(run_id: str, actor: By) -> RunView:
        await handlers.cancel_run(_known_form(run_id), actor=actor.username, store=parts.store)
        return await queries.read_run(run_id, reader=parts.reader)

    return router


def _runs(parts: Parts) -> APIRouter:
    router = APIRouter()

    @router.get("/runs")
    async def list_runs(
        wanted: Annotated[RunFilter, Depends(run_filter)],
        limit: Limit = 50,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
    ) -> Page[RunSummary]:
        before = _place(cursor, parts.cursor_key)
        found = await queries.list_runs(wanted, before=before, limit=limit, reader=parts.reader)
        behind = found.next_place
        values = {"at": utc(behind.queued_at), "id": behind.run_id} if behind else None
        return Page(items=found.items, next_cursor=encode_cursor(values, parts.cursor_key) if values else None)

    @router.get("/slow")
    async def list_slow(process_id: Annotated[list[Text], Query(max_length=200)]) -> list[SlowFrom]:
        return await queries.list_slow(process_id, reader=parts.reader)

    @router.get("/runs/{run_id}")
    async def read_run(run_id: str) -> RunView:
        return await queries.read_run(_known_form(run_id), reader=parts.reader)

    @router.get("/runs/{run_id}/diff")
    async def diff_run(run_id: str, against: Text = queries.LAST_SUCCESS) -> RunDiff:
        return await queries.diff_run(_known_form(run_id), against, reader=parts.reader, evidence=parts.evidence)

    @router.get("/runs/{run_id}/evidence/{evidence_id}", response_class=Response)
    async def read_evidence(run_id: str, evidence_id: str) -> Response:
        kept, body = await queries.read_evidence(
            _known_form(run_id), _known_form(evidence_id), reader=parts.reader, evidence=parts.evidence
        )
        disposition = f"attachment; filename*=UTF-8''{quote(kept.evidence_id, safe='')}"
        headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
        return Response(body, media_type=kept.media_type, headers=headers)

    return router


def _log(parts: Parts) -> APIRouter:
    router = APIRouter()

    @router.get("/runs/{run_id}/events")
    async def list_run_events(
        run_id: str, after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0, limit: Limit = 200
    ) -> Page[RunEvent]:
        return await queries.list_events(_known_form(run_id), after=after, limit=limit, reader=parts.reader)

    @router.get("/events")
    async def read_log(
        after: Annotated[int, Query(ge=0, le=_MAX_POSITION)] = 0,
        run_id: Ids = None,
        process_id: Ids = None,
        limit: Limit = 200,
    ) -> Page[LoggedEvent]:
        return await queries.read_log(
            after=after, run_ids=run_id or (), process_ids=process_id or (), limit=limit, reader=parts.reader
        )

    return router


def _trials(parts: Parts) -> APIRouter:
    router = APIRouter()

    @router.post("/steps/try")
    async def try_step(body: TryStep, actor: By) -> TriedStep:
        return await handlers.try_step(
            body,
            actor=actor.username,
            catalog=parts.catalog,
            reader=parts.reader,
            prober=parts.prober,
            limits=parts.limits,
            live_seconds=parts.live_seconds,
            evidence=parts.evidence,
        )

    @router.post("/connections/{connection_id}/test")
    async def test_connection(connection_id: str) -> ConnectionTest:
        return await handlers.test_connection(
            _known_form(connection_id),
            catalog=parts.catalog,
            reader=parts.reader,
            prober=parts.prober,
            live_seconds=parts.live_seconds,
        )

    @router.get("/workers")
    async def list_workers() -> list[WorkerState]:
        return await queries.list_workers(reader=parts.reader, live_seconds=parts.live_seconds)

    @router.get("/queues")
    async def list_queues() -> list[QueueState]:
        return await queries.list_queues(reader=parts.reader, bus=parts.bus, live_seconds=parts.live_seconds)

    return router


async def run_filter(
    process_id: Text | None = None,
    status: Annotated[list[RunStatus] | None, Query(max_length=20)] = None,
    key: Text | None = None,
    initiated_by: Text | None = None,
    trigger: Trigger | None = None,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
) -> RunFilter:
    """The filters of the list. `since` and `until` look at when a run was queued."""
    if since is not None and until is not None and since >= until:
        raise InvalidInput.field("query.since", "must be before until")
    return RunFilter(
        process_id=process_id,
        statuses=tuple(item.value for item in status or ()),
        key=key,
        initiated_by=initiated_by,
        trigger=trigger,
        since=since,
        until=until,
    )


def _known_form(text: str) -> str:
    """An id as ours are; anything else is as unknown as one that was never given."""
    if len(text) > MAX_KEY or not text.isascii() or not text.isprintable():
        raise NotFound("there is no such thing")
    return text


def _place(cursor: str | None, key: bytes) -> Place | None:
    if cursor is None:
        return None
    values = decode_cursor(cursor, key)
    return Place(datetime.fromisoformat(values["at"]), str(values["id"]))
