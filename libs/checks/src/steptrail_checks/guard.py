"""Time limit for looking into documents: a selector or path that would take for ever ends as `selector_error`.

Small documents with harmless questions are looked at directly. Others go to a thread of their own that is told to
end when its time is over; it is a daemon, so that a stubborn one can never hold up the end of the process.
"""

import asyncio
import contextvars
import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from steptrail_common.contracts.model import FailureClass

from steptrail_checks.port import CheckFailed

LOOK_SECONDS = 5.0
MAX_STUCK = 8
"""Threads that did not end though they were told; above this the worker refuses, until one of them has ended."""

T = TypeVar("T")
_stuck: set[threading.Thread] = set()


class _TimeOver(Exception):
    """Raised inside a thread that has used up its time."""


async def within_time(look: Callable[[], T], *, seconds: float = LOOK_SECONDS) -> T:
    """`look()` in a thread, for at most so long. Raises `CheckFailed` (`selector_error`) and what `look` raises."""
    _stuck.difference_update({thread for thread in _stuck if not thread.is_alive()})
    if len(_stuck) >= MAX_STUCK:
        raise CheckFailed(
            FailureClass.INTERNAL, "too many earlier looks have not ended", reason="worker_exhausted", ours=True
        )
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()
    thread = threading.Thread(target=_run, args=(context, look, loop, future), daemon=True, name="look")
    thread.start()
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError as error:
        _stuck.add(thread)
        if thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_TimeOver))
        raise CheckFailed(
            FailureClass.INVALID_DEFINITION,
            f"looking into the answer took longer than {seconds:g} s: simplify the selectors and paths",
            reason="selector_error",
        ) from error


def _run(
    context: contextvars.Context, look: Callable[[], T], loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]"
) -> None:
    try:
        result = context.run(look)
    except _TimeOver:
        return
    except BaseException as error:
        _tell(loop, future, None, error)
    else:
        _tell(loop, future, result, None)


def _tell(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]", result: T | None, error: BaseException | None
) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop ended meanwhile: nobody is waiting
