"""Of all replicas one looks at the rights of an account: on both stores."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from steptrail_common.database import migrate, open_engine
from steptrail_orchestrator.adapters import migrations
from steptrail_orchestrator.adapters.sql import SqlInspectionStore

HOUR = 3600.0


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlInspectionStore]:
    if request.param == "postgresql":
        url = request.getfixturevalue("fresh_postgres")
    else:
        url = f"sqlite+aiosqlite:///{tmp_path / 'orchestrator.sqlite'}"
    engine = open_engine(url)
    await migrate(engine, service="orchestrator", migrations=Path(migrations.__path__[0]))
    yield SqlInspectionStore(engine)
    await engine.dispose()


@pytest.mark.req("FR-012")
async def test_one_of_many_replicas_has_the_turn(store: SqlInspectionStore) -> None:
    """However many ask at the same moment; of another connection another one may."""
    asked = [store.claim("erp", 1, seconds=HOUR) for _ in range(8)] + [store.claim("crm", 1, seconds=HOUR)]
    assert sorted(await asyncio.gather(*asked)) == [False] * 7 + [True] * 2


@pytest.mark.req("NFR-008")
async def test_a_turn_that_was_not_used_is_given_again(store: SqlInspectionStore) -> None:
    """The replica that had it died; one that could not look gives it back at once."""
    assert await store.claim("erp", 1, seconds=0.2)
    await asyncio.sleep(0.3)
    assert await store.claim("erp", 1, seconds=HOUR)
    assert not await store.claim("erp", 1, seconds=HOUR)
    await store.put_off("erp", 1, seconds=0.0)
    assert await store.claim("erp", 1, seconds=HOUR)


async def test_what_was_looked_at_waits_until_it_is_saved_again(store: SqlInspectionStore) -> None:
    """Whoever looked at the version before has nothing to say about the new one."""
    assert await store.claim("erp", 1, seconds=0.0)
    await store.put_off("erp", 1, seconds=HOUR)
    assert not await store.claim("erp", 1, seconds=HOUR)
    assert await store.claim("erp", 2, seconds=HOUR)
    await store.put_off("erp", 1, seconds=0.0)
    assert not await store.claim("erp", 2, seconds=HOUR)
