"""Stores of both kinds, and a whole catalog behind its API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_catalog.adapters import schema
from steptrail_catalog.adapters.mongo import MongoCatalog, MongoConnectionStore, MongoProcessStore, MongoRelay
from steptrail_catalog.adapters.mongo.processes import head_of
from steptrail_catalog.adapters.rows import facts
from steptrail_catalog.adapters.schema import outbox
from steptrail_catalog.adapters.sql import SqlConnectionStore, SqlProcessStore, prepare
from steptrail_catalog.config import Settings
from steptrail_catalog.ports import ConnectionStore, ProcessStore, Revision
from steptrail_catalog.service import build
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Bus, Delivery, Subscription
from steptrail_common.contracts.events import CloudEvent
from steptrail_common.database import open_engine, writing
from steptrail_common.outbox import OutboxRelay
from steptrail_common.sealing import KeyPair, generate_keys
from steptrail_common.service import running

TOKEN = "0123456789abcdef0123456789abcdef"
KINDS = ["sqlite", "mongodb"]
ORDERS = """
version: 1
process: orders
name: Orders
category: sales
tags: [critical, demo]
owner: team-orders
inputs:
  order_id: {type: string, example: "4711"}
steps:
  - id: page
    name: Page
    check: {type: web_crawl, url: "https://shop.example.com/${{ inputs.order_id }}"}
"""


@dataclass(frozen=True)
class Opened:
    """The two stores of one database. `relay_to` publishes what waits, once; `fill` writes many processes in one go."""

    processes: ProcessStore
    connections: ConnectionStore
    relay_to: Callable[[Bus], Awaitable[int]]
    fill: Callable[[Sequence[Revision]], Awaitable[None]]


@pytest.fixture(params=KINDS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    """Empty stores of each kind."""
    if request.param == "mongodb":
        catalog = MongoCatalog(_mongo_address(request))
        await catalog.start()
        yield Opened(
            MongoProcessStore(catalog),
            MongoConnectionStore(catalog),
            lambda bus: MongoRelay(catalog, bus, service="catalog").publish_batch(),
            partial(_fill_mongo, catalog),
        )
        await catalog.close()
        return
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path}/catalog.db")
    await prepare(engine)
    yield Opened(
        SqlProcessStore(engine),
        SqlConnectionStore(engine),
        lambda bus: OutboxRelay(engine, outbox, bus).publish_batch(),
        partial(_fill_sql, engine),
    )
    await engine.dispose()


async def _fill_mongo(catalog: MongoCatalog, revisions: Sequence[Revision]) -> None:
    heads = [
        {"_id": one.process_id, "deleted": False, "created_at": one.saved_at, **head_of(one, one.saved_at)}
        for one in revisions
    ]
    await catalog.database.processes.insert_many(heads)


async def _fill_sql(engine: AsyncEngine, revisions: Sequence[Revision]) -> None:
    heads, tags = [], []
    for one in revisions:
        about = {"process_id": one.process_id, "revision": 1, "deleted": False, "created_at": one.saved_at}
        heads.append(about | facts(one, one.saved_at))
        tags += [{"process_id": one.process_id, "tag": tag} for tag in one.definition["tags"]]
    async with writing(engine) as connection:
        await connection.execute(sa.insert(schema.processes), heads)
        await connection.execute(sa.insert(schema.process_tags), tags)
        await connection.execute(sa.insert(schema.revisions), [asdict(one) for one in revisions])


def _mongo_address(request: pytest.FixtureRequest) -> str:
    url, name = request.getfixturevalue("mongo_url"), request.getfixturevalue("fresh_mongo_db")
    return urlunsplit(urlsplit(str(url))._replace(path=f"/{name}"))


@dataclass
class Catalog:
    """A running catalog: its API, the events it told, its keys and its database."""

    api: httpx2.AsyncClient
    keys: KeyPair
    address: str
    told: list[CloudEvent] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def told_of(self, name: str, count: int = 1) -> list[CloudEvent]:
        """The events of a name, once there are so many."""

        def found() -> list[CloudEvent]:
            return [event for event in self.told if event.name == name]

        async with asyncio.timeout(10), self.heard:
            await self.heard.wait_for(lambda: len(found()) >= count)
        return found()

    async def create(self, text: str = ORDERS, **headers: str) -> httpx2.Response:
        answer = await self.api.post(
            "/processes", content=text.encode(), headers={"Content-Type": "application/yaml", **headers}
        )
        assert answer.status_code == 201, answer.text
        return answer

    async def connect(self, connection_id: str = "erp", **more: Any) -> httpx2.Response:
        settings = {"kind": "postgresql", "host": "db.example.com", "database": "erp", "username": "probe"}
        body = {"connection_id": connection_id, "name": "ERP", "settings": settings, **more}
        return await self.api.post("/connections", json=body)


@pytest.fixture(params=KINDS)
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    """A whole catalog on each kind of store, with a listener on the bus."""
    address = f"sqlite+aiosqlite:///{tmp_path}/catalog.db"
    if request.param == "mongodb":
        address = _mongo_address(request)
    broker, keys = InProcessBroker(), generate_keys()
    settings = Settings(store=address, bus="memory:", service_token=TOKEN, public_key=keys.public)
    service = build(settings, bus=InProcessBus(broker))
    assert service.app is not None
    listener = InProcessBus(broker)
    await listener.start()
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(service.app),
        base_url="http://catalog",
        headers={"Authorization": f"Bearer {TOKEN}", "X-Steptrail-Actor": "ada"},
    )
    opened = Catalog(client, keys, address)

    async def hear(deliveries: Sequence[Delivery]) -> None:
        async with opened.heard:
            for delivery in deliveries:
                opened.told.append(CloudEvent.model_validate_json(delivery.message.body))
                opened.topics.append(delivery.routing_key)
                assert delivery.message.content_type == "application/cloudevents+json"
            opened.heard.notify_all()

    await listener.subscribe(Subscription("listener", patterns=("process.#", "connection.#")), hear)
    async with running(service), client:
        yield opened
    await listener.close()
