"""The stuck board of a process: a funnel of its open keys, and the keys at each step."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from steptrail_common.contracts.board import BoardKey, StuckBoard
from steptrail_common.contracts.model import Page

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.forward import Cursor, Limit, SentQuery, forward, problems
from steptrail_gateway.handlers.relay import Forwarded

router = APIRouter(tags=["stuck board"])
Reader = Annotated[Caller, may("runs.read")]


@router.get("/processes/{process_id}/stuck-board", response_model=StuckBoard, responses=problems(404))
async def read_board(process_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """The last board that was taken, with its age. 404 when the definition has no `population`."""
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}/stuck-board")
    return await forward(gateway, caller, "runs.read", gateway.clients.orchestrator, forwarded)


@router.post("/processes/{process_id}/stuck-board", response_model=StuckBoard, responses=problems(404))
async def refresh_board(process_id: str, gateway: GatewayDep, caller: Annotated[Caller, may("runs.start")]) -> Response:
    """Take the board anew: one query for the open keys and one per step. Who asks at the same moment shares it."""
    forwarded = Forwarded(
        "POST", f"/processes/{segment(process_id)}/stuck-board", action="board.refresh", object=process_id
    )
    return await forward(gateway, caller, "runs.start", gateway.clients.orchestrator, forwarded)


@router.get("/processes/{process_id}/stuck-board/keys", response_model=Page[BoardKey], responses=problems(404))
async def list_board_keys(
    process_id: str,
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    step_id: Annotated[str | None, Query(max_length=64, description="Keys waiting at this step")] = None,
    finished: Annotated[bool, Query(description="Only keys that have passed every counted step")] = False,
    q: Annotated[str | None, Query(max_length=200, description="The beginning of a key")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The open keys of the last board, oldest first, each with its newest run."""
    forwarded = Forwarded("GET", f"/processes/{segment(process_id)}/stuck-board/keys", params=query)
    return await forward(gateway, caller, "runs.read", gateway.clients.orchestrator, forwarded)
