"""The stores on SQL (SQLite in the embedded topology), with the events in an outbox of the same database."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.contracts.catalog import ProcessSummary
from steptrail_common.database import migrate, reading, writing
from steptrail_common.errors import Conflict, NotFound, Stale
from steptrail_common.outbox import insert

from steptrail_catalog.adapters.rows import connection_in, connection_out, facts, used_connections
from steptrail_catalog.adapters.schema import (
    connections,
    outbox,
    process_connections,
    process_tags,
    processes,
    revisions,
)
from steptrail_catalog.domain.summary import search_words
from steptrail_catalog.ports import Connection, Process, ProcessFilter, Revision, Told

MIGRATIONS = Path(__file__).parent / "migrations"
MAX_FACETS = 200
_present = processes.join(
    revisions,
    sa.and_(revisions.c.process_id == processes.c.process_id, revisions.c.revision == processes.c.revision),
)


async def prepare(engine: AsyncEngine) -> None:
    """Bring the schema up to date."""
    await migrate(engine, service="catalog", migrations=MIGRATIONS)


async def ping(engine: AsyncEngine) -> None:
    """Raises `Unavailable` when the database cannot be used."""
    async with reading(engine) as connection:
        await connection.execute(sa.select(1))


def _unknown(process_id: str) -> NotFound:
    return NotFound(f"There is no process {process_id}")


class SqlProcessStore:
    """See `ports.ProcessStore`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, revision: Revision, told: Told) -> Process:
        async with writing(self._engine) as connection:
            head = await self._head(connection, revision.process_id)
            if head is not None and not head.deleted:
                raise Conflict(f"A process {revision.process_id} exists already: open it, or choose another id")
            if revision.revision != (head.revision + 1 if head else 1):
                raise Conflict(f"A process {revision.process_id} was created and deleted meanwhile: try again")
            values = facts(revision, revision.saved_at) | {
                "process_id": revision.process_id,
                "revision": revision.revision,
                "deleted": False,
                "created_at": revision.saved_at,
            }
            await connection.execute(sa.delete(processes).where(processes.c.process_id == revision.process_id))
            await connection.execute(sa.insert(processes).values(values))
            await self._write(connection, revision, told)
        return Process(created_at=revision.saved_at, current=revision)

    async def save(self, revision: Revision, told: Told) -> Process:
        async with writing(self._engine) as connection:
            head = await self._head(connection, revision.process_id)
            if head is None or head.deleted:
                raise _unknown(revision.process_id)
            if head.revision != revision.revision - 1:
                raise Stale(f"Someone saved revision {head.revision} meanwhile: read it, then save again")
            await connection.execute(
                sa.update(processes)
                .where(processes.c.process_id == revision.process_id)
                .values(facts(revision, head.created_at) | {"revision": revision.revision})
            )
            await self._write(connection, revision, told)
        return Process(created_at=head.created_at, current=revision)

    async def _write(self, connection: AsyncConnection, revision: Revision, told: Told) -> None:
        process_id = revision.process_id
        await connection.execute(sa.insert(revisions).values(asdict(revision)))
        for table, column, values in (
            (process_tags, "tag", revision.definition["tags"]),
            (process_connections, "connection_id", used_connections(revision.definition)),
        ):
            await connection.execute(sa.delete(table).where(table.c.process_id == process_id))
            if values:
                rows = [{"process_id": process_id, column: value} for value in dict.fromkeys(values)]
                await connection.execute(sa.insert(table), rows)
        await insert(connection, outbox, [told])

    async def delete(self, process_id: str, *, expected: int | None, told: Told) -> None:
        async with writing(self._engine) as connection:
            head = await self._head(connection, process_id)
            if head is None or head.deleted:
                raise _unknown(process_id)
            if expected is not None and head.revision != expected:
                raise Stale(f"Someone saved revision {head.revision} meanwhile: read it, then decide again")
            await connection.execute(
                sa.update(processes).where(processes.c.process_id == process_id).values(deleted=True)
            )
            for table in (process_tags, process_connections):
                await connection.execute(sa.delete(table).where(table.c.process_id == process_id))
            await insert(connection, outbox, [told])

    async def _head(self, connection: AsyncConnection, process_id: str) -> sa.Row[Any] | None:
        return (await connection.execute(sa.select(processes).where(processes.c.process_id == process_id))).first()

    async def get(self, process_id: str) -> Process:
        query = (
            sa.select(revisions, processes.c.created_at)
            .select_from(_present)
            .where(processes.c.process_id == process_id, ~processes.c.deleted)
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise _unknown(process_id)
        return _process(row)

    async def next_revision(self, process_id: str) -> int:
        async with reading(self._engine) as connection:
            head = await self._head(connection, process_id)
        return head.revision + 1 if head else 1

    async def revision(self, process_id: str, number: int) -> Revision:
        query = sa.select(revisions).where(revisions.c.process_id == process_id, revisions.c.revision == number)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise NotFound(f"Process {process_id} has no revision {number}")
        return Revision(**row._mapping)

    async def revisions(self, process_id: str, *, before: int | None, limit: int) -> Sequence[Revision]:
        query = sa.select(revisions).where(revisions.c.process_id == process_id)
        if before is not None:
            query = query.where(revisions.c.revision < before)
        async with reading(self._engine) as connection:
            head = await self._head(connection, process_id)
            if head is None or head.deleted:
                raise _unknown(process_id)
            rows = await connection.execute(query.order_by(revisions.c.revision.desc()).limit(limit))
            return [Revision(**row._mapping) for row in rows]

    async def search(
        self, wanted: ProcessFilter, *, after: tuple[str, str] | None, limit: int
    ) -> Sequence[ProcessSummary]:
        query = sa.select(processes.c.summary).where(~processes.c.deleted)
        for condition in _conditions(wanted):
            query = query.where(condition)
        place = sa.tuple_(processes.c.sort_name, processes.c.process_id)
        if after is not None:
            query = query.where(place > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])))
        query = query.order_by(processes.c.sort_name, processes.c.process_id).limit(limit)
        async with reading(self._engine) as connection:
            return [ProcessSummary.model_validate(row) for row in (await connection.execute(query)).scalars()]

    async def facets(self) -> dict[str, Sequence[tuple[str, int]]]:
        found: dict[str, Sequence[tuple[str, int]]] = {}
        live = ~processes.c.deleted
        sources = {
            "categories": (processes.c.category, sa.select(processes).where(live)),
            "owners": (processes.c.owner, sa.select(processes).where(live)),
            "tags": (process_tags.c.tag, sa.select(process_tags)),
        }
        async with reading(self._engine) as connection:
            for name, (column, source) in sources.items():
                count = sa.func.count().label("number")
                query = source.with_only_columns(column, count).where(column.is_not(None)).group_by(column)
                rows = await connection.execute(query.order_by(count.desc(), column).limit(MAX_FACETS))
                found[name] = [(str(value), int(number)) for value, number in rows]
        return found

    async def using(self, connection_id: str, *, limit: int = 10) -> Sequence[str]:
        column = process_connections.c.process_id
        query = sa.select(column).where(process_connections.c.connection_id == connection_id).order_by(column)
        async with reading(self._engine) as connection:
            return list((await connection.execute(query.limit(limit))).scalars())


