"""What was handled before: messages come at least once, their effects happen once."""

import json
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from steptrail_common.database import Moment
from steptrail_common.outbox import database_now


def inbox_table(metadata: sa.MetaData) -> sa.Table:
    """The table `inbox`: the dedup ids of handled messages."""
    return sa.Table(
        "inbox",
        metadata,
        sa.Column("dedup_id", sa.Text, primary_key=True),
        sa.Column("received_at", Moment, nullable=False, index=True),
    )


async def fresh(connection: AsyncConnection, table: sa.Table, dedup_ids: Sequence[str]) -> set[str]:
    """Note the ids in the caller's transaction and return those not seen before.

    One statement. On PostgreSQL it waits for another transaction that notes the same id: if that commits, the id is not
    fresh; if it rolls back, it is. Ids are noted in order, so that two batches never wait for each other.
    """
    ids = sorted(set(dedup_ids))
    if not ids:
        return set()
    if connection.dialect.name == "postgresql":
        insert = postgresql.insert(table)
        given = (
            sa.func.unnest(sa.bindparam("ids", ids, postgresql.ARRAY(sa.Text))).table_valued("value").render_derived()
        )
    else:
        insert = sqlite.insert(table)  # type: ignore[assignment]
        given = sa.func.json_each(sa.bindparam("ids", json.dumps(ids), sa.Text)).table_valued("value")
    # The condition is for SQLite, which cannot tell ON CONFLICT from a join without it.
    rows = sa.select(given.c.value, database_now()).where(sa.true())
    statement = insert.from_select(["dedup_id", "received_at"], rows).on_conflict_do_nothing()
    return set((await connection.execute(statement.returning(table.c.dedup_id))).scalars())


async def prune(connection: AsyncConnection, table: sa.Table, older_than: timedelta) -> int:
    """Forget what was received longer ago, by the database's clock. Longer than any message can be on its way."""
    now = (await connection.execute(sa.select(database_now()))).scalar_one()
    done = await connection.execute(sa.delete(table).where(table.c.received_at < now - older_than))
    return done.rowcount
