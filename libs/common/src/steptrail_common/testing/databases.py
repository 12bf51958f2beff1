"""Empty PostgreSQL databases for tests, used again and again: to make one costs ten times as much as to empty it."""

import asyncio
from collections.abc import Awaitable, Callable
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

T = TypeVar("T")
Connection = Any  # asyncpg's own type has a parameter that its connections do not have when the program runs
_WAIT_SECONDS = 60

_END_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1"
_EMPTY = """
    DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO public;
"""
_MARKS = """
    SELECT (SELECT count(*) FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema')
         + (SELECT count(*) FROM pg_extension) + (SELECT count(*) FROM pg_default_acl)
         + (SELECT count(*) FROM pg_event_trigger) + (SELECT count(*) FROM pg_publication)
         + (SELECT count(*) FROM pg_foreign_data_wrapper) + (SELECT count(*) FROM pg_largeobject_metadata)
         + (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = d.oid)
         + (SELECT count(*) FROM unnest(d.datacl)) + (d.datallowconn AND d.datconnlimit = -1)::int
    FROM pg_database d WHERE datname = current_database()
"""
"""What a database may keep beside its schema `public`. In a new one: the schema, plpgsql, and that it may be used."""
_MARKS_WHEN_NEW = 3


class Databases:
    """Lends databases of one server. It works in a thread of its own, beside the event loops of the tests."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        self._free: list[str] = []
        self._admin: Connection | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="test-databases", daemon=True)
        self._thread.start()

    def lend(self) -> str:
        """The address of an empty database."""
        return self._do(self._lend)

    def take_back(self, address: str) -> None:
        """Whoever is still connected is cut off. A database that cannot be as new again is dropped."""
        self._do(lambda: self._take_back(address))

    def close(self) -> None:
        """Drop them all."""
        self._do(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WAIT_SECONDS)
        self._loop.close()

    def _do(self, work: Callable[[], Awaitable[T]]) -> T:
        async def doing() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(_WAIT_SECONDS)

    async def _lend(self) -> str:
        if self._free:
            return self._free.pop()
        name = f"t{uuid4().hex[:12]}"
        await (await self._administrator()).execute(f'CREATE DATABASE "{name}"')
        return urlunsplit(self._server._replace(path=f"/{name}"))

    async def _take_back(self, address: str) -> None:
        name = urlsplit(address).path[1:]
        admin = await self._administrator()
        await admin.fetch(_END_SESSIONS, name)
        if await self._emptied(address):
            self._free.append(address)
        else:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _emptied(self, address: str) -> bool:
        try:
            connection = await _connect(address)
        except asyncpg.PostgresError:
            return False
        try:
            await connection.execute(_EMPTY)
            return bool(await connection.fetchval(_MARKS) == _MARKS_WHEN_NEW)
        except asyncpg.PostgresError:
            return False
        finally:
            await connection.close()

    async def _administrator(self) -> Connection:
        """The one connection for all, opened again after the server was restarted."""
        if self._admin is None or self._admin.is_closed():
            self._admin = await _connect(urlunsplit(self._server))
        return self._admin

    async def _close(self) -> None:
        admin = await self._administrator()
        for address in self._free:
            await admin.execute(f'DROP DATABASE IF EXISTS "{urlsplit(address).path[1:]}" WITH (FORCE)')
        await admin.close()


async def _connect(address: str) -> Connection:
    return await asyncpg.connect(address.replace("+asyncpg", ""))
