"""Processes: definitions, revisions, plans, and the list that joins them with what their runs say."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from steptrail_common.contracts.catalog import (
    Facets,
    Plan,
    PlanRequest,
    ProcessView,
    RevisionSummary,
    RevisionView,
    ValidationReport,
)
from steptrail_common.contracts.gateway import Overview, ProcessRow
from steptrail_common.contracts.model import Page, RunStatus

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.examples import DEFINITION, DEFINITION_YAML
from steptrail_gateway.entrypoints.http.forward import (
    Cursor,
    IfMatch,
    IfNoneMatch,
    Limit,
    SentQuery,
    as_json,
    conditions,
    forward,
    problems,
)
from steptrail_gateway.handlers.relay import Forwarded
from steptrail_gateway.queries import ProcessFilter, overview, process_rows

router = APIRouter(tags=["processes"])
Reader = Annotated[Caller, may("processes.read")]
Validator = Annotated[Caller, may("processes.validate")]
Writer = Annotated[Caller, may("processes.write")]
DEFINITION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A definition in the process format, as JSON or YAML",
        "content": {
            "application/json": {"schema": {"type": "object"}, "example": DEFINITION},
            "application/yaml": {"schema": {"type": "string"}, "example": DEFINITION_YAML},
        },
    }
}
PROCESS_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {"ETag": {"schema": {"type": "string"}, "description": "Of this revision, for If-Match"}},
        "content": {"application/yaml": {"schema": {"type": "string"}}},
    }
}


async def definition_sent(request: Request) -> tuple[bytes, dict[str, str]]:
    """The body untouched, because lines of YAML are named in errors, and its content type."""
    return await request.body(), {"Content-Type": request.headers.get("content-type", "application/json")}


@router.get("/processes", response_model=Page[ProcessRow], responses=problems())
async def list_processes(
    gateway: GatewayDep,
    caller: Reader,
    q: Annotated[str | None, Query(max_length=200, description="Free text in id, name, description")] = None,
    category: str | None = None,
    tag: Annotated[list[str] | None, Query(description="Repeatable: all of them")] = None,
    owner: str | None = None,
    active: bool | None = None,
    board: Annotated[
        bool | None, Query(description="Whether it has a stuck board: a `population` of open keys")
    ] = None,
    ids: Annotated[list[str] | None, Query(description="Repeatable: only these")] = None,
    connection_id: Annotated[
        str | None, Query(max_length=64, description="Only those whose steps name this connection")
    ] = None,
    status: Annotated[
        list[RunStatus] | None,
        Query(description="Repeatable: of the last run; a page can then be shorter than `limit`"),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ProcessRow]:
    """The list of processes with the last verdict of each."""
    wanted = ProcessFilter(
        q,
        category,
        tuple(tag or ()),
        owner,
        active,
        board,
        tuple(ids or ()),
        connection_id,
        frozenset(status or ()),
        limit,
        cursor,
    )
    return await process_rows(caller, wanted, clients=gateway.clients)


@router.get("/overview", response_model=Overview, responses=problems())
async def read_overview(gateway: GatewayDep, caller: Reader, limit: Limit = 50, cursor: Cursor = None) -> Overview:
    """How all active processes stand, and a page of them: those that need a person first."""
    return await overview(caller, limit, cursor, clients=gateway.clients)


@router.post(
    "/processes",
    status_code=201,
    response_model=ProcessView,
    responses=problems(409, 413, 415),
    openapi_extra=DEFINITION_BODY,
)
async def create_process(request: Request, gateway: GatewayDep, caller: Writer) -> Response:
    """Save a new process as its first revision."""
    content, headers = await definition_sent(request)
    forwarded = Forwarded("POST", "/processes", content=content, headers=headers, action="process.create")
    return await forward(gateway, caller, "processes.write", gateway.clients.catalog, forwarded)


@router.post(
    "/processes/validate",
    response_model=ValidationReport,
    responses=problems(413, 415),
    openapi_extra=DEFINITION_BODY,
)
async def validate_process(request: Request, gateway: GatewayDep, caller: Validator) -> Response:
    """Check a definition without saving it. Answers 200 also when it is invalid; `valid` tells."""
    content, headers = await definition_sent(request)
    forwarded = Forwarded("POST", "/processes/validate", content=content, headers=headers)
    return await forward(gateway, caller, "processes.validate", gateway.clients.catalog, forwarded)


@router.post("/processes/plan", response_model=Plan, responses=problems(413))
async def plan_draft(gateway: GatewayDep, caller: Validator, body: PlanRequest) -> Response:
    """List what a run of an unsaved definition would touch, without touching it."""
    forwarded = Forwarded("POST", "/processes/plan", json=as_json(body))
    return await forward(gateway, caller, "processes.validate", gateway.clients.catalog, forwarded)


@router.get("/processes/{process_id}", response_model=ProcessView, responses={**problems(404), **PROCESS_ANSWER})
async def read_process(
    process_id: str, request: Request, gateway: GatewayDep, caller: Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """A process with its definition; as YAML with `Accept: application/yaml`."""
    headers = conditions(if_none_match=if_none_match)
    if "yaml" in request.headers.get("accept", ""):
        headers["Accept"] = "application/yaml"
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}", headers=headers)
    return await forward(gateway, caller, "processes.read", gateway.clients.catalog, forwarded)


@router.put(
    "/processes/{process_id}",
    response_model=ProcessView,
    responses=problems(404, 412, 413, 415, 428),
    openapi_extra=DEFINITION_BODY,
)
async def save_process(
    process_id: str, request: Request, gateway: GatewayDep, caller: Writer, if_match: IfMatch = None
) -> Response:
    """Save a new revision of a process."""
    content, headers = await definition_sent(request)
    forwarded = Forwarded(
        "PUT",
        f"/processes/{segment(process_id)}",
        content=content,
        headers={**headers, **conditions(if_match=if_match)},
        action="process.save",
        object=process_id,
    )
    return await forward(gateway, caller, "processes.write", gateway.clients.catalog, forwarded)


@router.delete("/processes/{process_id}", status_code=204, responses=problems(404, 412))
async def delete_process(process_id: str, gateway: GatewayDep, caller: Writer, if_match: IfMatch = None) -> Response:
    """Delete a process. Its runs stay."""
    forwarded = Forwarded(
        "DELETE",
        f"/processes/{segment(process_id)}",
        headers=conditions(if_match=if_match),
        action="process.delete",
        object=process_id,
    )
    return await forward(gateway, caller, "processes.write", gateway.clients.catalog, forwarded)


@router.post("/processes/{process_id}/plan", response_model=Plan, responses=problems(404, 413))
async def plan_process(process_id: str, gateway: GatewayDep, caller: Validator, body: PlanRequest) -> Response:
    """List what a run would touch, without touching it; of the draft in `document` if there is one."""
    forwarded = Forwarded("POST", f"/processes/{segment(process_id)}/plan", json=as_json(body))
    return await forward(gateway, caller, "processes.validate", gateway.clients.catalog, forwarded)


@router.get("/processes/{process_id}/revisions", response_model=Page[RevisionSummary], responses=problems(404))
async def list_revisions(
    process_id: str,
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Every save of a process, newest first."""
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}/revisions", params=query)
    return await forward(gateway, caller, "processes.read", gateway.clients.catalog, forwarded)


