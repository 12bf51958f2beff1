"""Connections of asyncpg that are kept at hand: to borrow one from SQLAlchemy's pool costs as much as a decision."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine


class Drivers:
    """Made by the engine, then taken out of its pool; gone with the engine. Statements on them commit by themselves."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._idle: list[Any] = []
        self._over = False
        sa.event.listen(engine.sync_engine, "engine_disposed", self._disposed)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection that nobody else uses meanwhile. Raises what SQLAlchemy raises when there is none."""
        driver = self._idle.pop() if self._idle else await self._made()
        try:
            yield driver
        finally:
            if self._over:
                driver.terminate()
            elif not driver.is_closed():
                self._idle.append(driver)

    async def _made(self) -> Any:
        borrowed = await self._engine.raw_connection()
        driver = borrowed.driver_connection
        borrowed.detach()
        return driver

    def _disposed(self, _engine: sa.Engine) -> None:
        self._over = True
        while self._idle:
            self._idle.pop().terminate()
