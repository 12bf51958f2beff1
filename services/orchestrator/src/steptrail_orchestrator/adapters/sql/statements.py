"""The statement that writes a decision on PostgreSQL, put together from the columns of our tables.

Rows go in as arrays, one for each column (`unnest`), so that any number of them is the same prepared statement. Of one
run alone they go in as values: eighty arrays of one cost a twentieth of the time between two steps of a lone run.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from steptrail_common.database import Moment

from steptrail_orchestrator.adapters.schema import attempts, events, evidence, outbox, run_steps, runs
from steptrail_orchestrator.adapters.sql import rows
from steptrail_orchestrator.adapters.sql.messages import POSITIONS

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
ENDED = (*_KEYS, "status", "started_at", "ended_at", "worker_id", "failure_class", "reason", "message",
         "duration_seconds", "result")  # fmt: skip
STEPS = tuple(rows.columns(run_steps))
OPENED = ("run_id", "step_id", "attempt", "token", "status", "check_type", "timeout_seconds", "dispatched_at",
          "published_at", "publications", "late")  # fmt: skip
MOVED = ("run_id", "status", "started_at", "ended_at", "wake_at", "current_step", "seq", "verdict", "failure_class")
BEGUN = tuple(rows.columns(runs))
SHOWN = ("run_id", "evidence_id", "step_id", "attempt", "document")
TOLD = ("run_id", "seq", "process_id", "document")
REQUESTED = ("dedup_id", "destination_queue", "content_type", "headers", "body")
ANNOUNCED = ("dedup_id", "topic", "content_type", "headers", "body")


class Shape(NamedTuple):
    """How many rows of each kind a statement takes as values; None: any number, as arrays."""

    ended: int | None = None
    steps: int | None = None
    opened: int | None = None
    moved: int | None = None
    shown: int | None = None
    told: int | None = None
    requested: int | None = None
    announced: int | None = None


ARRAYS = Shape()


class _Parameters:
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

    def given(self, table: sa.Table, columns: Sequence[str], count: int | None, name: str, place: str = "") -> str:
        """The rows as something to select from. `count`: so many as values, None: any number as arrays. `place`: the
        name of a further column that numbers them from 1."""
        types = [_type_of(table.c[one]) for one in columns]
        alias = f"{name}({_listed([*columns, place] if place else columns)})"
        if count is None:
            arrays = ", ".join(self.next(f"{kind}[]") for kind in types)
            return f"unnest({arrays}) {'WITH ORDINALITY' if place else ''} AS {alias}"
        values = [
            ", ".join([*map(self.next, types), *([str(number)] if place else [])]) for number in range(1, count + 1)
        ]
        return f"(VALUES {', '.join(f'({one})' for one in values)}) AS {alias}"


def _type_of(column: sa.Column[Any]) -> str:
    return next(name for kind, name in _TYPES if isinstance(column.type, kind))


def _listed(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in columns)


def _assigned(columns: Sequence[str], prefix: str) -> str:
    return ", ".join(f"{name} = {prefix}{name}" for name in columns)


@lru_cache(maxsize=256)
def write_statement(*, begins: bool = False, unmoved: bool = False, shape: Shape = ARRAYS) -> str:
    """`begins`: with new runs, as the first arrays. `unmoved`: a whole transaction by itself, which writes nothing if
    one of the runs has another number of events than given; its parameters come before all others. With rows as values
    at least one attempt ends and one event is told."""
    parameters = _Parameters()
    guard = parameters.guard() if unmoved else ""
    held = "WHERE (SELECT unmoved FROM guard)" if unmoved else "WHERE true"
    begun = ""
    if begins:
        given = parameters.given(runs, BEGUN, None, "b")
        begun = f"created AS (INSERT INTO runs ({_listed(BEGUN)}) SELECT * FROM {given}),"  # noqa: S608 - made of our own names
    parts = [*_of_runs(parameters, shape, held, unmoved=unmoved), *_of_messages(parameters, shape, held)]
    return f"""
    WITH {guard} {begun} {", ".join(parts)}
    SELECT (SELECT count(*) FROM ended) AS accepted,
        (SELECT array_agg(position ORDER BY position) FROM told) AS positions
        {_VERDICT if unmoved else ""}
    """  # noqa: S608


_VERDICT = """, (SELECT unmoved FROM guard) AS unmoved, clock_timestamp() AS now,
    1 / (CASE WHEN (SELECT unmoved FROM guard) AND (SELECT count(*) FROM ended) <> $5::int8 THEN 0 ELSE 1 END) AS fence
