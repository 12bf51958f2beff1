"""The audit log, and the transactions that write to it."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.contracts.gateway import AuditEntry
from steptrail_common.database import available, sqlstate, writing
from steptrail_common.errors import InvalidInput
from steptrail_common.grouping import Grouped

from steptrail_gateway.adapters.sql.schema import audit
from steptrail_gateway.domain.audit import FIRST_HASH, Deed, chained_hash

_LOCK = crc32(b"steptrail gateway audit")
_BAD_VALUE = "22"
"""SQLSTATE class "data exception": a character the database cannot keep, such as NUL."""


@asynccontextmanager
async def reaching() -> AsyncIterator[None]:
    """Turn a database that is away into `Unavailable`, and a text it cannot keep into `InvalidInput`."""
    try:
        async with available():
            yield
    except DBAPIError as error:
        if (sqlstate(error) or "").startswith(_BAD_VALUE):
            raise InvalidInput("A text holds a character that cannot be stored.") from error
        raise


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with reaching(), engine.connect() as connection:
        yield connection


@asynccontextmanager
async def changing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction for a change that is no deed, such as "last seen"."""
    async with reaching(), writing(engine) as connection:
        yield connection


@asynccontextmanager
async def doing(engine: AsyncEngine, deed: Deed, at: datetime) -> AsyncIterator[AsyncConnection]:
    """A transaction for a deed, recorded at its end. One at a time over all replicas: the chain has one next line,
    and what is checked at the start (is there another administrator?) still holds at the end."""
    async with changing(engine) as connection:
        await _lock(connection)
        yield connection
        await _append(connection, [(deed, at)])


async def _lock(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


async def _append(connection: AsyncConnection, deeds: Sequence[tuple[Deed, datetime]]) -> list[AuditEntry]:
    newest = sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
    last = (await connection.execute(newest)).first()
    before, previous = (last.number, last.hash) if last is not None else (0, FIRST_HASH)
    entries = []
    for number, (deed, at) in enumerate(deeds, before + 1):
        previous = chained_hash(previous, number, at, deed)
        entry = AuditEntry(
            number=number,
            at=at,
            actor=deed.actor,
            action=deed.action,
            object=deed.object,
            detail=deed.detail,
            address=deed.address,
            hash=previous,
        )
        entries.append(entry)
    await connection.execute(audit.insert(), [{**dict(one), "detail": json.dumps(one.detail)} for one in entries])
    return entries


class SqlAuditLog:
    """`AuditLog`. Triggers made by the migrations refuse updates and deletes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._appended = Grouped[tuple[Deed, datetime], AuditEntry](self._append)

    async def append(self, deed: Deed, at: datetime) -> AuditEntry:
        return await self._appended((deed, at))

    async def _append(self, deeds: Sequence[tuple[Deed, datetime]]) -> Sequence[AuditEntry]:
        async with changing(self._engine) as connection:
            await _lock(connection)
            return await _append(connection, deeds)

    async def list(
        self,
        *,
        before: int | None,
        limit: int,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[AuditEntry]:
        query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.number < before)
        if actor is not None:
            query = query.where(audit.c.actor == actor)
        if action is not None:
            query = query.where(audit.c.action.startswith(action, autoescape=True))
        if since is not None:
            query = query.where(audit.c.at >= since)
        if until is not None:
            query = query.where(audit.c.at < until)
        async with reading(self._engine) as connection:
            return [_entry(row) for row in await connection.execute(query)]

    async def chunk(self, after: int, limit: int) -> Sequence[AuditEntry]:
        query = sa.select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(limit)
        async with reading(self._engine) as connection:
            return [_entry(row) for row in await connection.execute(query)]


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(**{**row._mapping, "detail": json.loads(row.detail)})