@router.get("/processes/{process_id}/revisions/{n}", response_model=RevisionView, responses=problems(404))
async def read_revision(process_id: str, n: str, gateway: GatewayDep, caller: Reader) -> Response:
    """One revision with its definition."""
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}/revisions/{segment(n)}")
    return await forward(gateway, caller, "processes.read", gateway.clients.catalog, forwarded)


@router.post("/processes/{process_id}/revisions/{n}/restore", response_model=ProcessView, responses=problems(404, 412))
async def restore_revision(
    process_id: str, n: str, gateway: GatewayDep, caller: Writer, if_match: IfMatch = None
) -> Response:
    """Save an old revision again as the newest."""
    forwarded = Forwarded(
        "POST",
        f"/processes/{segment(process_id)}/revisions/{segment(n)}/restore",
        headers=conditions(if_match=if_match),
        action="process.restore",
        object=f"{process_id}@{n}",
    )
    return await forward(gateway, caller, "processes.write", gateway.clients.catalog, forwarded)


@router.get("/facets", response_model=Facets, responses=problems())
async def read_facets(gateway: GatewayDep, caller: Reader) -> Response:
    """Categories, tags and owners with their counts, for filters."""
    return await forward(gateway, caller, "processes.read", gateway.clients.catalog, Forwarded("GET", "/facets"))
