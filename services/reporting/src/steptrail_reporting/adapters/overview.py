"""The overview in SQL: order, place and counts of the active processes."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from steptrail_reporting.adapters.rows import process_of
from steptrail_reporting.adapters.schema import processes
from steptrail_reporting.domain.overview import LAST_RANK_BY_AGE, RANK, RANK_NEVER_RUN, OverviewPlace
from steptrail_reporting.domain.process import EPOCH, ProcessFacts

_rank = sa.case(RANK, value=processes.c.last_status, else_=RANK_NEVER_RUN)
_epoch = sa.literal(EPOCH, processes.c.since.type)
_since = sa.case((_rank <= LAST_RANK_BY_AGE, sa.func.coalesce(processes.c.since, _epoch)), else_=_epoch)
_name = sa.func.lower(sa.func.substr(sa.func.coalesce(processes.c.name, processes.c.process_id), 1, 60))
_ORDER = (_rank, _since, _name, processes.c.process_id)
_LISTED = sa.and_(processes.c.active, sa.not_(processes.c.deleted), processes.c.defined_at > _epoch)


async def page(
    connection: AsyncConnection, after: OverviewPlace | None, limit: int
) -> list[tuple[OverviewPlace, ProcessFacts]]:
    """See `ports.FactStore.overview`."""
    query = sa.select(processes, _rank.label("rank"), _since.label("age"), _name.label("sorted")).where(_LISTED)
    if after is not None:
        query = query.where(sa.tuple_(*_ORDER) > sa.tuple_(*_values(after)))
    rows = (await connection.execute(query.order_by(*_ORDER).limit(limit))).mappings()
    return [(OverviewPlace(row["rank"], row["age"], row["sorted"], row["process_id"]), process_of(row)) for row in rows]


async def counts(connection: AsyncConnection) -> tuple[dict[str | None, int], int]:
    """See `ports.FactStore.standing`."""
    query = sa.select(processes.c.last_status, sa.func.count(), sa.func.sum(processes.c.running))
    rows = (await connection.execute(query.where(_LISTED).group_by(processes.c.last_status))).all()
    return {status: count for status, count, _ in rows}, sum(int(running) for _, _, running in rows)


def _values(place: OverviewPlace) -> list[sa.ColumnElement[Any]]:
    return [
        sa.literal(place.rank),
        sa.literal(place.since, processes.c.since.type),
        sa.literal(place.name, sa.Text),
        sa.literal(place.process_id, processes.c.process_id.type),
    ]
