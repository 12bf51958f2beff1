"""What the one process gives back to the machine."""

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_ARENA_MAX: Final = -8
"""Numbers of glibc's `malloc.h`."""
_TRIM_BYTES: Final = 128 * 1024


def spare_memory() -> bool:
    """Let all threads share one pool of memory, and give back what is free at its end: says whether the C library can.

    glibc gives every thread a pool of its own, and each database file has a thread here: what one of them freed, no
    other used. That was a tenth of the process. To be called before the threads begin.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, 1)) and bool(mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES))
