"""Connections on MongoDB."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from steptrail_common.errors import Conflict, NotFound, Stale

from steptrail_catalog.adapters.mongo.database import Document, MongoCatalog, available, pending
from steptrail_catalog.adapters.rows import connection_in, connection_out
from steptrail_catalog.ports import Connection, Told


def _connection_out(connection: Connection) -> Document:
    """Settings are kept as text, because names of headers are keys in them."""
    return connection_out(connection) | {"settings": json.dumps(connection.settings)}


def _connection_in(stored: Document) -> Connection:
    return connection_in(stored | {"settings": json.loads(stored["settings"])})


class MongoConnectionStore:
    """See `ports.ConnectionStore`."""

    def __init__(self, catalog: MongoCatalog) -> None:
        self._catalog = catalog

    @property
    def _connections(self) -> Any:
        return self._catalog.database.connections

    @available
    async def create(self, connection: Connection, told: Told) -> Connection:
        connection_id = connection.connection_id
        present = await self._connections.find_one({"_id": connection_id})
        taken = Conflict(f"A connection {connection_id} exists already: choose another id")
        if present is not None and not present["deleted"]:
            raise taken
        if connection.version != (present["version"] + 1 if present else 1):
            raise Conflict(f"A connection {connection_id} was created and deleted meanwhile: try again")
        values = _connection_out(connection) | {"deleted": False}
        try:
            if present is None:
                await self._connections.insert_one({"_id": connection_id, "pending": [pending(told)], **values})
                return connection
        except DuplicateKeyError as error:
            raise taken from error
        condition = {"_id": connection_id, "deleted": True, "version": present["version"]}
        if not await self._change(condition, values, told):
            raise taken
        return connection

    @available
    async def save(self, connection: Connection, told: Told) -> Connection:
        condition = {"_id": connection.connection_id, "deleted": False, "version": connection.version - 1}
        if not await self._change(condition, _connection_out(connection), told):
            await self.get(connection.connection_id)
            raise Stale("Someone changed this connection meanwhile: read it, then save again")
        return connection

    @available
    async def delete(self, connection_id: str, told: Told) -> None:
        condition = {"_id": connection_id, "deleted": False}
        if not await self._change(condition, {"deleted": True, "secrets": {}}, told):
            raise NotFound(f"There is no connection {connection_id}")

    async def _change(self, condition: Document, values: Document, told: Told) -> bool:
        change = {"$set": values, "$push": {"pending": pending(told)}}
        found = await self._connections.find_one_and_update(
            condition, change, projection={"_id": 1}, return_document=ReturnDocument.AFTER
        )
        return found is not None

    @available
    async def get(self, connection_id: str) -> Connection:
        found = await self._connections.find_one({"_id": connection_id, "deleted": False})
        if found is None:
            raise NotFound(f"There is no connection {connection_id}")
        return _connection_in(found)

    @available
    async def next_version(self, connection_id: str) -> int:
        found = await self._connections.find_one({"_id": connection_id}, {"version": 1})
        return int(found["version"]) + 1 if found else 1

    @available
    async def many(self, ids: Collection[str]) -> Sequence[Connection]:
        found = self._connections.find({"_id": {"$in": list(ids)}, "deleted": False})
        return [_connection_in(stored) async for stored in found]

    @available
    async def page(self, *, after: str | None, limit: int) -> Sequence[Connection]:
        query = {"_id": {"$gt": after or ""}, "deleted": False}
        return [_connection_in(stored) async for stored in self._connections.find(query).sort("_id", 1).limit(limit)]

    @available
    async def store_rights(self, connection_id: str, rights: Document) -> None:
        done = await self._connections.update_one(
            {"_id": connection_id, "deleted": False}, {"$set": {"rights": rights}}
        )
        if done.matched_count == 0:
            raise NotFound(f"There is no connection {connection_id}")
