"""The hot path on PostgreSQL: one statement per batch or two, however many runs it moves.

What is written goes through asyncpg itself, mostly in SQLAlchemy's transaction (a statement of SQLAlchemy costs about
0.3 ms, and at full load this is what limits), by the statements of `statements.py`. It is the same as in `writing.py`;
one contract suite runs on both.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.outbox import Entry

from steptrail_orchestrator.adapters.sql import rows, statements
from steptrail_orchestrator.adapters.sql.changes import Changes, Rows
from steptrail_orchestrator.domain.run import AttemptState

MOST_VALUES = 4
"""Rows of one kind that go as values: each number of them is a statement of its own, which PostgreSQL has to plan."""


class _Row(asyncpg.Record):  # type: ignore[misc]
    """A record whose columns are attributes, as the functions of `rows.py` read them."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


_OPEN = ("step_id", "attempt", "token", "dispatched_at", "started_at", "lease_until", "published_at", "publications",
         "worker_id")  # fmt: skip
_TAKE = f"""
    WITH fresh AS (
        INSERT INTO inbox (dedup_id, received_at) SELECT id, clock_timestamp() FROM unnest($2::text[]) AS given(id)
        ON CONFLICT DO NOTHING
        RETURNING dedup_id
    )
    SELECT r.*, (SELECT array_agg(dedup_id) FROM fresh) AS fresh,
        r.place = (SELECT ctid FROM runs WHERE run_id = given.id) AS undisturbed,
        {", ".join(f"a.{name} AS open_{name}" for name in _OPEN)}, clock_timestamp() AS now
    FROM unnest($1::text[]) AS given(id)
    CROSS JOIN LATERAL (SELECT ctid AS place, runs.* FROM runs WHERE run_id = given.id FOR UPDATE) AS r
    LEFT JOIN LATERAL (
        SELECT * FROM attempts WHERE run_id = given.id AND run_id BETWEEN $3 AND $4 AND ended_at IS NULL OFFSET 0
    ) AS a ON true
"""  # noqa: S608 - made of column names of our own tables
"""Locks in the order of the ids, so that two transactions never wait for each other. Each row is looked up by its id
whatever the planner thinks of the table: a plan made while it was small would go on reading all of it.

What is read beside the locked rows is as old as the statement. `undisturbed` says that nobody moved the run since then;
of others the open attempt is read again."""
_LOAD_STEPS = (
    f"SELECT {', '.join(statements.STEPS)} FROM run_steps WHERE run_id = ANY($1::text[]) AND run_id BETWEEN $2 AND $3"  # noqa: S608 - constants
)
_LOAD_OPEN = """
    SELECT clock.now, a.* FROM (SELECT clock_timestamp() AS now) AS clock
    LEFT JOIN attempts AS a ON a.run_id = ANY($1::text[]) AND a.run_id BETWEEN $2 AND $3 AND a.ended_at IS NULL
"""
Given = Sequence[tuple[Rows, Sequence[str]]]
"""Rows, and which of their columns."""
Opened = tuple[Sequence[AttemptState], datetime]
"""Open attempts, and the clock after the locks were granted."""


async def take(
    connection: AsyncConnection, run_ids: Collection[str], dedup_ids: Collection[str]
) -> tuple[Sequence[Any], frozenset[str], Opened | None]:
    """Lock the runs, note the ids of messages. Returns the runs' rows, which ids were not noted before, and the open
    attempts with the clock, unless somebody moved one of the runs just before its lock was granted."""
    ids = sorted(set(run_ids))
    # By SQLAlchemy, which begins the transaction with the first statement.
    values = (ids, sorted(set(dedup_ids)), min(ids, default=""), max(ids, default=""))
    found = (await connection.exec_driver_sql(_TAKE, values)).all()
    fresh = found[0].fresh if found else dedup_ids  # of unknown runs it does not matter
    if not found or not all(row.undisturbed for row in found):
        return found, frozenset(fresh or ()), None
    opened = [rows.attempt_beside(row) for row in found if row.open_token is not None]
    return found, frozenset(fresh or ()), (opened, max(row.now for row in found))


async def load_open(connection: AsyncConnection, run_ids: Collection[str]) -> Opened:
    """Open attempts, and the clock after the locks were granted."""
    driver = await _driver(connection)
    ids = sorted(run_ids) or [""]
    opened = await driver.fetch(_LOAD_OPEN, ids, ids[0], ids[-1], record_class=_Row)
    return [rows.attempt_state(row) for row in opened if row["run_id"] is not None], opened[0]["now"]


