"""Schedules: what is started by itself and when, what became of each tick, pause and resume."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from steptrail_common.contracts.model import Page
from steptrail_common.contracts.schedules import ScheduleView, TickView

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.forward import Cursor, Limit, SentQuery, forward, problems
from steptrail_gateway.handlers.relay import Forwarded

router = APIRouter(tags=["schedules"])
Reader = Annotated[Caller, may("schedules.read")]
Pauser = Annotated[Caller, may("schedules.pause")]


@router.get("/schedules", response_model=Page[ScheduleView], responses=problems())
async def list_schedules(
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    process_id: Annotated[str | None, Query(max_length=200, description="Only those of this process")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The schedules of all processes, with their next ticks, in order of process and place in its definition."""
    forwarded = Forwarded("GET", "/schedules", params=query)
    return await forward(gateway, caller, "schedules.read", gateway.clients.orchestrator, forwarded)


@router.get("/schedules/{schedule_id}", response_model=ScheduleView, responses=problems(404))
async def read_schedule(schedule_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """One schedule."""
    forwarded = Forwarded("GET", f"/schedules/{segment(schedule_id)}")
    return await forward(gateway, caller, "schedules.read", gateway.clients.orchestrator, forwarded)


@router.get("/schedules/{schedule_id}/ticks", response_model=Page[TickView], responses=problems(404))
async def list_ticks(
    schedule_id: str, query: SentQuery, gateway: GatewayDep, caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What became of each tick, newest first: a run, skipped on purpose, missed, or refused."""
    forwarded = Forwarded("GET", f"/schedules/{segment(schedule_id)}/ticks", params=query)
    return await forward(gateway, caller, "schedules.read", gateway.clients.orchestrator, forwarded)


@router.post("/schedules/{schedule_id}/pause", response_model=ScheduleView, responses=problems(404))
async def pause_schedule(schedule_id: str, gateway: GatewayDep, caller: Pauser) -> Response:
    """Start nothing by this schedule until it is resumed. The definition stays as it is."""
    forwarded = Forwarded(
        "POST", f"/schedules/{segment(schedule_id)}/pause", action="schedule.pause", object=schedule_id
    )
    return await forward(gateway, caller, "schedules.pause", gateway.clients.orchestrator, forwarded)


@router.post("/schedules/{schedule_id}/resume", response_model=ScheduleView, responses=problems(404))
async def resume_schedule(schedule_id: str, gateway: GatewayDep, caller: Pauser) -> Response:
    """Go on with the next tick. Ticks of the pause are recorded as skipped, not made up for."""
    forwarded = Forwarded(
        "POST", f"/schedules/{segment(schedule_id)}/resume", action="schedule.resume", object=schedule_id
    )
    return await forward(gateway, caller, "schedules.pause", gateway.clients.orchestrator, forwarded)
