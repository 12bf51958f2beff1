"""What the orchestrator's tables hold, in either database, as they are when the outbox has drained."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.database import open_engine, reading

from ..e2e.product import Product
from .clients import PROCESS

_DRAIN_SECONDS, _LOOK_SECONDS = 30.0, 0.1
_RUNS = "SELECT run_id, status, inputs, verdict FROM runs WHERE run_id IN :ids"
_EVENTS = "SELECT run_id, seq, document FROM events WHERE run_id IN :ids ORDER BY run_id, seq"
_ATTEMPTS = (
    "SELECT run_id, step_id, attempt, status, late FROM attempts WHERE run_id IN :ids ORDER BY run_id, step_id, attempt"
)
_LATE = "SELECT count(*) AS late FROM late_results WHERE run_id IN :ids"


def orchestrator_store(product: Product) -> str:
    """The address of the orchestrator's database."""
    if product.topology == "embedded":
        return f"sqlite+aiosqlite:///{product.folder / 'data' / 'orchestrator.sqlite'}"
    return str(product.servers["postgres"].url).rsplit("/", 1)[0] + "/steptrail_orchestrator"


async def held(url: str, run_ids: Sequence[str]) -> dict[str, Any]:
    """`runs` by id; `events` by run as (number, type, step, status); `attempts` by (run, step) as (number, status,
    late); `outbox`: messages that do not leave; `orders`: how many runs exist for these runs' orders; `late`."""
    engine = open_engine(url)
    try:
        outbox = await _outbox(engine)
        async with reading(engine) as connection:
            runs = await _all(connection, _RUNS, run_ids)
            events = await _all(connection, _EVENTS, run_ids)
            attempts = await _all(connection, _ATTEMPTS, run_ids)
            (late,) = await _all(connection, _LATE, run_ids)
            inputs = (
                await connection.execute(sa.text("SELECT inputs FROM runs WHERE process_id = :p"), {"p": PROCESS})
            ).scalars()
            everybody = [json.loads(text)["order"] for text in inputs]
    finally:
        await engine.dispose()
    by_run: dict[str, list[tuple[int, str, str | None, str]]] = defaultdict(list)
    for row in events:
        document = json.loads(row.document)
        by_run[row.run_id].append((row.seq, document["type"], document.get("step_id"), document["status"]))
    by_step: dict[tuple[str, str], list[tuple[int, str, bool]]] = defaultdict(list)
    for row in attempts:
        by_step[row.run_id, row.step_id].append((row.attempt, row.status, bool(row.late)))
    known = {
        row.run_id: {"status": row.status, "inputs": json.loads(row.inputs), "verdict": row.verdict} for row in runs
    }
    asked = {run["inputs"]["order"] for run in known.values()}
    return {
        "runs": known,
        "events": by_run,
        "attempts": by_step,
        "outbox": outbox,
        "orders": sum(order in asked for order in everybody),
        "late": late.late,
    }


async def _outbox(engine: AsyncEngine) -> int:
    """How many messages are left when it had time to drain."""
    left = 1
    for _ in range(round(_DRAIN_SECONDS / _LOOK_SECONDS)):
        async with reading(engine) as connection:
            left = int(await connection.scalar(sa.text("SELECT count(*) FROM outbox")) or 0)
        if not left:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return left


async def _all(connection: AsyncConnection, query: str, run_ids: Sequence[str]) -> Sequence[Any]:
    statement = sa.text(query).bindparams(sa.bindparam("ids", expanding=True))
    return (await connection.execute(statement, {"ids": list(run_ids)})).all()
