"""What the catalog says when it cannot start or its database is away."""

import gc
import warnings
from collections.abc import Awaitable
from pathlib import Path

import pytest
from steptrail_catalog.adapters.mongo import MongoCatalog, MongoProcessStore
from steptrail_catalog.config import Settings
from steptrail_catalog.service import build
from steptrail_common.errors import ConfigurationError, Unavailable
from steptrail_common.sealing import generate_keys

TOKEN = "0123456789abcdef0123456789abcdef"


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
