"""Reports: the history of runs as reporting knows it, figures per process, exports."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime
from steptrail_common.contracts.model import Page, RunStatus
from steptrail_common.contracts.orchestrator import Trigger
from steptrail_common.contracts.reporting import (
    GridColumn,
    ProcessFigures,
    ProcessState,
    RunExport,
    RunFact,
    Trend,
)

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.forward import (
    Cursor,
    Limit,
    SentQuery,
    forward,
    pass_through,
    problems,
)
from steptrail_gateway.handlers.relay import Forwarded

router = APIRouter(tags=["reports"])
Reader = Annotated[Caller, may("reports.read")]
ProcessIds = Annotated[list[str] | None, Query(max_length=200, description="Repeatable")]
Statuses = Annotated[list[RunStatus] | None, Query(description="Repeatable")]
Since = Annotated[AwareDatetime | None, Query(description="From this moment on")]
Until = Annotated[AwareDatetime | None, Query(description="Before this moment")]
Search = Annotated[str | None, Query(max_length=200, description="Free text in process, key, person, verdict")]


async def history_query(
    query: SentQuery,
    q: Search = None,
    process_id: ProcessIds = None,
    status: Statuses = None,
    key: Annotated[str | None, Query(max_length=200)] = None,
    initiated_by: Annotated[str | None, Query(max_length=200)] = None,
    trigger: Trigger | None = None,
    since: Since = None,
    until: Until = None,
) -> dict[str, list[str]]:
    """The filters of the history, of list and exports alike; validated here, passed on as sent."""
    return query


HistoryQuery = Annotated[dict[str, list[str]], Depends(history_query)]


@router.get("/reports/runs", response_model=Page[RunFact], responses=problems())
async def list_run_facts(
    query: HistoryQuery,
    gateway: GatewayDep,
    caller: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Search over the history of runs, newest first."""
    forwarded = Forwarded("GET", "/runs", params=query)
    return await forward(gateway, caller, "reports.read", gateway.clients.reporting, forwarded)


@router.get(
    "/reports/runs.csv",
    response_class=Response,
    responses={**problems(), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_csv(
    query: HistoryQuery,
    gateway: GatewayDep,
    caller: Reader,
) -> Response:
    """The same history as CSV, safe to open in a spreadsheet."""
    forwarded = Forwarded("GET", "/runs/export.csv", params=query)
    return await pass_through(gateway, caller, "reports.read", gateway.clients.reporting, forwarded)


@router.get("/reports/runs.json", response_class=Response, responses={**problems(), 200: {"model": RunExport}})
async def export_json(
    query: HistoryQuery,
    gateway: GatewayDep,
    caller: Reader,
) -> Response:
    """The same history as one JSON document."""
    forwarded = Forwarded("GET", "/runs/export.json", params=query)
    return await pass_through(gateway, caller, "reports.read", gateway.clients.reporting, forwarded)


@router.get("/reports/states", response_model=list[ProcessState], responses=problems())
async def list_states(
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    ids: Annotated[list[str], Query(min_length=1, max_length=200, description="Repeatable process ids")],
) -> Response:
    """The last verdict of processes, as in `state` of the rows of `GET /processes`."""
    forwarded = Forwarded("GET", "/processes/states", params=query)
    return await forward(gateway, caller, "reports.read", gateway.clients.reporting, forwarded)


@router.get("/metrics/processes/{process_id}", response_model=ProcessFigures, responses=problems(404))
async def read_figures(
    process_id: str,
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Success rate, durations, time to recover and retries of a process over a period."""
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}/figures", params=query)
    return await forward(gateway, caller, "reports.read", gateway.clients.reporting, forwarded)


@router.get("/metrics/processes/{process_id}/trend", response_model=Trend, responses=problems(404))
async def read_trend(
    process_id: str,
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    step_id: Annotated[str | None, Query(max_length=200, description="Of one step; else of whole runs")] = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Success rate and durations day by day, by default of the last 30 days. Days without runs are left out."""
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}/trend", params=query)
    return await forward(gateway, caller, "reports.read", gateway.clients.reporting, forwarded)


@router.get("/metrics/processes/{process_id}/grid", response_model=list[GridColumn], responses=problems(404))
async def read_grid(
    process_id: str, query: SentQuery, gateway: GatewayDep, caller: Reader, limit: Limit = 50
) -> Response:
    """The last runs of a process, each with the status and seconds of its steps; newest first."""
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}/grid", params=query)
    return await forward(gateway, caller, "reports.read", gateway.clients.reporting, forwarded)


@router.get("/metrics/processes/{process_id}/expected", response_model=dict[str, float], responses=problems(404))
async def read_expected(process_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """The usual duration of each step in seconds, from history; steps never passed are missing."""
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}/expected")
    return await forward(gateway, caller, "reports.read", gateway.clients.reporting, forwarded)
