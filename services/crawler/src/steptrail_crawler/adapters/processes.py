"""Process groups: who belongs to one, how much memory they take, and their end. Reads `/proc` where there is one."""

import os
import signal
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def group_of(pid: int) -> int:
    """The process group of a process, 0 if it is our own (which is never killed) or the process is gone."""
    with suppress(OSError):
        group = os.getpgid(pid)
        return group if group != os.getpgrp() else 0
    return 0


def kill_group(group: int, pid: int) -> None:
    """Everything in the group, or the process alone if it has no group of its own. Gone already is fine."""
    with suppress(OSError):
        if group:
            os.killpg(group, signal.SIGKILL)
        elif pid:
            os.kill(pid, signal.SIGKILL)


def alive(group: int) -> bool:
    """Whether the group has a process that can still do something."""
    with suppress(OSError):
        if group:
            os.killpg(group, 0)
            return True
    return False


def memory_of_group(group: int) -> dict[int, int]:
    """Bytes of memory of their own of every process in a group, by process id. Empty where there is no `/proc`."""
    found: dict[int, int] = {}
    for entry in _PROC.iterdir() if group and _PROC.exists() else ():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                size, shared = (int(part) for part in (entry / "statm").read_text().split()[1:3])
                found[int(entry.name)] = (size - shared) * _PAGE_BYTES
    return found
