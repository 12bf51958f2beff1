"""Processes and revisions on MongoDB."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError
from steptrail_common.contracts.catalog import ProcessSummary
from steptrail_common.errors import Conflict, NotFound, Stale

from steptrail_catalog.adapters.mongo.database import Document, MongoCatalog, available, pending
from steptrail_catalog.adapters.rows import facts, used_connections
from steptrail_catalog.domain.summary import search_words
from steptrail_catalog.ports import Process, ProcessFilter, Revision, Told

MAX_FACETS = 200
_FREE_JSON = ("document", "definition")


def _unknown(process_id: str) -> NotFound:
    return NotFound(f"There is no process {process_id}")


def _revision_out(revision: Revision) -> Document:
    """Free JSON is kept as text: BSON knows neither large whole numbers nor every key."""
    return asdict(revision) | {name: json.dumps(getattr(revision, name)) for name in _FREE_JSON}


def _revision_in(stored: Document) -> Revision:
    values = {name: stored[name] for name in Revision.__dataclass_fields__}
    return Revision(**values | {name: json.loads(stored[name]) for name in _FREE_JSON})


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
        if revision.revision != (head["revision"] + 1 if head else 1):
            raise Conflict(f"A process {process_id} was created and deleted meanwhile: try again")
        document = head_of(revision, revision.saved_at) | {"deleted": False, "created_at": revision.saved_at}
        try:
            if head is None:
                await self._processes.insert_one({"_id": process_id, "pending": [pending(told)], **document})
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
        await self._replace(condition, head_of(revision, head["created_at"]), told)
        return Process(created_at=head["created_at"], current=revision)

    async def _keep(self, head: Document) -> None:
        """Copy the newest revision to where the older ones are."""
        current = head["current"]
        key = f"{current['process_id']}@{current['revision']}"
        await self._revisions.replace_one({"_id": key}, {"_id": key, **current}, upsert=True)

    async def _replace(self, condition: Document, values: Document, told: Told) -> None:
        change = {"$set": values, "$push": {"pending": pending(told)}}
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
    async def search(
        self, wanted: ProcessFilter, *, after: tuple[str, str] | None, limit: int
    ) -> Sequence[ProcessSummary]:
        query = _query(wanted)
        if after is not None:
            name, process_id = after
            query["$or"] = [{"sort_name": {"$gt": name}}, {"sort_name": name, "_id": {"$gt": process_id}}]
        found = self._processes.find(query, {"summary": 1}).sort([("sort_name", 1), ("_id", 1)]).limit(limit)
        return [ProcessSummary.model_validate(head["summary"]) async for head in found]

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


def head_of(revision: Revision, created_at: datetime) -> Document:
    """What the document of a process says of its newest revision."""
    return facts(revision, created_at) | {
        "revision": revision.revision,
        "tags": list(dict.fromkeys(revision.definition["tags"])),
        "connections": used_connections(revision.definition),
        "current": _revision_out(revision),
    }


def _process(head: Document) -> Process:
    return Process(created_at=head["created_at"], current=_revision_in(head["current"]))


def _query(wanted: ProcessFilter) -> Document:
    query: Document = {"deleted": False}
    if words := search_words(wanted.text):
        query["$and"] = [{"search_text": {"$regex": re.escape(word)}} for word in words]
    if wanted.ids is not None:
        query["_id"] = {"$in": list(wanted.ids)}
    if wanted.tags:
        query["tags"] = {"$all": list(wanted.tags)}
    if wanted.connection_id is not None:
        query["connections"] = wanted.connection_id
    for name in ("category", "owner", "active", "board"):
        if (value := getattr(wanted, name)) is not None:
            query[name] = value
    return query
