"""An orchestrator as it is built for service, with a catalog at the rim of the network and a scripted worker."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.contracts.catalog import DefinitionSnapshot, ProcessSummary, ProcessView, SealedConnection
from steptrail_common.contracts.definition import Definition
from steptrail_common.contracts.model import Page
from steptrail_common.service import running
from steptrail_common.testing.faults import Faults, FaultyBus
from steptrail_common.testing.worker import ScriptedWorker
from steptrail_common.web import ServiceClient
from steptrail_orchestrator.config import Settings
from steptrail_orchestrator.service import build

TOKEN = "t" * 40


def chain_definition(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A process document of these steps; each is an `api_call` unless it says otherwise."""
    return {
        "version": 1,
        "process": "order-to-cash",
        "name": "Order to cash",
        "inputs": {"order_id": {"type": "string", "matches": "^[0-9]{4,12}$"}},
        "steps": [
            {"name": f"Step {step['id']}", "check": {"type": "api_call", "url": "https://shop.test/"}, **step}
            for step in steps
        ],
        **more,
    }


def snapshot_of(document: dict[str, Any], *, revision: int = 1) -> DefinitionSnapshot:
    definition = Definition.model_validate(document)
    named = [*(step.key_set for step in definition.steps if step.key_set), definition.population]
    connections = {
        keys.connection: SealedConnection.model_validate(
            {"connection_id": keys.connection, "settings": {"kind": "sqlite", "path": "/erp.db"}}
        )
        for keys in named
        if keys is not None and keys.connection is not None
    }
    return DefinitionSnapshot(
        process_id=definition.process, revision=revision, definition=definition, connections=connections
    )


@dataclass
class CatalogDouble:
    """The catalog's internal API with the documents of a test."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    """How often for a snapshot, which is what runs are made of; the scheduler's own look at the list does not count."""
    away: bool = False
    refuses: str | None = None
    """Why no snapshot is given: a connection that is missing, or whose account nobody accepted."""
    rights: list[dict[str, Any]] = field(default_factory=list)

    def save(self, document: dict[str, Any]) -> None:
        self.documents[document["process"]] = document
        self.revisions[document["process"]] = self.revisions.get(document["process"], 0) + 1

    def client(self) -> ServiceClient:
        return ServiceClient("http://catalog.test", TOKEN, transport=httpx2.MockTransport(self._handle))

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += request.url.path == "/snapshots"
        if self.away:
            raise httpx2.ConnectError("refused", request=request)
        path = request.url.path
        if path.startswith("/processes"):
            return self._processes(path.removeprefix("/processes").removeprefix("/"))
        if path == "/snapshots":
            process_id = json.loads(request.content)["process_id"]
            if process_id not in self.documents:
                return _problem(404, f"there is no process {process_id}")
            if self.refuses is not None:
                return _problem(409, self.refuses)
            snapshot = snapshot_of(self.documents[process_id], revision=self.revisions[process_id])
            return httpx2.Response(200, content=snapshot.model_dump_json(by_alias=True))
        if path == "/snapshots/draft":
            snapshot = snapshot_of(json.loads(request.content), revision=0)
            return httpx2.Response(200, content=snapshot.model_dump_json(by_alias=True))
        if path.endswith("/sealed"):
            settings = {"kind": "http", "base_url": "https://shop.test"}
            return httpx2.Response(200, json={"connection_id": path.split("/")[2], "settings": settings})
        self.rights.append(json.loads(request.content))
        return httpx2.Response(200, json={})

    def _processes(self, process_id: str) -> httpx2.Response:
        if not process_id:
            items = [self._row(known) for known in self.documents]
            return httpx2.Response(200, content=Page[ProcessSummary](items=items).model_dump_json())
        if process_id not in self.documents:
            return _problem(404, f"there is no process {process_id}")
        document = self.documents[process_id]
        definition = Definition.model_validate(document)
        view = ProcessView(
            **self._row(process_id).model_dump(), document=document, definition=definition, source_yaml=""
        )
        return httpx2.Response(200, content=view.model_dump_json(by_alias=True))

    def _row(self, process_id: str) -> ProcessSummary:
        document, long_ago = self.documents[process_id], datetime(2026, 1, 1, tzinfo=UTC)
        return ProcessSummary(
            process_id=process_id, name=document["name"], description=None, category=None, tags=[], owner=None,
            active=document.get("active", True), step_count=len(document["steps"]),
            revision=self.revisions[process_id], created_at=long_ago, updated_at=long_ago, updated_by="anna",
        )  # fmt: skip


