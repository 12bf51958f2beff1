"""Connections of asyncpg that are kept at hand: to borrow one from SQLAlchemy's pool costs as much as a decision."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from steptrail_orchestrator.adapters.sql.dialect import FORGET_PLANS, PLANS_LAST_SECONDS

LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, sa.exc.SQLAlchemyError, OSError)
"""What a statement raises that was refused, or whose connection is gone."""


class Drivers:
    """Made by the engine, then taken out of its pool; gone with the engine. Statements on them commit by themselves."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._idle: list[tuple[Any, float]] = []
        self._over = False
        sa.event.listen(engine.sync_engine, "engine_disposed", self._disposed)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection that nobody else uses meanwhile. Raises `LOST` when it is not to be had."""
        driver, planned_at = self._idle.pop() if self._idle else (await self._made(), time.monotonic())
        fine = False
        try:
            if time.monotonic() - planned_at > PLANS_LAST_SECONDS:
                await driver.execute(FORGET_PLANS)
                planned_at = time.monotonic()
            yield driver
            fine = True
        except asyncpg.PostgresError:  # the server has said no, and listens on
            fine = True
            raise
        finally:
            if fine and not self._over and not driver.is_closed():
                self._idle.append((driver, planned_at))
            else:
                driver.terminate()

    async def _made(self) -> Any:
        borrowed = await self._engine.raw_connection()
        driver = borrowed.driver_connection
        borrowed.detach()
        return driver

    def _disposed(self, _engine: sa.Engine) -> None:
        self._over = True
        while self._idle:
            self._idle.pop()[0].terminate()
