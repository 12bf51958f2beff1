"""What the one process holds of the machine."""

import platform
import subprocess
import sys
from typing import Final

import pytest

POOLS: Final = """
import ctypes, sys, threading
from steptrail_embedded.memory import spare_memory
if "spare" in sys.argv:
    assert spare_memory()
kept = []
threads = [threading.Thread(target=lambda: kept.append([bytes(1000) for _ in range(100)])) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def pools(*arguments: str) -> int:
    """How many pools of memory a process with eight threads has."""
    done = subprocess.run([sys.executable, "-c", POOLS, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="pools of memory are told by glibc")
def test_all_threads_share_one_pool_of_memory() -> None:
    """Without that each database's thread keeps what it freed."""
    assert pools() > 1
    assert pools("spare") == 1