def _process(row: sa.Row[Any]) -> Process:
    values = dict(row._mapping)
    return Process(created_at=values.pop("created_at"), current=Revision(**values))


def _conditions(wanted: ProcessFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    found += [processes.c.search_text.contains(word, autoescape=True) for word in search_words(wanted.text)]
    if wanted.category is not None:
        found.append(processes.c.category == wanted.category)
    if wanted.owner is not None:
        found.append(processes.c.owner == wanted.owner)
    if wanted.active is not None:
        found.append(processes.c.active == wanted.active)
    if wanted.board is not None:
        found.append(processes.c.board == wanted.board)
    if wanted.ids is not None:
        found.append(processes.c.process_id.in_(list(wanted.ids)))
    if wanted.connection_id is not None:
        uses = process_connections.c.connection_id == wanted.connection_id
        found.append(processes.c.process_id.in_(sa.select(process_connections.c.process_id).where(uses)))
    for tag in wanted.tags:
        tagged = sa.select(process_tags.c.process_id).where(process_tags.c.tag == tag)
        found.append(processes.c.process_id.in_(tagged))
    return found


class SqlConnectionStore:
    """See `ports.ConnectionStore`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, connection: Connection, told: Told) -> Connection:
        async with writing(self._engine) as database:
            present = await self._row(database, connection.connection_id)
            if present is not None and not present.deleted:
                raise Conflict(f"A connection {connection.connection_id} exists already: choose another id")
            if connection.version != (present.version + 1 if present else 1):
                raise Conflict(f"A connection {connection.connection_id} was created and deleted meanwhile: try again")
            await database.execute(
                sa.delete(connections).where(connections.c.connection_id == connection.connection_id)
            )
            await database.execute(sa.insert(connections).values(connection_out(connection) | {"deleted": False}))
            await insert(database, outbox, [told])
        return connection

    async def save(self, connection: Connection, told: Told) -> Connection:
        async with writing(self._engine) as database:
            present = await self._row(database, connection.connection_id)
            if present is None or present.deleted:
                raise NotFound(f"There is no connection {connection.connection_id}")
            if present.version != connection.version - 1:
                raise Stale("Someone changed this connection meanwhile: read it, then save again")
            await database.execute(
                sa.update(connections)
                .where(connections.c.connection_id == connection.connection_id)
                .values(connection_out(connection))
            )
            await insert(database, outbox, [told])
        return connection

    async def delete(self, connection_id: str, told: Told) -> None:
        async with writing(self._engine) as database:
            changed = await database.execute(
                sa.update(connections)
                .where(connections.c.connection_id == connection_id, ~connections.c.deleted)
                .values(deleted=True, secrets={})
            )
            if changed.rowcount == 0:
                raise NotFound(f"There is no connection {connection_id}")
            await insert(database, outbox, [told])

    async def _row(self, database: AsyncConnection, connection_id: str) -> sa.Row[Any] | None:
        query = sa.select(connections).where(connections.c.connection_id == connection_id)
        return (await database.execute(query)).first()

    async def get(self, connection_id: str) -> Connection:
        async with reading(self._engine) as database:
            row = await self._row(database, connection_id)
        if row is None or row.deleted:
            raise NotFound(f"There is no connection {connection_id}")
        return connection_in(dict(row._mapping))

    async def next_version(self, connection_id: str) -> int:
        async with reading(self._engine) as database:
            row = await self._row(database, connection_id)
        return row.version + 1 if row else 1

    async def many(self, ids: Collection[str]) -> Sequence[Connection]:
        return await self._select(connections.c.connection_id.in_(list(ids)), limit=len(ids))

    async def page(self, *, after: str | None, limit: int) -> Sequence[Connection]:
        return await self._select(connections.c.connection_id > (after or ""), limit=limit)

    async def _select(self, condition: sa.ColumnElement[bool], *, limit: int) -> Sequence[Connection]:
        query = sa.select(connections).where(~connections.c.deleted, condition).order_by(connections.c.connection_id)
        async with reading(self._engine) as database:
            return [connection_in(dict(row._mapping)) for row in await database.execute(query.limit(limit))]

    async def store_rights(self, connection_id: str, rights: dict[str, Any]) -> None:
        async with writing(self._engine) as database:
            changed = await database.execute(
                sa.update(connections)
                .where(connections.c.connection_id == connection_id, ~connections.c.deleted)
                .values(rights=rights)
            )
        if changed.rowcount == 0:
            raise NotFound(f"There is no connection {connection_id}")
