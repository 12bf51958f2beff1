"""The routes of the stuck board, part of the internal API."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from steptrail_common.contracts.board import BoardKey, StuckBoard
from steptrail_common.contracts.model import Page, utc
from steptrail_common.web import Actor, decode_cursor, encode_cursor, read_actor

from steptrail_orchestrator import queries
from steptrail_orchestrator.handlers import Boarding
from steptrail_orchestrator.ports import BoardPlace, BoardStore, Catalog, RunReader

Text = Annotated[str, Query(min_length=1, max_length=200)]


def board_routes(
    boards: BoardStore, boarding: Boarding, catalog: Catalog, reader: RunReader, cursor_key: bytes
) -> APIRouter:
    """The board, its keys, and taking it anew."""
    router = APIRouter(prefix="/processes/{process_id}/stuck-board")
    key = cursor_key + b"board"

    @router.get("")
    async def read_board(process_id: str) -> StuckBoard:
        return await queries.read_board(process_id, boards=boards, catalog=catalog, reader=reader)

    @router.post("")
    async def refresh_board(process_id: str, actor: Annotated[Actor, Depends(read_actor)]) -> StuckBoard:
        await boarding.refresh(process_id, actor=actor.username)
        return await queries.read_board(process_id, boards=boards, catalog=catalog, reader=reader)

    @router.get("/keys")
    async def list_keys(
        process_id: str,
        step_id: Text | None = None,
        finished: bool = False,
        q: Text | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=2000)] = None,
    ) -> Page[BoardKey]:
        values = decode_cursor(cursor, key) if cursor else None
        since = values["since"] if values else None
        after = BoardPlace(datetime.fromisoformat(since) if since else None, str(values["key"])) if values else None
        found = await queries.list_board_keys(
            process_id, step_id, finished=finished, beginning=q, after=after, limit=limit + 1,
            boards=boards, catalog=catalog,
        )  # fmt: skip
        more = None
        if len(found) > limit:
            last = found[limit - 1][1]
            more = encode_cursor({"since": utc(last.since_at) if last.since_at else None, "key": last.key}, key)
        return Page(items=[item for item, _ in found[:limit]], next_cursor=more)

    return router
