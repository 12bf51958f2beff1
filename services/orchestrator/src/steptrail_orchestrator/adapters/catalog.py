"""The catalog service over HTTP, with snapshots kept for a second."""

import asyncio
import hashlib
import time
from dataclasses import dataclass

from steptrail_common.contracts.catalog import (
    ConnectionRights,
    ConnectionView,
    DefinitionSnapshot,
    ProcessSummary,
    ProcessView,
    SealedConnection,
    SnapshotRequest,
)
from steptrail_common.contracts.definition import Definition, Document
from steptrail_common.contracts.model import Page
from steptrail_common.errors import InvalidInput, Unavailable
from steptrail_common.web import ServiceClient

from steptrail_orchestrator.domain.run import Chain

FRESH_SECONDS = 1.0
"""How long a snapshot is used without asking; events of the catalog cut it short."""
STALE_SECONDS = 300.0
"""How long it may stand in while the catalog is away."""
_CAPACITY = 1000


@dataclass(slots=True)
class _Kept:
    chain: Chain
    at: float


class CatalogClient:
    """`Catalog` on the internal API of the catalog service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._generation = 0

    async def chain(self, process_id: str) -> Chain:
        """One question at a time per process: a thousand starts in a second read the definition once."""
        kept = self._fresh(process_id)
        if kept is not None:
            return kept
        lock = self._asking.setdefault(process_id, asyncio.Lock())
        async with lock:
            kept = self._fresh(process_id)
            return kept if kept is not None else await self._ask(process_id)

    async def definition(self, process_id: str) -> tuple[int, Definition]:
        answer = await self._client.request("GET", f"/processes/{process_id}")
        read = ProcessView.model_validate_json(answer.content)
        return read.revision, read.definition

    async def revisions(self) -> dict[str, int]:
        found: dict[str, int] = {}
        cursor: str | None = None
        while True:
            answer = await self._client.request("GET", "/processes", params={"limit": 200, "cursor": cursor})
            page = Page[ProcessSummary].model_validate_json(answer.content)
            found |= {row.process_id: row.revision for row in page.items}
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def draft(self, document: Document) -> Chain:
        try:
            answer = await self._client.request("POST", "/snapshots/draft", json=document)
        except InvalidInput as error:
            raise _below_definition(error) from None
        return as_chain(DefinitionSnapshot.model_validate_json(answer.content))

    async def connection(self, connection_id: str) -> SealedConnection:
        answer = await self._client.request("GET", f"/connections/{connection_id}/sealed")
        return SealedConnection.model_validate_json(answer.content)

    async def connections(self) -> list[ConnectionView]:
        found: list[ConnectionView] = []
        cursor: str | None = None
        while True:
            answer = await self._client.request("GET", "/connections", params={"limit": 200, "cursor": cursor})
            page = Page[ConnectionView].model_validate_json(answer.content)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def store_rights(self, connection_id: str, rights: ConnectionRights) -> None:
        await self._client.request("PUT", f"/connections/{connection_id}/rights", json=rights.model_dump(mode="json"))

    def forget(self) -> None:
        self._generation += 1
        for kept in self._kept.values():
            kept.at = min(kept.at, time.monotonic() - FRESH_SECONDS)

    def _fresh(self, process_id: str) -> Chain | None:
        kept = self._kept.get(process_id)
        return kept.chain if kept and time.monotonic() - kept.at < FRESH_SECONDS else None

    async def _ask(self, process_id: str) -> Chain:
        generation, asked_at = self._generation, time.monotonic()
        wanted = SnapshotRequest(process_id=process_id)
        try:
            answer = await self._client.request("POST", "/snapshots", json=wanted.model_dump(mode="json"))
        except Unavailable:
            kept = self._kept.get(process_id)
            if kept and time.monotonic() - kept.at < STALE_SECONDS:
                return kept.chain
            raise
        except Exception:
            self._kept.pop(process_id, None)
            raise
        finally:
            if len(self._asking) > _CAPACITY:
                self._asking.clear()
        chain = as_chain(DefinitionSnapshot.model_validate_json(answer.content))
        known = self._kept.get(process_id)
        if known and known.chain.definition_id == chain.definition_id:
            chain = known.chain
        if len(self._kept) >= _CAPACITY:
            self._kept.clear()
        age = FRESH_SECONDS if generation != self._generation else 0.0
        self._kept[process_id] = _Kept(chain, asked_at - age)
        return chain


def as_chain(snapshot: DefinitionSnapshot) -> Chain:
    """The chain with an id made from its whole content, so that equal snapshots are stored once."""
    digest = hashlib.sha256(snapshot.model_dump_json(by_alias=True).encode()).hexdigest()
    return Chain(f"{snapshot.process_id}-{snapshot.revision}-{digest[:32]}", snapshot)


def _below_definition(error: InvalidInput) -> InvalidInput:
    """Faults of a draft are named from the body that was sent to us."""
    faults = [
        fault.model_copy(update={"path": f"body.definition.{fault.path.removeprefix('body.')}"})
        for fault in error.errors or []
    ]
    return InvalidInput(error.detail, errors=faults)
