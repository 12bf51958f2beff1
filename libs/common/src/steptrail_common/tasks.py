"""How a task of ours is ended."""

import asyncio
from typing import Any

AGAIN_SECONDS = 10.0
"""Longer than any task takes to end in good order."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them and wait for their end; what they raise is theirs. A cancellation can get lost (`wait_for` of Python
    3.11 loses one that comes together with what it waits for): then they are cancelled again."""
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
