"""Drivers are loaded when they are needed, and not in the time of the check that needs them first."""

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest
from steptrail_checks.port import OpenedConnection, Preparing
from steptrail_common.contracts.connections import SqliteSettings
from steptrail_dbprobe.adapters.db_query import DbQueryKind


@pytest.mark.req("NFR-007")
async def test_a_driver_is_loaded_once_and_holds_up_nobody() -> None:
    """Others are served while it loads; the second check finds it loaded."""
    loaded: list[float] = []

    def slowly() -> Any:
        time.sleep(0.3)
        loaded.append(time.monotonic())
        return object()

    kind = DbQueryKind({"sqlite": slowly})
    connection = OpenedConnection("shop", SqliteSettings(kind="sqlite", path="/data/shop.db"), {})
    assert isinstance(kind, Preparing)
    loading = asyncio.create_task(kind.prepare(connection))
    turns = 0
    while not loading.done():
        await asyncio.sleep(0.01)
        turns += 1
    await kind.prepare(connection)
    assert len(loaded) == 1
    assert turns > 5


@pytest.mark.req("NFR-007")
def test_a_start_loads_no_driver_of_mongodb() -> None:
    """It alone would take 40 MB of a worker that asks PostgreSQL only."""
    code = "import sys, steptrail_dbprobe.service; print('pymongo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
