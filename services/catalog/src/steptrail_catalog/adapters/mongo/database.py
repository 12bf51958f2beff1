"""The connection to MongoDB, and events that wait inside documents."""

import base64
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError as WrongOptions
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from steptrail_common.bus.port import Destination, Message
from steptrail_common.errors import ConfigurationError, Unavailable
from steptrail_common.telemetry import inject

from steptrail_catalog.domain.summary import has_board
from steptrail_catalog.ports import Told

Document = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")
SERVER_SELECTION_MS = 3000
SOCKET_MS = 10_000
"""How long one answer may take."""


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
            self._client = self._open()
        database = self.database
        await database.processes.create_index([("deleted", 1), ("sort_name", 1), ("_id", 1)])
        for name in ("category", "owner", "tags", "connections", "board"):
            await database.processes.create_index(name)
        await database.revisions.create_index([("process_id", 1), ("revision", -1)])
        for collection in (database.processes, database.connections):
            await collection.create_index("pending.dedup_id", sparse=True)
        await self._note_boards()

    async def _note_boards(self) -> None:
        """Processes saved before lists asked for it learn whether they have a stuck board."""
        processes = self.database.processes
        async for head in processes.find({"board": {"$exists": False}}, {"current.definition": 1, "revision": 1}):
            board = has_board(json.loads(head["current"]["definition"]))
            await processes.update_one({"_id": head["_id"], "revision": head["revision"]}, {"$set": {"board": board}})

    def _open(self) -> AsyncMongoClient[Document]:
        try:
            return AsyncMongoClient(
                self._address,
                serverSelectionTimeoutMS=SERVER_SELECTION_MS,
                connectTimeoutMS=SERVER_SELECTION_MS,
                socketTimeoutMS=SOCKET_MS,
                appname="catalog",
            )
        except (WrongOptions, ValueError) as error:
            raise ConfigurationError(f"STEPTRAIL_CATALOG_STORE: is no address of MongoDB: {error}") from None

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
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
        )


def pending(told: Told) -> Document:
    """An event as it waits in the document whose change it tells of."""
    destination, message = told
    headers = dict(message.headers)
    return {
        "dedup_id": message.dedup_id,
        "topic": destination.topic,
        "content_type": message.content_type,
        "headers": headers if "traceparent" in headers else inject(headers),
        "body": base64.b64encode(message.body).decode(),
        "at": datetime.now(UTC),
    }


def entry(stored: Document) -> Told:
    """A waiting event as it is published."""
    message = Message(
        body=base64.b64decode(stored["body"]),
        dedup_id=stored["dedup_id"],
        content_type=stored["content_type"],
        headers=stored["headers"],
    )
    return Destination(topic=stored["topic"]), message
