"""The slots of a worker: how many checks are under way at once, in all, of each kind and of each target.

A bulkhead: a target may hold no more slots than are left free for others. So one that hangs has half of them at most, a
second one half of the rest, and the next one finds a slot. What waits for its target holds nothing. Of those that wait
for the same target the one goes first whose process holds the fewest slots of it: a crowd of one process keeps no other
process away from a target they share.
"""

import asyncio
import itertools
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

STALLED_SECONDS = 0.3
"""A target of which checks wait, and none could begin for so long, is slow: what waits behind them is looked for."""


_Key = tuple[str | None, str | None]
"""Kind and target: who waits for the same waits in one line."""


@dataclass(eq=False, slots=True)
class _Waiter:
    key: _Key
    process: str
    number: int
    granted: "asyncio.Future[None]"


_Line = dict[str, OrderedDict[int, _Waiter]]
"""Who waits for the same, by process."""


class Slots:
    """All on one event loop."""

    def __init__(
        self,
        count: int,
        kinds: Mapping[str, int],
        *,
        per_target: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count`: in all; `kinds`: of each kind, at most `count`; `per_target`: at most, where more are left free."""
        self._free = count
        self._limits = dict(kinds)
        self._free_of = dict(kinds)
        self._per_target = per_target
        self._monotonic = monotonic
        self._held: Counter[str] = Counter()
        self._held_of: Counter[tuple[str | None, str]] = Counter()
        self._held_by: Counter[tuple[str, str]] = Counter()
        self._began: dict[str, float] = {}
        self._waiting: dict[_Key, _Line] = {}
        self._numbers = itertools.count()
        self.someone_waits = asyncio.Event()

    @asynccontextmanager
    async def slot(self, kind: str | None, target: str | None, process: str = "") -> AsyncIterator[None]:
        """The check goes inside; it waits here without a limit of time. Without a target, which a local folder is not
        and a person's own look does not need, only the slots themselves count; without a kind, only those of all."""
        if self._may(kind, target):
            self._take(kind, target, process)
        else:
            await self._granted((kind, target), process)
        try:
            yield
        finally:
            self._give_back(kind, target, process)

    def waits(self, kind: str, target: str | None) -> str | None:
        """What to tell of a check that has not begun, if it could were it of another target."""
        if target is None or not self._kept_by(kind, target):
            return None
        return f"waits for other checks of {target}: {self._held[target]} under way"

    def _kept_by(self, kind: str, target: str) -> bool:
        return self._may(kind, None) and not self._may(kind, target)

    def busy(self, kind: str) -> int:
        """Checks of a kind that have a slot."""
        return self._limits[kind] - self._free_of[kind]

    def waiting(self, kind: str) -> int:
        """Checks of a kind that wait for a slot."""
        lines = (line for key, line in self._waiting.items() if key[0] == kind)
        return sum(len(waiters) for line in lines for waiters in line.values())

    def stalled(self, kind: str) -> bool:
        """Whether slots are free that what waits here cannot take, since its target has been slow for a while."""
        longest = self._monotonic() - STALLED_SECONDS
        targets = {key[1] for key in self._waiting if key[0] == kind}
        return any(
            target is not None and self._kept_by(kind, target) and self._began.get(target, longest) <= longest
            for target in targets
        )

    async def _granted(self, key: _Key, process: str) -> None:
        waiter = _Waiter(key, process, next(self._numbers), asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, {}).setdefault(process, OrderedDict())[waiter.number] = waiter
        self.someone_waits.set()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.number in self._waiting.get(key, {}).get(process, ()):
                self._forget(waiter)
            else:
                self._give_back(*key, process)
            raise

    def _may(self, kind: str | None, target: str | None) -> bool:
        held, held_of = (0, 0) if target is None else (self._held[target], self._held_of[kind, target])
        if held >= self._per_target:
            return False
        return held < self._free and (kind is None or held_of < self._free_of[kind])

    def _take(self, kind: str | None, target: str | None, process: str) -> None:
        self._count(kind, target, process, 1)
        if target is not None:
            self._began[target] = self._monotonic()

    def _give_back(self, kind: str | None, target: str | None, process: str) -> None:
        self._count(kind, target, process, -1)
        if target is not None and not self._held[target]:
            del self._held[target], self._began[target]
        self._grant()

    def _count(self, kind: str | None, target: str | None, process: str, change: int) -> None:
        self._free -= change
        if kind is not None:
            self._free_of[kind] -= change
        if target is None:
            return
        self._held[target] += change
        _add(self._held_by, (target, process), change)
        if kind is not None:
            _add(self._held_of, (kind, target), change)

    def _grant(self) -> None:
        """Whoever may begin now does. Of those that wait for one target the process that holds the fewest of it is
        next, of targets the one whose next has waited longest. Thousands may wait, so only the lines are looked at."""
        while self._free and (may := [line for key, line in self._waiting.items() if self._may(*key)]):
            waiter = min((self._next(line) for line in may), key=lambda waiter: waiter.number)
            self._forget(waiter)
            self._take(*waiter.key, waiter.process)
            waiter.granted.set_result(None)

    def _next(self, line: _Line) -> _Waiter:
        firsts = (next(iter(waiters.values())) for waiters in line.values())
        return min(firsts, key=lambda one: (self._held_by[str(one.key[1]), one.process], one.number))

    def _forget(self, waiter: _Waiter) -> None:
        line = self._waiting[waiter.key]
        del line[waiter.process][waiter.number]
        if not line[waiter.process]:
            del line[waiter.process]
        if not line:
            del self._waiting[waiter.key]
        if not self._waiting:
            self.someone_waits.clear()


def _add(counter: Counter[Any], key: Any, change: int) -> None:
    """What counts to nothing is forgotten: targets and processes come and go."""
    counter[key] += change
    if not counter[key]:
        del counter[key]
