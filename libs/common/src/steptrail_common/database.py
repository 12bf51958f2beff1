"""SQL stores of the services: one way to open PostgreSQL or SQLite, to keep moments, and to migrate.

PostgreSQL is `postgresql+asyncpg://…`, SQLite is `sqlite+aiosqlite:///path` (one file per service, WAL).
"""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator, TypeEngine

from steptrail_common.errors import ConfigurationError, Unavailable

_SQLITE_SETTINGS = "journal_mode=WAL busy_timeout=10000 foreign_keys=ON synchronous=FULL cache_size=-512"
"""A writer waits 10,000 ms for another one. Each connection caches 512 KiB of pages: an embedded Steptrail may have
fifty, and the system caches the files as well. With the 2,000 KiB that SQLite takes by itself, sixty requests at once
left 15 MB more in the process and were answered no sooner."""
RESTED_SECONDS = 1.0
"""After so long without use a connection of PostgreSQL is tried before it is used."""
ID = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Ids are compared byte by byte everywhere, as Python does."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` in PostgreSQL, microseconds since 1970 in SQLite (which orders and compares)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(sa.BigInteger() if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return _EPOCH + timedelta(microseconds=value) if dialect.name == "sqlite" else value.astimezone(UTC)


def open_engine(address: str, *, pool_size: int = 10) -> AsyncEngine:
    """An engine for the address; nothing is connected yet. Raises `ConfigurationError` for other schemes.

    SQLite transactions begin as `BEGIN`; those of `writing()` as `BEGIN IMMEDIATE`, so that a writer waits for its
    turn at the start instead of failing in the middle.
    """
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise ConfigurationError("store: write postgresql+asyncpg://… or sqlite+aiosqlite:///path") from error
    if url.drivername == "postgresql+asyncpg":
        engine = create_async_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=10, pool_use_lifo=True)
        _ping_when_rested(engine)
        return engine
    if url.drivername != "sqlite+aiosqlite" or not url.database or url.database == ":memory:":
        raise ConfigurationError("store: write postgresql+asyncpg://… or sqlite+aiosqlite:///path")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, pool_size=pool_size, max_overflow=0)
    sa.event.listen(engine.sync_engine, "connect", _sqlite_connected)
    sa.event.listen(engine.sync_engine, "begin", _sqlite_begins)
    return engine


def _ping_when_rested(engine: AsyncEngine) -> None:
    """A connection that nobody used for a while may be dead: try it before it is handed out, else open another.

    SQLAlchemy's own `pool_pre_ping` tries it each time, which on a busy connection is a round trip for nothing.
    """

    def returned(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    def taken(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used_at", time.monotonic()) < RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:  # whatever a dead connection raises
            raise sa.exc.InvalidatePoolError from error

    sa.event.listen(engine.sync_engine, "checkin", returned)
    sa.event.listen(engine.sync_engine, "checkout", taken)


def _sqlite_connected(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _SQLITE_SETTINGS.split():
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begins(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get("steptrail_immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that means to write; committed at the end, rolled back by an exception.

    Raises `Unavailable` when the database is away; whether a commit under way took place is then unknown.
    """
    async with available(), _connected(engine) as connection:
        if engine.dialect.name == "sqlite":
            await connection.execution_options(steptrail_immediate=True)
        async with connection.begin():
            yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for queries. Raises `Unavailable` when the database is away."""
    async with available(), _connected(engine) as connection:
        yield connection


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection, closed at the end. SQLite's driver connects in a thread that a cancellation would leave behind,
    to speak to an event loop that may be gone: there connecting is not cut short."""
    if engine.dialect.name != "sqlite":
        async with engine.connect() as connection:
            yield connection
        return
    opening = asyncio.ensure_future(engine.connect())
    try:
        connection = await asyncio.shield(opening)
    except asyncio.CancelledError:
        await (await opening).close()
        raise
    try:
        yield connection
    finally:
        await connection.__aexit__(None, None, None)


@asynccontextmanager
async def available() -> AsyncIterator[None]:
    """Turns a database that is away, starting or stopping into `Unavailable`."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, OSError) as error:
        raise Unavailable(f"the database cannot be used now ({type(error).__name__})", retry_after_seconds=2) from error
    except sa.exc.DBAPIError as error:
        if not error.connection_invalidated and not (sqlstate(error) or "").startswith(_AWAY_STATES):
            raise
        raise Unavailable("the connection to the database was lost", retry_after_seconds=2) from error


_AWAY_STATES = ("08", "53", "57P", "25006")
"""SQLSTATE of PostgreSQL (its manual, appendix A): connection exception, insufficient resources, operator intervention
(shutdown, crash, still starting), read-only transaction (a server that became a standby)."""


def sqlstate(error: sa.exc.DBAPIError) -> str | None:
    """The driver's own code of the error, through SQLAlchemy's wrapping."""
    found: BaseException | None = error
    while found is not None:
        if code := getattr(found, "sqlstate", None):
            return str(code)
        found = found.__cause__
    return None


async def migrate(engine: AsyncEngine, *, service: str, migrations: Path, target: str = "head") -> None:
    """Bring the schema to `target`. Replicas that start together wait for each other.

    `migrations` is an Alembic script folder with `versions/`; its `env.py` calls `run_migrations`. Raises
    `ConfigurationError` when the schema is newer than this program.
    """
    async with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(crc32(f"migrate {service}".encode()))))
        current = await connection.run_sync(_current_revision, f"alembic_{service}")
        revisions = _revisions(migrations)
        if current is not None and current not in revisions:
            raise ConfigurationError(
                f"store: the {service} schema is at revision {current}, which this version of Steptrail does not know: "
                "start the version that wrote it, or a newer one"
            )
        if target != "head" or current is None or current in revisions.values():
            await connection.run_sync(_upgrade(service, migrations, target))


def _current_revision(connection: sa.Connection, table: str) -> str | None:
    if not sa.inspect(connection).has_table(table):
        return None
    return connection.execute(sa.select(sa.column("version_num")).select_from(sa.table(table))).scalar()


_REVISION = re.compile(r"""^(revision|down_revision)\b[^=\n]*=\s*(?:["']([^"']+)["']|None)""", re.MULTILINE)


def _revisions(migrations: Path) -> dict[str, str | None]:
    """Every revision of the folder with the one before it. Read as text: a start that finds nothing to do then needs
    no Alembic, whose import costs a fifth of it."""
    found: dict[str, str | None] = {}
    for script in (migrations / "versions").glob("*.py"):
        names = {match[1]: match[2] for match in _REVISION.finditer(script.read_text())}
        found[names["revision"]] = names["down_revision"]
    return found


def _upgrade(service: str, migrations: Path, target: str) -> Callable[[sa.Connection], None]:
    # Mako, which Alembic imports, would colour errors of templates nobody renders: 4 MB of lexers that stay for good.
    sys.modules.setdefault("mako.ext.pygmentplugin", None)  # type: ignore[arg-type]
    from alembic import command
    from alembic.config import Config

    def run(connection: sa.Connection) -> None:
        config = Config(attributes={"connection": connection, "version_table": f"alembic_{service}"})
        config.set_main_option("script_location", str(migrations))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, target)

    return run


def run_migrations(metadata: sa.MetaData) -> None:
    """The body of every `env.py`: run the scripts on the connection that `migrate` handed over."""
    from alembic import context

    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table=context.config.attributes["version_table"],
        render_as_batch=True,
        transactional_ddl=True,
    )
    context.run_migrations()
