"""The routes of schedules, part of the internal API."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from steptrail_common.contracts.model import Page, utc
from steptrail_common.contracts.schedules import NextRun, ScheduleView, TickView
from steptrail_common.web import Actor, decode_cursor, encode_cursor, read_actor

from steptrail_orchestrator import queries
from steptrail_orchestrator.handlers import pause_schedule, resume_schedule
from steptrail_orchestrator.ports import RunReader, ScheduleStore

Id = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[ -~]+$")]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]
By = Annotated[Actor, Depends(read_actor)]


def schedule_routes(schedules: ScheduleStore, reader: RunReader, cursor_key: bytes) -> APIRouter:
    """Lists, pause and resume."""
    router = APIRouter(prefix="/schedules")
    _list_routes(router, schedules, reader, cursor_key)
    _change_routes(router, schedules, reader)
    return router


def _list_routes(router: APIRouter, schedules: ScheduleStore, reader: RunReader, cursor_key: bytes) -> None:
    @router.get("")
    async def list_schedules(
        process_id: Id | None = None, limit: Limit = 50, cursor: Cursor = None
    ) -> Page[ScheduleView]:
        values = decode_cursor(cursor, cursor_key + b"schedules") if cursor else None
        after = (str(values["process_id"]), int(values["number"])) if values else None
        items = await queries.list_schedules(
            process_id, after=after, limit=limit + 1, schedules=schedules, reader=reader
        )
        page = items[:limit]
        last = {"process_id": page[-1].process_id, "number": page[-1].number} if len(items) > limit else None
        return Page(items=page, next_cursor=encode_cursor(last, cursor_key + b"schedules") if last else None)

    @router.get("/next")
    async def list_next_runs(process_id: Annotated[list[Id], Query(max_length=200)]) -> list[NextRun]:
        return await schedules.next_runs(process_id)

    @router.get("/{schedule_id}")
    async def read_schedule(schedule_id: str) -> ScheduleView:
        return await queries.read_schedule(schedule_id, schedules=schedules, reader=reader)

    @router.get("/{schedule_id}/ticks")
    async def list_ticks(schedule_id: str, limit: Limit = 50, cursor: Cursor = None) -> Page[TickView]:
        values = decode_cursor(cursor, cursor_key + b"ticks") if cursor else None
        before = datetime.fromisoformat(values["before"]) if values else None
        items = await queries.list_ticks(schedule_id, before=before, limit=limit + 1, schedules=schedules)
        page = items[:limit]
        last = {"before": utc(page[-1].tick_at)} if len(items) > limit else None
        return Page(items=page, next_cursor=encode_cursor(last, cursor_key + b"ticks") if last else None)


def _change_routes(router: APIRouter, schedules: ScheduleStore, reader: RunReader) -> None:
    @router.post("/{schedule_id}/pause")
    async def pause(schedule_id: str, actor: By) -> ScheduleView:
        await pause_schedule(schedule_id, actor=actor.username, schedules=schedules)
        return await queries.read_schedule(schedule_id, schedules=schedules, reader=reader)

    @router.post("/{schedule_id}/resume")
    async def resume(schedule_id: str, actor: By) -> ScheduleView:
        await resume_schedule(schedule_id, schedules=schedules)
        return await queries.read_schedule(schedule_id, schedules=schedules, reader=reader)
