"""Ending tasks."""

import asyncio

import pytest
from steptrail_common import tasks


@pytest.mark.req("NFR-006")
async def test_a_task_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever waits for its end waits for ever."""
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.02)
    lost = 0

    async def careless() -> None:
        nonlocal lost
        while lost < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
        await asyncio.Event().wait()

    async def broken() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("its own affair")

    ending = [asyncio.create_task(careless()), asyncio.create_task(broken())]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.end(*ending)
    assert lost == 2
    assert ending[0].cancelled()
