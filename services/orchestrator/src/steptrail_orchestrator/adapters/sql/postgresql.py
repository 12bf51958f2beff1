"""The hot path on PostgreSQL: one statement per batch or two, however many runs it moves.

Rows go in as arrays (`unnest`), through asyncpg itself, mostly in SQLAlchemy's transaction: a statement of SQLAlchemy
costs about 0.3 ms, and at full load this is what limits. What is written is the same as in `writing.py`; one contract
suite runs on both.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.database import Moment
from steptrail_common.outbox import Entry

from steptrail_orchestrator.adapters.schema import attempts, events, evidence, outbox, run_steps, runs
from steptrail_orchestrator.adapters.sql import rows
from steptrail_orchestrator.adapters.sql.changes import Changes, Rows
from steptrail_orchestrator.adapters.sql.messages import POSITIONS
from steptrail_orchestrator.domain.run import AttemptState

MOST_APART_SECONDS = 1.0
"""A decision whose moment is further from the database's clock than this is not written."""
_TYPES: tuple[tuple[type[Any], str], ...] = (
    (Moment, "timestamptz"),
    (sa.BigInteger, "int8"),
    (sa.Integer, "int4"),
    (sa.Double, "float8"),
    (sa.Boolean, "bool"),
    (sa.LargeBinary, "bytea"),
    (sa.Text, "text"),
)
_KEYS = ("run_id", "step_id", "attempt", "token")
_ENDED = (*_KEYS, "status", "started_at", "ended_at", "worker_id", "failure_class", "reason", "message",
          "duration_seconds", "result")  # fmt: skip
_STEPS = tuple(rows.columns(run_steps))
_OPENED = ("run_id", "step_id", "attempt", "token", "status", "check_type", "timeout_seconds", "dispatched_at",
           "published_at", "publications", "late")  # fmt: skip
_RUNS = ("run_id", "status", "started_at", "ended_at", "wake_at", "current_step", "seq", "verdict", "failure_class")
_BEGUN = tuple(rows.columns(runs))
_EVENTS = ("run_id", "seq", "process_id", "document")
_SHOWN = ("run_id", "evidence_id", "step_id", "attempt", "document")
_TOLD = ("dedup_id", "topic", "content_type", "headers", "body")
_SENT = ("dedup_id", "destination_queue", "content_type", "headers", "body")


