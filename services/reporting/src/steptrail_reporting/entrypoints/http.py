"""The internal API of reporting; the gateway mirrors it under `/api/v1`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator
from steptrail_common.clock import Clock
from steptrail_common.contracts.model import Page, RunStatus, Slug, Timestamp, utc
from steptrail_common.contracts.orchestrator import Trigger
from steptrail_common.contracts.reporting import (
    GridColumn,
    OverviewStates,
    ProcessFigures,
    ProcessState,
    RunFact,
    Trend,
)
from steptrail_common.errors import InvalidInput
from steptrail_common.web import build_app, decode_cursor, encode_cursor

from steptrail_reporting import queries
from steptrail_reporting.domain.overview import OverviewPlace
from steptrail_reporting.domain.period import LONGEST_EXPORT_DAYS, Period, period
from steptrail_reporting.entrypoints.export import csv_lines, json_pieces
from steptrail_reporting.ports import FactStore, Position, RunFilter

MAX_STATES = 200


def _storable(text: str) -> str:
    if "\x00" in text or not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


Text = Annotated[str, Query(min_length=1, max_length=200), AfterValidator(_storable)]
ProcessId = Annotated[Slug, Path()]


async def run_filter(
    process_id: Annotated[list[Slug] | None, Query(max_length=200)] = None,
    status: Annotated[list[RunStatus] | None, Query(max_length=20)] = None,
    key: Text | None = None,
    initiated_by: Text | None = None,
    trigger: Trigger | None = None,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    q: Text | None = None,
) -> RunFilter:
    """The filters of history and exports. `since` and `until` look at when a run was queued."""
    if since is not None and until is not None and since >= until:
        raise InvalidInput.field("query.since", "must be before until")
    return RunFilter(
        process_ids=tuple(process_id or ()),
        statuses=tuple(item.value for item in status or ()),
        key=key,
        initiated_by=initiated_by,
        trigger=trigger,
        since=since,
        until=until,
        text=q,
    )


def build_api(
    *,
    store: FactStore,
    clock: Clock,
    service_token: str | None,
    cursor_key: bytes,
    checks: Mapping[str, Callable[[], Awaitable[None]]],
) -> FastAPI:
    """The application with every route."""
    app = build_app(title="Steptrail reporting", service_token=service_token, checks=checks)
    app.include_router(_runs(store, cursor_key))
    app.include_router(_exports(store, clock))
    app.include_router(_processes(store, clock, cursor_key))
    return app


def _runs(store: FactStore, cursor_key: bytes) -> APIRouter:
    router = APIRouter()

    @router.get("/runs")
    async def list_runs(
        wanted: Annotated[RunFilter, Depends(run_filter)],
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
    ) -> Page[RunFact]:
        after = _position(cursor, cursor_key) if cursor else None
        items, following = await queries.list_runs(wanted, after=after, limit=limit, store=store)
        return Page(items=items, next_cursor=_cursor(following, cursor_key) if following else None)

    return router


def _exports(store: FactStore, clock: Clock) -> APIRouter:
    router = APIRouter()

    @router.get("/runs/export.csv", response_class=StreamingResponse)
    async def export_csv(wanted: Annotated[RunFilter, Depends(run_filter)]) -> StreamingResponse:
        asked = _export_period(wanted, clock)
        pages = queries.export_runs(_within(wanted, asked), store=store)
        return _download(csv_lines(pages), "text/csv; charset=utf-8", asked, "csv")

    @router.get("/runs/export.json", response_class=StreamingResponse)
    async def export_json(wanted: Annotated[RunFilter, Depends(run_filter)]) -> StreamingResponse:
        asked = _export_period(wanted, clock)
        pages = queries.export_runs(_within(wanted, asked), store=store)
        return _download(json_pieces(pages, asked), "application/json", asked, "json")

    return router


def _processes(store: FactStore, clock: Clock, cursor_key: bytes) -> APIRouter:
    router = APIRouter(prefix="/processes")

    @router.get("/states")
    async def states(ids: Annotated[list[str], Query(max_length=MAX_STATES)]) -> list[ProcessState]:
        wanted = list(dict.fromkeys(part for item in ids for part in item.split(",") if part))
        if len(wanted) > MAX_STATES:
            raise InvalidInput.field("query.ids", f"ask for at most {MAX_STATES} processes at a time")
        return await queries.process_states([_storable_id(item) for item in wanted], store=store)

    @router.get("/overview")
    async def overview(
        limit: Annotated[int, Query(ge=1, le=MAX_STATES)] = 50,
        cursor: Annotated[str | None, Query(max_length=1000)] = None,
    ) -> OverviewStates:
        after = _overview_place(cursor, cursor_key) if cursor else None
        counts, items, following = await queries.overview(after=after, limit=limit, store=store)
        return OverviewStates(
            **counts.model_dump(),
            items=items,
            next_cursor=_overview_cursor(following, cursor_key) if following else None,
        )

    @router.get("/{process_id}/trend")
    async def trend(
        process_id: ProcessId,
        step_id: Text | None = None,
        since: Timestamp | None = None,
        until: Timestamp | None = None,
    ) -> Trend:
        now = clock.now()
        return await queries.trend(process_id, step_id, since=since, until=until, now=now, store=store)

    @router.get("/{process_id}/figures")
    async def figures(
        process_id: ProcessId, since: Timestamp | None = None, until: Timestamp | None = None
    ) -> ProcessFigures:
        return await queries.figures(process_id, since=since, until=until, now=clock.now(), store=store)

    @router.get("/{process_id}/grid")
    async def grid(process_id: ProcessId, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[GridColumn]:
        return await queries.grid(process_id, limit=limit, store=store)

    @router.get("/{process_id}/expected")
    async def expected(process_id: ProcessId) -> dict[str, float]:
        return await queries.expected(process_id, now=clock.now(), store=store)

    return router


def _storable_id(text: str) -> str:
    if "\x00" in text or len(text) > 100:
        raise InvalidInput.field("query.ids", "a process id has at most 64 lower-case letters, digits and dashes")
    return text


def _cursor(position: Position, key: bytes) -> str:
    return encode_cursor({"at": utc(position.queued_at), "id": position.run_id}, key)


def _position(cursor: str, key: bytes) -> Position:
    values = decode_cursor(cursor, key)
    return Position(datetime.fromisoformat(values["at"]), values["id"])


def _overview_cursor(place: OverviewPlace, key: bytes) -> str:
    values = {"rank": place.rank, "at": utc(place.since), "name": place.name, "id": place.process_id}
    return encode_cursor(values, key + b"overview")


def _overview_place(cursor: str, key: bytes) -> OverviewPlace:
    values = decode_cursor(cursor, key + b"overview")
    return OverviewPlace(values["rank"], datetime.fromisoformat(values["at"]), values["name"], values["id"])


def _export_period(wanted: RunFilter, clock: Clock) -> Period:
    return period(wanted.since, wanted.until, now=clock.now(), longest_days=LONGEST_EXPORT_DAYS)


def _within(wanted: RunFilter, asked: Period) -> RunFilter:
    return replace(wanted, since=asked.since, until=asked.until)


def _download(pieces: AsyncIterator[str], media_type: str, asked: Period, ending: str) -> StreamingResponse:
    name = f"steptrail-runs-{asked.since:%Y-%m-%d}-to-{asked.until:%Y-%m-%d}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type=media_type, headers=headers)
