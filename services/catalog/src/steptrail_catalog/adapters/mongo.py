"""The stores on MongoDB, majority writes.

A process is one document with its newest revision and the events not yet published, so that a save is one atomic
update. Before a revision is replaced it is copied to `revisions`; doing that twice changes nothing.
"""

import asyncio
import base64
import re
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReturnDocument, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from steptrail_common.bus.port import Bus, Destination, Message, PublishFailed
from steptrail_common.errors import Conflict, NotFound, Stale, Unavailable
from steptrail_common.telemetry import inject

from steptrail_catalog.adapters.rows import connection_in, connection_out, facts, used_connections
from steptrail_catalog.ports import Connection, Process, ProcessFilter, Revision, Told

Document = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")
SERVER_SELECTION_MS = 3000
MAX_FACETS = 200
RELAY_BATCH = 100
LONGEST_BACKOFF_SECONDS = 5.0
log = structlog.get_logger()


def available(call: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Trouble of the database becomes `Unavailable`."""

    @wraps(call)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await call(*args, **kwargs)
        except DuplicateKeyError:
            raise
        except PyMongoError as error:
            detail = f"MongoDB cannot be used now ({type(error).__name__})"
            raise Unavailable(detail, retry_after_seconds=2) from error

    return guarded


class MongoCatalog:
    """The connection to one database. Opened in `start`, because a client belongs to one event loop."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: AsyncMongoClient[Document] | None = None

    @available
    async def start(self) -> None:
        """Connect and make the indexes."""
        if self._client is None:
            self._client = AsyncMongoClient(self._address, serverSelectionTimeoutMS=SERVER_SELECTION_MS)
        database = self.database
        await database.processes.create_index([("deleted", 1), ("sort_name", 1), ("_id", 1)])
        for name in ("category", "owner", "tags", "connections", "pending.dedup_id"):
            await database.processes.create_index(name)
        await database.revisions.create_index([("process_id", 1), ("revision", -1)])
        await database.connections.create_index("pending.dedup_id")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @available
    async def check(self) -> None:
        """Raises `Unavailable` when there is no primary that answers."""
        await self.database.command("ping")

    @property
    def database(self) -> AsyncDatabase[Document]:
        if self._client is None:
            raise Unavailable("the connection to MongoDB is not open yet")
        return self._client.get_default_database(
            "steptrail_catalog",
            codec_options=CodecOptions(tz_aware=True),
            write_concern=WriteConcern("majority", wtimeout=10_000),
            read_concern=ReadConcern("majority"),
        )


def _pending(told: Told) -> Document:
    destination, message = told
    headers = dict(message.headers)
    return {
        "dedup_id": message.dedup_id,
        "topic": destination.topic,
        "content_type": message.content_type,
        "headers": headers if "traceparent" in headers else inject(headers),
        "body": base64.b64encode(message.body).decode(),
    }


def _unknown(process_id: str) -> NotFound:
    return NotFound(f"There is no process {process_id}")


# `definition` and `document` may hold keys with `.` and `$`, which MongoDB keeps as they are since version 5.
def _revision_out(revision: Revision) -> Document:
    return asdict(revision)


def _revision_in(stored: Document) -> Revision:
    return Revision(**{name: stored[name] for name in Revision.__dataclass_fields__})


class MongoProcessStore:
    """See `ports.ProcessStore`."""

    def __init__(self, catalog: MongoCatalog) -> None:
        self._catalog = catalog

    @property
    def _processes(self) -> Any:
        return self._catalog.database.processes

    @property
    def _revisions(self) -> Any:
        return self._catalog.database.revisions

    @available
    async def create(self, revision: Revision, told: Told) -> Process:
        process_id = revision.process_id
        head = await self._processes.find_one({"_id": process_id})
        if head is not None and not head["deleted"]:
            raise Conflict(f"A process {process_id} exists already: open it, or choose another id")
        revision = replace(revision, revision=head["revision"] + 1 if head else 1)
        document = _head(revision) | {"deleted": False, "created_at": revision.saved_at}
        try:
            if head is None:
                await self._processes.insert_one({"_id": process_id, "pending": [_pending(told)], **document})
            else:
                await self._keep(head)
                await self._replace({"_id": process_id, "revision": head["revision"], "deleted": True}, document, told)
        except (DuplicateKeyError, Stale) as error:
            raise Conflict(f"A process {process_id} was created meanwhile: open it, or choose another id") from error
        return Process(created_at=revision.saved_at, current=revision)

    @available
    async def save(self, revision: Revision, told: Told) -> Process:
        head = await self._live(revision.process_id)
        if head["revision"] != revision.revision - 1:
            raise Stale(f"Someone saved revision {head['revision']} meanwhile: read it, then save again")
        await self._keep(head)
        condition = {"_id": revision.process_id, "revision": head["revision"], "deleted": False}
        await self._replace(condition, _head(revision), told)
        return Process(created_at=head["created_at"], current=revision)

    async def _keep(self, head: Document) -> None:
        """Copy the newest revision to where the older ones are."""
        current = head["current"]
        key = f"{current['process_id']}@{current['revision']}"
        await self._revisions.replace_one({"_id": key}, {"_id": key, **current}, upsert=True)

    async def _replace(self, condition: Document, values: Document, told: Told) -> None:
        change = {"$set": values, "$push": {"pending": _pending(told)}}
        done = await self._processes.update_one(condition, change)
        if done.matched_count == 0:
            raise Stale("Someone saved meanwhile: read the newest revision, then save again")

    async def _live(self, process_id: str) -> Document:
        head: Document | None = await self._processes.find_one({"_id": process_id, "deleted": False})
        if head is None:
            raise _unknown(process_id)
        return head

    @available
    async def delete(self, process_id: str, *, expected: int | None, told: Told) -> None:
        head = await self._live(process_id)
        if expected is not None and head["revision"] != expected:
            raise Stale(f"Someone saved revision {head['revision']} meanwhile: read it, then decide again")
        condition = {"_id": process_id, "revision": head["revision"], "deleted": False}
        await self._replace(condition, {"deleted": True, "tags": [], "connections": []}, told)

    @available
    async def get(self, process_id: str) -> Process:
        return _process(await self._live(process_id))

    @available
    async def next_revision(self, process_id: str) -> int:
        head = await self._processes.find_one({"_id": process_id}, {"revision": 1})
        return int(head["revision"]) + 1 if head else 1

    @available
    async def revision(self, process_id: str, number: int) -> Revision:
        head = await self._processes.find_one({"_id": process_id, "revision": number})
        found = head["current"] if head else await self._revisions.find_one({"_id": f"{process_id}@{number}"})
        if found is None:
            raise NotFound(f"Process {process_id} has no revision {number}")
        return _revision_in(found)

    @available
    async def revisions(self, process_id: str, *, before: int | None, limit: int) -> Sequence[Revision]:
        head = await self._live(process_id)
        found = [_revision_in(head["current"])] if before is None or head["revision"] < before else []
        below = head["revision"] if before is None else min(before, head["revision"])
        query = {"process_id": process_id, "revision": {"$lt": below}}
        older = self._revisions.find(query).sort("revision", -1).limit(limit)
        return (found + [_revision_in(stored) async for stored in older])[:limit]

    @available
    async def list(self, wanted: ProcessFilter, *, after: tuple[str, str] | None, limit: int) -> Sequence[Process]:
        query = _query(wanted)
        if after is not None:
            name, process_id = after
            query["$or"] = [{"sort_name": {"$gt": name}}, {"sort_name": name, "_id": {"$gt": process_id}}]
        found = self._processes.find(query, {"pending": 0}).sort([("sort_name", 1), ("_id", 1)]).limit(limit)
        return [_process(head) async for head in found]

    @available
    async def facets(self) -> dict[str, Sequence[tuple[str, int]]]:
        found: dict[str, Sequence[tuple[str, int]]] = {}
        for name, column in (("categories", "category"), ("owners", "owner"), ("tags", "tags")):
            stages: list[Document] = [{"$match": {"deleted": False}}]
            stages += [{"$unwind": "$tags"}] if column == "tags" else []
            stages += [
                {"$match": {column: {"$ne": None}}},
                {"$group": {"_id": f"${column}", "number": {"$sum": 1}}},
                {"$sort": {"number": -1, "_id": 1}},
                {"$limit": MAX_FACETS},
            ]
            rows = await self._processes.aggregate(stages)
            found[name] = [(str(row["_id"]), int(row["number"])) async for row in rows]
        return found

    @available
    async def using(self, connection_id: str, *, limit: int = 10) -> Sequence[str]:
        query = {"connections": connection_id, "deleted": False}
        return [str(head["_id"]) async for head in self._processes.find(query, {"_id": 1}).sort("_id", 1).limit(limit)]


def _head(revision: Revision) -> Document:
    return facts(revision) | {
        "revision": revision.revision,
        "tags": list(dict.fromkeys(revision.definition["tags"])),
        "connections": used_connections(revision.definition),
        "current": _revision_out(revision),
    }


def _process(head: Document) -> Process:
    return Process(created_at=head["created_at"], current=_revision_in(head["current"]))


def _query(wanted: ProcessFilter) -> Document:
    query: Document = {"deleted": False}
    if wanted.text:
        query["search_text"] = {"$regex": re.escape(wanted.text.casefold())}
    if wanted.ids is not None:
        query["_id"] = {"$in": list(wanted.ids)}
    if wanted.tags:
        query["tags"] = {"$all": list(wanted.tags)}
    for name, value in (("category", wanted.category), ("owner", wanted.owner), ("active", wanted.active)):
        if value is not None:
            query[name] = value
    return query


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
        connection = replace(connection, version=present["version"] + 1 if present else 1)
        values = connection_out(connection) | {"deleted": False}
        try:
            if present is None:
                await self._connections.insert_one({"_id": connection_id, "pending": [_pending(told)], **values})
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
        if not await self._change(condition, connection_out(connection), told):
            await self.get(connection.connection_id)
            raise Stale("Someone changed this connection meanwhile: read it, then save again")
        return connection

    @available
    async def delete(self, connection_id: str, told: Told) -> None:
        condition = {"_id": connection_id, "deleted": False}
        if not await self._change(condition, {"deleted": True, "secrets": {}}, told):
            raise NotFound(f"There is no connection {connection_id}")

    async def _change(self, condition: Document, values: Document, told: Told) -> bool:
        change = {"$set": values, "$push": {"pending": _pending(told)}}
        found = await self._connections.find_one_and_update(
            condition, change, projection={"_id": 1}, return_document=ReturnDocument.AFTER
        )
        return found is not None

    @available
    async def get(self, connection_id: str) -> Connection:
        found = await self._connections.find_one({"_id": connection_id, "deleted": False})
        if found is None:
            raise NotFound(f"There is no connection {connection_id}")
        return connection_in(found)

    @available
    async def many(self, ids: Collection[str]) -> Sequence[Connection]:
        found = self._connections.find({"_id": {"$in": list(ids)}, "deleted": False})
        return [connection_in(stored) async for stored in found]

    @available
    async def list(self, *, after: str | None, limit: int) -> Sequence[Connection]:
        query = {"_id": {"$gt": after or ""}, "deleted": False}
        return [connection_in(stored) async for stored in self._connections.find(query).sort("_id", 1).limit(limit)]

    @available
    async def store_rights(self, connection_id: str, rights: Document) -> None:
        done = await self._connections.update_one(
            {"_id": connection_id, "deleted": False}, {"$set": {"rights": rights}}
        )
        if done.matched_count == 0:
            raise NotFound(f"There is no connection {connection_id}")


class MongoRelay:
    """Publishes the events that wait in documents, then takes them out. One that dies in between publishes again."""

    def __init__(self, catalog: MongoCatalog, bus: Bus, *, poll_seconds: float = 1.0) -> None:
        self._catalog = catalog
        self._bus = bus
        self._poll_seconds = poll_seconds
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was saved: publish now instead of at the next poll."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled. Broker or database away: tries again, less and less often."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                await self.publish_batch()
                failures = 0
            except (PublishFailed, Unavailable) as error:
                failures += 1
                log.warning("outbox_publish_failed", error=str(error), failures=failures)
                await asyncio.sleep(min(0.1 * 2**failures, LONGEST_BACKOFF_SECONDS))
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._poll_seconds)

    @available
    async def publish_batch(self) -> int:
        """Publish what waits, at most `RELAY_BATCH` documents; says how many events."""
        number = 0
        for collection in (self._catalog.database.processes, self._catalog.database.connections):
            waiting = collection.find({"pending.dedup_id": {"$exists": True}}, {"pending": 1}).limit(RELAY_BATCH)
            async for document in waiting:
                entries = document["pending"]
                await self._bus.publish([_entry(entry) for entry in entries])
                sent = [entry["dedup_id"] for entry in entries]
                await collection.update_one(
                    {"_id": document["_id"]}, {"$pull": {"pending": {"dedup_id": {"$in": sent}}}}
                )
                number += len(entries)
        return number


def _entry(stored: Document) -> Told:
    message = Message(
        body=base64.b64decode(stored["body"]),
        dedup_id=stored["dedup_id"],
        content_type=stored["content_type"],
        headers=stored["headers"],
    )
    return Destination(topic=stored["topic"]), message
