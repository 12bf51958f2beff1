"""What the catalog says when it cannot start or its database is away."""

import gc
import warnings
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
    store = MongoProcessStore(catalog)
    with pytest.raises(Unavailable):
        await store.get("orders")
    with pytest.raises(Unavailable) as away:
        await catalog.start()
    assert not away.value.permanent
    await catalog.close()
    with warnings.catch_warnings():  # the driver leaves the socket of an attempt to connect that its close cuts short
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
