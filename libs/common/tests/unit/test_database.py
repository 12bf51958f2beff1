"""SQL stores: addresses, moments, transactions."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.database import ID, Moment, migrate, open_engine, reading, writing
from steptrail_common.errors import ConfigurationError, Unavailable

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
metadata = sa.MetaData()
facts = sa.Table("facts", metadata, sa.Column("id", ID, primary_key=True), sa.Column("at", Moment))


@pytest.fixture(params=["sqlite", "postgresql"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    address = f"sqlite+aiosqlite:///{tmp_path}/deeper/x.db"
    if request.param == "postgresql":
        address = request.getfixturevalue("fresh_postgres")
    opened = open_engine(address)
    async with writing(opened) as connection:
        await connection.run_sync(metadata.create_all)
    yield opened
    await opened.dispose()


@pytest.mark.parametrize(
    "address", ["", "mysql://x/y", "sqlite://", "sqlite+aiosqlite:///:memory:", "postgresql://x/y"]
)
def test_other_addresses_are_refused(address: str) -> None:
    """With the two that are possible."""
    with pytest.raises(ConfigurationError, match=r"postgresql\+asyncpg"):
        open_engine(address)


async def test_connections_of_sqlite_cache_little(tmp_path: Path) -> None:
    """Each of a pool's connections has a cache of its own, filled by whatever is read through it."""
    opened = open_engine(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    async with writing(opened) as connection:
        await connection.run_sync(metadata.create_all)
    async with reading(opened) as one, reading(opened) as other:
        for connection in (one, other):
            assert await connection.scalar(sa.text("PRAGMA cache_size")) == -512  # negative: KiB, not pages
            assert await connection.scalar(sa.text("PRAGMA busy_timeout")) == 10_000
    await opened.dispose()


async def test_moments_keep_their_microseconds_and_order(engine: AsyncEngine) -> None:
    """Whatever zone they were given in, they come back in UTC and compare in the database."""
    early, late = NOON, NOON.astimezone(timezone(timedelta(hours=-9))) + timedelta(microseconds=1)
    async with writing(engine) as connection:
        await connection.execute(sa.insert(facts), [{"id": "b", "at": late}, {"id": "a", "at": early}])
        await connection.execute(sa.insert(facts), [{"id": "none", "at": None}])
    async with reading(engine) as connection:
        rows = (await connection.execute(sa.select(facts).where(facts.c.at >= early).order_by(facts.c.at))).all()
    assert [(row.id, row.at, row.at.tzinfo) for row in rows] == [("a", early, UTC), ("b", late, UTC)]


async def test_ids_are_ordered_byte_by_byte(engine: AsyncEngine) -> None:
    """Not by a locale that ignores dashes or case."""
    ids = ["a-b", "ab", "B", "a", "Z", "-"]
    async with writing(engine) as connection:
        await connection.execute(sa.insert(facts), [{"id": one, "at": None} for one in ids])
        found = (await connection.scalars(sa.select(facts.c.id).order_by(facts.c.id))).all()
    assert list(found) == sorted(ids)


async def test_an_exception_rolls_back(engine: AsyncEngine) -> None:
    """All or nothing."""

    async def failing() -> None:
        async with writing(engine) as connection:
            await connection.execute(sa.insert(facts), [{"id": "x", "at": NOON}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    async with reading(engine) as connection:
        assert (await connection.execute(sa.select(facts))).all() == []


async def test_writers_wait_for_each_other(engine: AsyncEngine) -> None:
    """Read, then write, in many transactions at once: none fails half way with a locked database."""

    async def add(number: int) -> None:
        async with writing(engine) as connection:
            await connection.execute(sa.select(facts))
            await connection.execute(sa.insert(facts), [{"id": str(number), "at": NOON}])

    await asyncio.gather(*(add(number) for number in range(20)))
    async with reading(engine) as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(facts)) == 20


async def test_a_database_that_is_away_is_unavailable() -> None:
    """Not a stack trace of a driver."""
    engine = open_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        async with reading(engine):
            pass
    await engine.dispose()


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize(
    ("state", "away"), [("57P03", True), ("57P01", True), ("53300", True), ("25006", True), ("42P01", False)]
)
async def test_a_server_that_starts_stops_or_is_full_is_away(fresh_postgres: str, state: str, away: bool) -> None:
    """And only then: a table that is missing is a bug of ours."""
    engine = open_engine(fresh_postgres)
    raising = f"do $$ begin raise exception 'no' using errcode = '{state}'; end $$"
    with pytest.raises(Unavailable if away else sa.exc.DBAPIError):
        async with writing(engine) as connection:
            await connection.execute(sa.text(raising))
    await engine.dispose()


SCRIPT = """
import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = {before}


def upgrade() -> None:
    op.create_table("made_by_{number}", sa.Column("id", sa.Integer(), primary_key=True))
"""
ENVIRONMENT = """
import sqlalchemy as sa
from steptrail_common.database import run_migrations

run_migrations(sa.MetaData())
"""


def _script(folder: Path, number: str, before: str | None) -> None:
    (folder / "versions").mkdir(exist_ok=True)
    (folder / "env.py").write_text(ENVIRONMENT)
    (folder / "versions" / f"{number}.py").write_text(SCRIPT.format(number=number, before=repr(before)))


async def _tables(engine: AsyncEngine) -> set[str]:
    async with reading(engine) as connection:
        return set(await connection.run_sync(lambda inner: sa.inspect(inner).get_table_names()))


async def test_migrations_run_once_and_later_ones_when_they_come(engine: AsyncEngine, tmp_path: Path) -> None:
    """A start brings the schema to the program's newest revision; a start that finds it there changes nothing."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    _script(folder, "0001", None)
    await migrate(engine, service="sample", migrations=folder)
    assert "made_by_0001" in await _tables(engine)
    await migrate(engine, service="sample", migrations=folder)
    _script(folder, "0002", "0001")
    await migrate(engine, service="sample", migrations=folder)
    assert {"made_by_0001", "made_by_0002"} <= await _tables(engine)


FIRST_START = """
import asyncio, sys
from pathlib import Path
from steptrail_common.database import migrate, open_engine

async def main():
    engine = open_engine(sys.argv[1])
    await migrate(engine, service="sample", migrations=Path(sys.argv[2]))
    await engine.dispose()

asyncio.run(main())
assert "alembic" in sys.modules
print(*[name for name in sys.modules if name.startswith("pygments.lexers")])
"""


def test_who_migrates_keeps_no_lexers_in_memory(tmp_path: Path) -> None:
    """What Alembic imports is never given back, so that it should be no more than migrations need."""
    (folder := tmp_path / "scripts").mkdir()
    _script(folder, "0001", None)
    address = f"sqlite+aiosqlite:///{tmp_path}/first.db"
    done = subprocess.run(
        [sys.executable, "-c", FIRST_START, address, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.req("NFR-012")
async def test_a_schema_newer_than_the_program_is_refused(engine: AsyncEngine, tmp_path: Path) -> None:
    """An older program does not touch what a newer one wrote: it says so and does not start."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    _script(folder, "0001", None)
    _script(folder, "0002", "0001")
    await migrate(engine, service="sample", migrations=folder)
    (folder / "versions" / "0002.py").unlink()
    with pytest.raises(ConfigurationError, match="0002"):
        await migrate(engine, service="sample", migrations=folder)