def _problem(status: int, detail: str) -> httpx2.Response:
    body = {"type": "/problems/x", "title": "x", "status": status, "detail": detail}
    return httpx2.Response(status, json=body, headers={"content-type": "application/problem+json"})


@dataclass
class Bench:
    """One orchestrator under test with what surrounds it."""

    store: str
    folder: Path
    broker: InProcessBroker
    catalog: CatalogDouble
    http: httpx2.AsyncClient
    stack: AsyncExitStack
    workers: list[ScriptedWorker] = field(default_factory=list)

    @property
    def worker(self) -> ScriptedWorker:
        return self.workers[0]

    async def add_worker(self, **more: Any) -> ScriptedWorker:
        """A worker of its own on the same broker; it stops with the test."""
        bus = InProcessBus(self.broker)
        worker = ScriptedWorker(bus, **more)
        await worker.start()
        self.stack.push_async_callback(bus.close)
        self.workers.append(worker)
        async with asyncio.timeout(20):
            while worker.worker_id not in (await self.http.get("/workers")).text:
                await asyncio.sleep(0.05)
                await worker.beat([])  # again and again, as a real one: on a bad day one is put off for half a minute
        return worker

    async def add_replica(self, **settings: Any) -> httpx2.AsyncClient:
        """A second orchestrator on the same store and broker."""
        return await self.stack.enter_async_context(
            orchestrator(self.store, self.folder, self.broker, self.catalog, **{"faults": None} | settings)
        )

    def save(self, *steps: dict[str, Any], **more: Any) -> None:
        self.catalog.save(chain_definition(*steps, **more))

    async def start_run(self, order_id: str = "4711", **more: Any) -> str:
        body = {"process_id": "order-to-cash", "inputs": {"order_id": order_id}, **more}
        answer = await self.http.post("/runs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["run_id"])

    async def view(self, run_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        return list((await self.http.get(f"/runs/{run_id}/events")).json()["items"])

    async def until(self, run_id: str, good: Callable[[dict[str, Any]], bool], seconds: float = 30.0) -> dict[str, Any]:
        """Wait for a state of the run, seen through the API."""
        view: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    view = await self.view(run_id)
                    if good(view):
                        return view
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not reached: {json.dumps(view)[:3000]}") from None

    async def eventually(self, good: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait for something that cannot be awaited."""
        async with asyncio.timeout(seconds):
            while not good():  # noqa: ASYNC110 - a state of the test's surroundings
                await asyncio.sleep(0.01)

    async def ended(self, run_id: str, seconds: float = 30.0) -> dict[str, Any]:
        return await self.until(run_id, lambda view: view["ended_at"] is not None, seconds)


@asynccontextmanager
async def orchestrator(
    store: str, folder: Path, broker: InProcessBroker, catalog: CatalogDouble, *, faults: Faults | None, **settings: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """One replica, started; yields a client with the service token. `faults` are those of its bus."""
    bus = InProcessBus(broker)
    service = build(
        Settings(
            store=store,
            bus="memory:",
            service_token=SecretStr(TOKEN),
            evidence=str(folder / "evidence"),
            **settings,
        ),
        bus=FaultyBus(bus, faults) if faults else bus,
        catalog=catalog.client(),
    )
    async with running(service, drain_seconds=2.0):
        assert service.app is not None
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(service.app),
            base_url="http://orchestrator.test",
            headers={"Authorization": f"Bearer {TOKEN}", "X-Steptrail-Actor": "anna"},
        ) as client:
            yield client


@pytest.fixture
async def bench(store_address: str, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Bench]]]:
    """Makes an orchestrator with a catalog double and a scripted worker on one in-process broker."""
    async with AsyncExitStack() as stack:

        async def make(*, with_worker: bool = True, faults: Faults | None = None, **settings: Any) -> Bench:
            broker, catalog = InProcessBroker(), CatalogDouble()
            http = await stack.enter_async_context(
                orchestrator(store_address, tmp_path, broker, catalog, faults=faults, **settings)
            )
            here = Bench(store_address, tmp_path, broker, catalog, http, stack)
            if with_worker:
                await here.add_worker()
            return here

        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def store_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every test with this fixture runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'orchestrator.db'}"
    return str(request.getfixturevalue("fresh_postgres"))
