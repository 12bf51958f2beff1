"""Runs: start, watch, cancel, compare; evidence; and the workers that do them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from steptrail_common.contracts.model import Page, RunStatus
from steptrail_common.contracts.orchestrator import (
    QueueState,
    RunAccepted,
    RunDiff,
    RunEvent,
    RunSummary,
    RunView,
    StartRun,
    TriedStep,
    Trigger,
    TryStep,
    WorkerState,
)

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import Gateway, GatewayDep, may
from steptrail_gateway.entrypoints.http.forward import (
    Cursor,
    IdempotencyKey,
    Limit,
    SentQuery,
    as_json,
    forward,
    problems,
)
from steptrail_gateway.handlers.bundle import RunBundle
from steptrail_gateway.handlers.relay import Forwarded, relay, scoped_key
from steptrail_gateway.handlers.run_pieces import RunPieces
from steptrail_gateway.handlers.run_report import print_run

router = APIRouter(tags=["runs"])
Reader = Annotated[Caller, may("runs.read")]
WorkerReader = Annotated[Caller, may("workers.read")]


@router.post(
    "/runs",
    status_code=202,
    response_model=RunAccepted,
    responses={
        **problems(404, 409),
        202: {"headers": {"Location": {"schema": {"type": "string"}, "description": "The run"}}},
    },
)
async def start_run(
    gateway: GatewayDep,
    caller: Annotated[Caller, may("runs.start")],
    body: StartRun,
    key: IdempotencyKey = None,
    client: Annotated[Literal["cli"] | None, Header(alias="X-Steptrail-Client", include_in_schema=False)] = None,
) -> Response:
    """Start a check. With `from_run` a finished run is continued from `from_step`, its failed step by default."""
    trigger = "manual" if caller.via == "session" else (client or "api")
    forwarded = Forwarded(
        "POST",
        "/runs",
        json=as_json(body),
        headers={"X-Steptrail-Trigger": trigger, **scoped_key(caller, key)},
        action="run.start",
        object=body.process_id,
    )
    return await forward(gateway, caller, "runs.start", gateway.clients.orchestrator, forwarded)


@router.get("/runs", response_model=Page[RunSummary], responses=problems())
async def list_runs(
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    process_id: str | None = None,
    status: Annotated[list[RunStatus] | None, Query(description="Repeatable")] = None,
    key: Annotated[str | None, Query(max_length=500, description="The business key, e.g. an order number")] = None,
    initiated_by: str | None = None,
    trigger: Trigger | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Runs, newest first."""
    return await forward(
        gateway, caller, "runs.read", gateway.clients.orchestrator, Forwarded("GET", "/runs", params=query)
    )


