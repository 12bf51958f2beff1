"""What the catalog says when it cannot start or its database is away."""

import gc
import json
import warnings
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import sqlalchemy as sa
from steptrail_catalog.adapters import schema
from steptrail_catalog.adapters.mongo import MongoCatalog, MongoProcessStore
from steptrail_catalog.adapters.sql import MIGRATIONS, prepare
from steptrail_catalog.config import Settings
from steptrail_catalog.service import build
from steptrail_common.database import migrate, open_engine, reading, writing
from steptrail_common.errors import ConfigurationError, Unavailable
from steptrail_common.sealing import generate_keys

TOKEN = "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("store", "key", "told"),
    [
        ("postgresql+asyncpg://db/catalog", None, "STEPTRAIL_CATALOG_STORE"),
        ("sqlite+aiosqlite:///{folder}/c.db", "c2hvcnQ=", "public key"),
        ("sqlite+aiosqlite:///{folder}/c.db", "not base64!", "public key"),
    ],
)
def test_wrong_settings_are_refused_before_anything_starts(
    tmp_path: Path, store: str, key: str | None, told: str
) -> None:
    """In one sentence that names what to change."""
    settings = Settings(
        store=store.format(folder=tmp_path),
        bus="memory:",
        service_token=TOKEN,
        public_key=key or generate_keys().public,
    )
    with pytest.raises(ConfigurationError, match=told):
        build(settings)


async def test_an_address_that_is_none_is_refused() -> None:
    """And says which setting it is."""
    with pytest.raises(ConfigurationError, match="STEPTRAIL_CATALOG_STORE"):
        await MongoCatalog("mongodb://host:notaport/catalog").start()


async def test_a_database_that_is_away_is_unavailable() -> None:
    """Which callers may repeat; the service waits for it at its start."""
    catalog = MongoCatalog("mongodb://127.0.0.1:1/catalog")
    told = await _told(MongoProcessStore(catalog).get("orders")), await _told(catalog.start())
    await catalog.close()
    del catalog
    with warnings.catch_warnings():  # the driver does not close the sockets of attempts to connect that failed
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert told == (False, False)


async def _told(work: Awaitable[object]) -> bool | None:
    """Whether the service calls it permanent that its database is away. Keeps nothing of the error."""
    try:
        await work
    except Unavailable as error:
        return error.permanent
    return None


async def test_processes_saved_before_boards_were_listed_are_listed(tmp_path: Path) -> None:
    """The first start of the new version reads from the definitions which processes have a stuck board."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path}/catalog.db")
    await migrate(engine, service="catalog", migrations=MIGRATIONS, target="0001")
    head = {"revision": 1, "deleted": False, "summary": {}, "sort_name": "", "search_text": "", "active": True}
    saved = {"revision": 1, "document": {}, "source_yaml": "", "saved_by": "ada"}
    old = [column for column in schema.processes.c if column.name != "board"]
    async with writing(engine) as connection:
        for name, definition in (("with", {"population": {}}), ("without", {"population": None})):
            values = head | {"process_id": name, "created_at": NOON}
            await connection.execute(sa.insert(sa.table("processes", *(_plain(column) for column in old))), values)
            values = saved | {"process_id": name, "definition": definition, "saved_at": NOON}
            await connection.execute(sa.insert(schema.revisions), values)
    await prepare(engine)
    async with reading(engine) as connection:
        rows = await connection.execute(sa.select(schema.processes.c.process_id, schema.processes.c.board))
        assert {row.process_id: row.board for row in rows} == {"with": True, "without": False}
    await engine.dispose()


async def test_documents_saved_before_boards_were_listed_are_listed(mongo_url: str, fresh_mongo_db: str) -> None:
    """The same in MongoDB."""
    catalog = MongoCatalog(urlunsplit(urlsplit(mongo_url)._replace(path=f"/{fresh_mongo_db}")))
    await catalog.start()
    heads = [
        {"_id": name, "revision": 1, "current": {"definition": json.dumps(definition)}}
        for name, definition in (("with", {"population": {}}), ("without", {"population": None}))
    ]
    await catalog.database.processes.insert_many(heads)
    await catalog.start()
    found = {head["_id"]: head["board"] async for head in catalog.database.processes.find()}
    await catalog.close()
    assert found == {"with": True, "without": False}


def _plain(column: sa.Column[Any]) -> sa.ColumnClause[Any]:
    return sa.column(column.name, column.type)
