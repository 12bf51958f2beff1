"""The way of events from documents to the bus."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from steptrail_common.bus.port import Bus, PublishFailed
from steptrail_common.errors import Unavailable
from steptrail_common.telemetry import OUTBOX_OLDEST

from steptrail_catalog.adapters.mongo.database import Document, MongoCatalog, available, entry

RELAY_BATCH = 100
LONGEST_BACKOFF_SECONDS = 5.0
log = structlog.get_logger()


class MongoRelay:
    """Publishes the events that wait in documents, then takes them out. One that dies in between publishes again.

    Replicas side by side may publish an event twice; its dedup id is the same.
    """

    def __init__(self, catalog: MongoCatalog, bus: Bus, *, service: str, poll_seconds: float = 1.0) -> None:
        self._catalog = catalog
        self._bus = bus
        self._service = service
        self._poll_seconds = poll_seconds
        self._woken = asyncio.Event()
        self._oldest: datetime | None = None

    def wake(self) -> None:
        """Something was saved: publish now instead of at the next poll."""
        self._woken.set()

    @property
    def oldest_unpublished_seconds(self) -> float:
        """Age of the oldest event that could not be published; 0 when nothing waits."""
        return max((datetime.now(UTC) - self._oldest).total_seconds(), 0.0) if self._oldest else 0.0

    async def run(self) -> None:
        """Publish until cancelled. Broker or database away: tries again, less and less often."""
        failures = 0
        while True:
            _end_if_cancelled()
            self._woken.clear()
            try:
                await self.publish_batch()
                failures = 0
            except (PublishFailed, Unavailable) as error:
                failures += 1
                log.warning("outbox_publish_failed", error=str(error), failures=failures)
                await asyncio.sleep(min(0.1 * 2**failures, LONGEST_BACKOFF_SECONDS))
                continue
            finally:
                OUTBOX_OLDEST.labels(service=self._service).set(self.oldest_unpublished_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()

    @available
    async def publish_batch(self) -> int:
        """Publish what waits, at most `RELAY_BATCH` documents of each kind; says how many events."""
        number = 0
        for collection in (self._catalog.database.processes, self._catalog.database.connections):
            waiting = collection.find({"pending.dedup_id": {"$exists": True}}, {"pending": 1}).limit(RELAY_BATCH)
            async for document in waiting:
                number += await self._publish(collection, document)
        return number

    async def _publish(self, collection: Any, document: Document) -> int:
        entries = document["pending"]
        self._oldest = entries[0]["at"]
        await self._bus.publish([entry(stored) for stored in entries])
        sent = [stored["dedup_id"] for stored in entries]
        await collection.update_one({"_id": document["_id"]}, {"$pull": {"pending": {"dedup_id": {"$in": sent}}}})
        self._oldest = None
        return len(entries)


def _end_if_cancelled() -> None:
    """PyMongo waits with `asyncio.wait_for`, which in Python 3.11 loses a cancellation that meets an answer."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