class _Row(asyncpg.Record):  # type: ignore[misc]
    """A record whose columns are attributes, as the functions of `rows.py` read them."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class _Arrays:
    """Numbers the parameters of a statement while it is put together."""

    def __init__(self) -> None:
        self.count = 0

    def guard(self) -> str:
        """Lock the runs in the order given and compare their numbers; note the messages that led here.

        A message that was noted before breaks the statement. So does nothing else here: runs that somebody moved, or a
        moment ($4) that is not the database's, only make `unmoved` false.
        """
        self.count += 5
        return f"""
        guard AS MATERIALIZED (
            SELECT count(*) = cardinality($1::text[])
                AND abs(extract(epoch FROM clock_timestamp() - $4::timestamptz)) < {MOST_APART_SECONDS} AS unmoved
            FROM unnest($1::text[], $2::int4[]) AS given(id, seq)
            CROSS JOIN LATERAL (SELECT seq FROM runs WHERE run_id = given.id FOR UPDATE) AS r
            WHERE r.seq = given.seq
        ), noted AS (
            INSERT INTO inbox (dedup_id, received_at)
            SELECT id, clock_timestamp() FROM unnest($3::text[]) AS m(id) WHERE (SELECT unmoved FROM guard)
        ),"""  # noqa: S608 - constants

    def next(self, kind: str) -> str:
        """One parameter more, of this type."""
        self.count += 1
        return f"${self.count}::{kind}"

    def unnest(self, table: sa.Table, columns: Sequence[str]) -> str:
        """`unnest($1::text[], …)`."""
        types = [_type_of(table.c[name]) for name in columns]
        first = self.count + 1
        self.count += len(types)
        return f"unnest({', '.join(f'${first + place}::{kind}[]' for place, kind in enumerate(types))})"


def _type_of(column: sa.Column[Any]) -> str:
    return next(name for kind, name in _TYPES if isinstance(column.type, kind))


def _listed(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in columns)


def _assigned(columns: Sequence[str], prefix: str) -> str:
    return ", ".join(f"{name} = {prefix}{name}" for name in columns)


def _announced(arrays: _Arrays) -> str:
    """The messages that carry the events, with the positions that the insert has given these, in the order given. By
    place, since a join of thousands of events by their names would compare each with each."""
    return f"""announced AS (
        INSERT INTO outbox ({_listed(_TOLD)}, created_at)
        SELECT {_listed(("dedup_id", "topic", "content_type"))},
            replace(headers, '{POSITIONS}', bundled.positions), body, clock_timestamp()
        FROM {arrays.unnest(outbox, _TOLD)} WITH ORDINALITY AS o({_listed(_TOLD)}, number)
            JOIN (
                SELECT number, string_agg(given[place]::text, ',' ORDER BY place) AS positions
                FROM unnest({arrays.next("int8[]")}) WITH ORDINALITY AS member(number, place),
                    (SELECT array_agg(position ORDER BY position) AS given FROM told) AS positions
                GROUP BY number
            ) AS bundled USING (number)
        ORDER BY number
        ON CONFLICT (dedup_id) DO NOTHING
    )"""  # noqa: S608 - made of column names of our own tables


def _write_statement(*, begins: bool = False, unmoved: bool = False) -> str:
    """`begins`: with new runs, as the first arrays. `unmoved`: a whole transaction by itself, which writes nothing if
    one of the runs has another number of events than given; its parameters come before all others."""
    arrays = _Arrays()
    guard, held, started = "", "", _assigned(_ENDED[4:], "e.")
    if unmoved:
        guard, held = arrays.guard(), "WHERE (SELECT unmoved FROM guard)"
        # What was decided from memory does not know of heartbeats since then.
        started = started.replace(
            "started_at = e.started_at", "started_at = coalesce(attempts.started_at, e.started_at)"
        )
    rows_of_runs = arrays.unnest(runs, _BEGUN) if begins else ""
    created = f"created AS (INSERT INTO runs ({_listed(_BEGUN)}) SELECT * FROM {rows_of_runs})," if begins else ""  # noqa: S608
    changing_steps = [name for name in _STEPS if name not in ("run_id", "step_id", "number", "reused_from")]
    also = held.replace("WHERE", "AND")
    return f"""
    WITH {guard} {created} ended AS (
        UPDATE attempts SET {started}
        FROM {arrays.unnest(attempts, _ENDED)} AS e({_listed(_ENDED)})
        WHERE attempts.run_id = e.run_id AND attempts.step_id = e.step_id AND attempts.attempt = e.attempt
            AND attempts.token = e.token AND attempts.ended_at IS NULL
            {also}
        RETURNING 1
    ), stepped AS (
        INSERT INTO run_steps ({_listed(_STEPS)})
        SELECT * FROM {arrays.unnest(run_steps, _STEPS)} {held or "WHERE true"}
        ON CONFLICT (run_id, step_id) DO UPDATE SET {_assigned(changing_steps, "excluded.")}
    ), opened AS (
        INSERT INTO attempts ({_listed(_OPENED)}) SELECT * FROM {arrays.unnest(attempts, _OPENED)} {held}
    ), moved AS (
        UPDATE runs SET {_assigned(_RUNS[1:], "m.")}
        FROM {arrays.unnest(runs, _RUNS)} AS m({_listed(_RUNS)}) WHERE runs.run_id = m.run_id {also}
    ), shown AS (
        INSERT INTO evidence ({_listed(_SHOWN)}) SELECT * FROM {arrays.unnest(evidence, _SHOWN)} {held or "WHERE true"}
        ON CONFLICT DO NOTHING
    ), told AS (
        INSERT INTO events ({_listed(_EVENTS)})
        SELECT {_listed(_EVENTS)} FROM {arrays.unnest(events, _EVENTS)} WITH ORDINALITY AS e({_listed(_EVENTS)}, place)
        {held}
        ORDER BY place
        RETURNING position, run_id, seq
    ), requested AS (
        INSERT INTO outbox ({_listed(_SENT)}, created_at)
        SELECT *, clock_timestamp() FROM {arrays.unnest(outbox, _SENT)} {held or "WHERE true"}
        ON CONFLICT (dedup_id) DO NOTHING
    ), {_announced(arrays)}
    SELECT (SELECT count(*) FROM ended) AS accepted,
        (SELECT array_agg(position ORDER BY position) FROM told) AS positions
        {_VERDICT if unmoved else ""}
    """  # noqa: S608 - made of column names of our own tables


_VERDICT = """, (SELECT unmoved FROM guard) AS unmoved, clock_timestamp() AS now,
    1 / (CASE WHEN (SELECT unmoved FROM guard) AND (SELECT count(*) FROM ended) <> $5::int8 THEN 0 ELSE 1 END) AS fence
"""
"""The division by zero rolls back what nobody else could: by then the attempts that were open have been ended."""
_WRITE, _BEGIN = _write_statement(), _write_statement(begins=True)
_WRITE_UNMOVED = _write_statement(unmoved=True)
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
_LOAD_STEPS = f"SELECT {_listed(_STEPS)} FROM run_steps WHERE run_id = ANY($1::text[]) AND run_id BETWEEN $2 AND $3"  # noqa: S608 - constants
_LOAD_OPEN = """
    SELECT clock.now, a.* FROM (SELECT clock_timestamp() AS now) AS clock
    LEFT JOIN attempts AS a ON a.run_id = ANY($1::text[]) AND a.run_id BETWEEN $2 AND $3 AND a.ended_at IS NULL
"""
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
    begun = _columns(changes.begun, _BEGUN) if changes.begun else ()
    row = await driver.fetchrow(_BEGIN if changes.begun else _WRITE, *begun, *_parameters(changes))
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
    row = await driver.fetchrow(
        _WRITE_UNMOVED, ids, expected, sorted(dedup_ids), now, len(changes.ended), *_parameters(changes)
    )
    return (row["positions"] or [], row["now"]) if row["unmoved"] else None


def _parameters(changes: Changes) -> list[Any]:
    """The arrays of a statement that writes, in their order."""
    found = [{name.removeprefix("b_"): value for name, value in row.items()} for row in changes.ended]
    stored = [
        {"run_id": one.event.run_id, "seq": one.event.seq, "process_id": one.event.process_id, "document": one.document}
        for one in changes.told
    ]
    bundle_of = {row.key: number for number, (one, _) in enumerate(changes.announced, 1) for row in one.rows}
    return [
        *_columns(found, _ENDED),
        *_columns(changes.steps, _STEPS),
        *_columns(changes.opened, _OPENED),
        *_columns(changes.moved, _RUNS),
        *_columns(changes.evidence, _SHOWN),
        *_columns(stored, _EVENTS),
        *_columns([_outbox_row(entry) for entry in changes.requests], _SENT),
        *_columns([_outbox_row(entry) for _, entry in changes.announced], _TOLD),
        [bundle_of[one.key] for one in changes.told],
    ]


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