async def load_steps(connection: AsyncConnection, run_ids: Collection[str]) -> Sequence[Any]:
    """The rows of their steps."""
    driver, ids = await _driver(connection), sorted(run_ids)
    return list(await driver.fetch(_LOAD_STEPS, ids, ids[0], ids[-1], record_class=_Row))


async def write(connection: AsyncConnection, changes: Changes) -> tuple[int, list[int]]:
    """Everything at once; returns how many of the ended attempts were still open, and the positions of the events."""
    driver = await _driver(connection)
    begun = _columns(changes.begun, statements.BEGUN) if changes.begun else ()
    statement = statements.write_statement(begins=bool(changes.begun))
    row = await driver.fetchrow(statement, *begun, *_arrays(_given(changes)), _bundles(changes))
    return int(row["accepted"]), row["positions"] or []


async def write_unmoved(
    driver: Any,
    changes: Changes,
    *,
    seqs: Mapping[str, int],
    dedup_ids: Collection[str],
    now: datetime,
) -> tuple[list[int], datetime] | None:
    """Everything at once on a connection of asyncpg, as a transaction of its own, if each run still has the number of
    events it is known by; else nothing, and None. Returns the positions of the events and the database's clock.

    Raises what asyncpg raises when nothing could be written for another reason: a message was noted before, an attempt
    is not open any more, or the connection is lost (then it may have been written).
    """
    ids = sorted(seqs)
    expected = [seqs[run_id] for run_id in ids]
    given = _given(changes)
    shape = _shape(given) if len(ids) == 1 else statements.ARRAYS
    row = await driver.fetchrow(
        statements.write_statement(unmoved=True, shape=shape),
        ids,
        expected,
        sorted(dedup_ids),
        now,
        len(changes.ended),
        *(_arrays(given) if shape is statements.ARRAYS else _values(given)),
        _bundles(changes),
    )
    return (row["positions"] or [], row["now"]) if row["unmoved"] else None


def _shape(given: Given) -> statements.Shape:
    """The numbers of rows, if they are so few that they go as values."""
    shape = statements.Shape(*(len(values) for values, _ in given))
    return (
        shape
        if shape.ended and shape.told and max(len(values) for values, _ in given) <= MOST_VALUES
        else statements.ARRAYS
    )


def _arrays(given: Given) -> list[list[Any]]:
    """An array for each column, in the order of the statement's parameters."""
    return [array for values, names in given for array in _columns(values, names)]


def _values(given: Given) -> list[Any]:
    """The rows one after the other, in the order of the statement's parameters."""
    return [row[name] for values, names in given for row in values for name in names]


def _given(changes: Changes) -> Given:
    """What goes into a statement that writes, in its order."""
    ended = [{name.removeprefix("b_"): value for name, value in row.items()} for row in changes.ended]
    told = [
        {"run_id": one.event.run_id, "seq": one.event.seq, "process_id": one.event.process_id, "document": one.document}
        for one in changes.told
    ]
    return [
        (ended, statements.ENDED),
        (changes.steps, statements.STEPS),
        (changes.opened, statements.OPENED),
        (changes.moved, statements.MOVED),
        (changes.evidence, statements.SHOWN),
        (told, statements.TOLD),
        ([_outbox_row(entry) for entry in changes.requests], statements.REQUESTED),
        ([_outbox_row(entry) for _, entry in changes.announced], statements.ANNOUNCED),
    ]


def _bundles(changes: Changes) -> list[int]:
    """The number of the message that carries it, for each event."""
    bundle_of = {row.key: number for number, (one, _) in enumerate(changes.announced, 1) for row in one.rows}
    return [bundle_of[one.key] for one in changes.told]


def _columns(values: Rows, names: Sequence[str]) -> list[list[Any]]:
    return [[row[name] for row in values] for name in names]


def _outbox_row(entry: Entry) -> dict[str, Any]:
    destination, message = entry
    return {
        "dedup_id": message.dedup_id,
        "destination_queue": destination.queue,
        "topic": destination.topic,
        "content_type": message.content_type,
        "headers": to_json(dict(message.headers)).decode(),
        "body": message.body,
    }


async def _driver(connection: AsyncConnection) -> Any:
    """The asyncpg connection in whose transaction SQLAlchemy already is."""
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    if driver is None or not driver.is_in_transaction():
        raise RuntimeError("SQLAlchemy begins a transaction with its first statement, and there was none")
    return driver