@router.get("/runs/{run_id}", response_model=RunView, responses=problems(404))
async def read_run(run_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """A run with its whole planned chain and every result."""
    forwarded = Forwarded("GET", f"/runs/{segment(run_id)}")
    return await forward(gateway, caller, "runs.read", gateway.clients.orchestrator, forwarded)


@router.post("/runs/{run_id}/cancel", status_code=202, response_model=RunView, responses=problems(404, 409))
async def cancel_run(run_id: str, gateway: GatewayDep, caller: Annotated[Caller, may("runs.cancel")]) -> Response:
    """Cancel a run. Works in every open state, also when no worker lives."""
    forwarded = Forwarded("POST", f"/runs/{segment(run_id)}/cancel", action="run.cancel", object=run_id)
    return await forward(gateway, caller, "runs.cancel", gateway.clients.orchestrator, forwarded)


@router.get("/runs/{run_id}/events", response_model=Page[RunEvent], responses=problems(404))
async def list_run_events(
    run_id: str,
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    after: Annotated[int | None, Query(ge=0, description="Only those with a greater seq")] = None,
    limit: Limit = 200,
) -> Response:
    """The log of a run, numbered from 1 without gaps."""
    forwarded = Forwarded("GET", f"/runs/{segment(run_id)}/events", params=query)
    return await forward(gateway, caller, "runs.read", gateway.clients.orchestrator, forwarded)


@router.get(
    "/runs/{run_id}/evidence/{evidence_id}",
    response_class=Response,
    responses={
        **problems(404),
        200: {
            "description": "The bytes, verified by their hash, to be saved, not shown",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
async def read_evidence(run_id: str, evidence_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """One piece of evidence."""
    answer = await relay(
        caller,
        "runs.read",
        gateway.clients.orchestrator,
        Forwarded("GET", f"/runs/{segment(run_id)}/evidence/{segment(evidence_id)}"),
        audit=gateway.stores.audit,
        clock=gateway.clock,
    )
    return Response(
        content=answer.content,
        media_type=answer.headers.get("content-type", "application/octet-stream"),
        headers={
            "Content-Disposition": f'attachment; filename="{segment(evidence_id)}"',
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=86400, immutable",
        },
    )


@router.get(
    "/runs/{run_id}/bundle.zip",
    response_class=Response,
    responses={
        **problems(404),
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
    },
)
async def read_bundle(run_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """A run as one archive: the run and its events as JSON, and every piece of evidence as a file."""
    bundle = RunBundle(_pieces(run_id, gateway, caller))
    run = await bundle.open()
    headers = {"Content-Disposition": f'attachment; filename="steptrail-run-{segment(run.run_id)}.zip"'}
    return StreamingResponse(bundle.pieces(run), media_type="application/zip", headers=headers)


@router.get(
    "/runs/{run_id}/report.pdf",
    response_class=Response,
    responses={
        **problems(404),
        200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}},
    },
)
async def read_report(run_id: str, request: Request, gateway: GatewayDep, caller: Reader) -> Response:
    """A run on paper: verdict, chain, what was expected and found, attempts, evidence, log. Times are UTC."""
    pieces = _pieces(run_id, gateway, caller)
    origin = gateway.own_origin(request)
    printed = await print_run(pieces, caller, origin=origin, printer=gateway.printer, clock=gateway.clock)
    headers = {"Content-Disposition": f'attachment; filename="steptrail-run-{segment(run_id)}.pdf"'}
    return Response(content=printed, media_type="application/pdf", headers=headers)


def _pieces(run_id: str, gateway: Gateway, caller: Caller) -> RunPieces:
    return RunPieces(
        run_id, caller, orchestrator=gateway.clients.orchestrator, audit=gateway.stores.audit, clock=gateway.clock
    )


@router.get("/runs/{run_id}/diff", response_model=RunDiff, responses=problems(404))
async def diff_run(
    run_id: str,
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    against: Annotated[str, Query(description="`last_success` or the id of another run")] = "last_success",
) -> Response:
    """What is different from the last good run, or from another one."""
    forwarded = Forwarded("GET", f"/runs/{segment(run_id)}/diff", params=query)
    return await forward(gateway, caller, "runs.read", gateway.clients.orchestrator, forwarded)


@router.post("/steps/try", response_model=TriedStep, responses=problems(409))
async def try_step(gateway: GatewayDep, caller: Annotated[Caller, may("steps.try")], body: TryStep) -> Response:
    """Run one step of a draft definition now. Not recorded as a run; what was found comes along in `contents`."""
    forwarded = Forwarded("POST", "/steps/try", json=as_json(body), action="step.try", object=body.step_id)
    return await forward(gateway, caller, "steps.try", gateway.clients.orchestrator, forwarded)


@router.get("/workers", response_model=list[WorkerState], responses=problems(), tags=["administration"])
async def list_workers(gateway: GatewayDep, caller: WorkerReader) -> Response:
    """The workers as their heartbeats tell."""
    return await forward(gateway, caller, "workers.read", gateway.clients.orchestrator, Forwarded("GET", "/workers"))


@router.get("/queues", response_model=list[QueueState], responses=problems(), tags=["administration"])
async def list_queues(gateway: GatewayDep, caller: WorkerReader) -> Response:
    """How much work waits per check type, and whether anybody takes it."""
    return await forward(gateway, caller, "workers.read", gateway.clients.orchestrator, Forwarded("GET", "/queues"))