"""
"""The division by zero rolls back what nobody else could: by then the attempts that were open have been ended."""


def _of_runs(parameters: _Parameters, shape: Shape, held: str, *, unmoved: bool) -> Iterator[str]:
    """Attempts, steps and runs."""
    also, started = held.replace("WHERE", "AND"), _assigned(ENDED[4:], "e.")
    if unmoved:  # what was decided from memory does not know of heartbeats since then
        started = started.replace(
            "started_at = e.started_at", "started_at = coalesce(attempts.started_at, e.started_at)"
        )
    yield f"""ended AS (
        UPDATE attempts SET {started}
        FROM {parameters.given(attempts, ENDED, shape.ended, "e")}
        WHERE attempts.run_id = e.run_id AND attempts.step_id = e.step_id AND attempts.attempt = e.attempt
            AND attempts.token = e.token AND attempts.ended_at IS NULL
            {also}
        RETURNING 1
    )"""  # noqa: S608
    if shape.steps != 0:
        changing = [name for name in STEPS if name not in ("run_id", "step_id", "number", "reused_from")]
        yield f"""stepped AS (
            INSERT INTO run_steps ({_listed(STEPS)})
            SELECT * FROM {parameters.given(run_steps, STEPS, shape.steps, "s")} {held}
            ON CONFLICT (run_id, step_id) DO UPDATE SET {_assigned(changing, "excluded.")}
        )"""  # noqa: S608
    if shape.opened != 0:
        yield f"""opened AS (
            INSERT INTO attempts ({_listed(OPENED)})
            SELECT * FROM {parameters.given(attempts, OPENED, shape.opened, "n")} {held}
        )"""  # noqa: S608
    if shape.moved != 0:
        yield f"""moved AS (
            UPDATE runs SET {_assigned(MOVED[1:], "m.")}
            FROM {parameters.given(runs, MOVED, shape.moved, "m")} WHERE runs.run_id = m.run_id {also}
        )"""  # noqa: S608


def _of_messages(parameters: _Parameters, shape: Shape, held: str) -> Iterator[str]:
    """Evidence, events and what leaves. The messages that carry events get the positions that the insert has given
    these, in the order given: by place, since a join of thousands of events by names would compare each with each."""
    if shape.shown != 0:
        yield f"""shown AS (
            INSERT INTO evidence ({_listed(SHOWN)})
            SELECT * FROM {parameters.given(evidence, SHOWN, shape.shown, "v")} {held}
            ON CONFLICT DO NOTHING
        )"""  # noqa: S608
    yield f"""told AS (
        INSERT INTO events ({_listed(TOLD)})
        SELECT {_listed(TOLD)} FROM {parameters.given(events, TOLD, shape.told, "t", "place")} {held}
        ORDER BY place
        RETURNING position, run_id, seq
    )"""  # noqa: S608
    if shape.requested != 0:
        yield f"""requested AS (
            INSERT INTO outbox ({_listed(REQUESTED)}, created_at)
            SELECT r.*, clock_timestamp() FROM {parameters.given(outbox, REQUESTED, shape.requested, "r")} {held}
            ON CONFLICT (dedup_id) DO NOTHING
        )"""  # noqa: S608
    yield f"""announced AS (
        INSERT INTO outbox ({_listed(ANNOUNCED)}, created_at)
        SELECT {_listed(("dedup_id", "topic", "content_type"))},
            replace(headers, '{POSITIONS}', bundled.positions), body, clock_timestamp()
        FROM {parameters.given(outbox, ANNOUNCED, shape.announced, "o", "number")}
            JOIN (
                SELECT number, string_agg(given[place]::text, ',' ORDER BY place) AS positions
                FROM unnest({parameters.next("int8[]")}) WITH ORDINALITY AS member(number, place),
                    (SELECT array_agg(position ORDER BY position) AS given FROM told) AS positions
                GROUP BY number
            ) AS bundled USING (number)
        ORDER BY number
        ON CONFLICT (dedup_id) DO NOTHING
    )"""  # noqa: S608
