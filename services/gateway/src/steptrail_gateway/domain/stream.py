"""The live stream: frames encoded once, who wants which, and the order of a run's events."""

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.incidents import IncidentEvent
from steptrail_common.contracts.orchestrator import RunEvent

KEEP_ALIVE: Final = b": keep-alive\n\n"
ALIVE: Final = b'event: alive\ndata: {"type":"alive"}\n\n'
"""The same for who asks for it: a script in a browser cannot see comments, and so not that a stream went silent."""
RETRY_MS: Final = 2000
NOWHERE: Final = "start"
OVERLAP: Final = 500
"""Positions re-read before the one a client names: the database hands positions out before it commits, so a greater
one can be seen first. The client drops what it knows by (run_id, seq)."""
REMEMBERED_RUNS: Final = 20_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as bytes of the stream. `key` (run_id, seq) tells repeats; process events have none."""

    data: bytes
    process_id: str
    run_id: str | None = None
    key: tuple[str, int] | None = None
    also: frozenset[str] = frozenset()
    """Further processes it concerns."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a client asked for. Nothing named means everything; otherwise an event of any named run or process."""

    run_ids: frozenset[str] = frozenset()
    process_ids: frozenset[str] = frozenset()
    alive: bool = False

    def match(self, frame: Frame) -> bool:
        if not self.run_ids and not self.process_ids:
            return True
        if frame.run_id in self.run_ids or frame.process_id in self.process_ids:
            return True
        return bool(frame.also) and not frame.also.isdisjoint(self.process_ids)


def run_frame(event: RunEvent, position: str | None) -> Frame:
    """A run's event with its global position as the id to resume after."""
    data = event.model_dump_json(exclude_none=True)
    return Frame(_encode(event.type, data, position), event.process_id, event.run_id, (event.run_id, event.seq))


def process_frame(name: str, event: ProcessSaved | ProcessDeleted) -> Frame:
    """A change of a definition. It has no position: after a lost connection the client reads the list again."""
    data = json.dumps({"type": name, **event.model_dump(mode="json", exclude_none=True)}, separators=(",", ":"))
    return Frame(_encode(name, data, None), event.process_id)


def incident_frame(event: IncidentEvent) -> Frame:
    """What happened to an incident, for whoever watches one of its processes. It has no position either."""
    data = event.model_dump_json(exclude_none=True)
    return Frame(_encode(event.type, data, None), event.process_id, also=frozenset(event.process_ids))


def reset_frame(reason: str) -> bytes:
    """Tell the client to read everything again."""
    return _encode("reset", json.dumps({"reason": reason}), None)


def opening(position: str | None) -> bytes:
    """The first bytes: how soon to come back after a loss, and where the stream stands, which no event announces.

    Before the first event of this replica nobody knows where that is: who resumes from there is told to read again.
    """
    return f"retry: {RETRY_MS}\nid: {position or NOWHERE}\n\n".encode()


def _encode(name: str, data: str, position: str | None) -> bytes:
    where = f"id: {position}\n" if position is not None else ""
    return f"{where}event: {name}\ndata: {data}\n\n".encode()


def parse_position(text: str) -> int | None:
    """The number behind a `Last-Event-ID`; None for what we never sent."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None


@dataclass(slots=True)
class _Run(Generic[T]):
    last: int | None
    held: dict[int, T] = field(default_factory=dict)
    held_since: float | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A run whose next event has not come: `after` is the last one passed on, None when we never saw its beginning."""

    run_id: str
    after: int | None


class RunOrder(Generic[T]):
    """Puts the events of each run in order and drops repeats, because the bus promises neither.

    Early events are held until the missing ones come; `gaps` names the runs that have waited too long.
    """

    def __init__(self, remembered: int = REMEMBERED_RUNS) -> None:
        self._runs: OrderedDict[str, _Run[T]] = OrderedDict()
        self._waiting: set[str] = set()
        self._remembered = remembered

    def offer(self, run_id: str, seq: int, item: T, now: float) -> list[T]:
        """What may be passed on now, in order; empty for a repeat or an event that came early."""
        run = self._runs.get(run_id)
        if run is None:
            run = self._runs[run_id] = _Run(last=0 if seq == 1 else None)
            self._forget_oldest()
        else:
            self._runs.move_to_end(run_id)
        if run.last is not None and seq <= run.last:
            return []
        if seq == 1 and run.last is None:
            run.last = 0
        run.held.setdefault(seq, item)
        return self._ready(run_id, run, now)

    def gaps(self, now: float, patience_seconds: float) -> list[Gap]:
        """Runs that hold events for longer than that."""
        return [
            Gap(run_id, run.last)
            for run_id in self._waiting
            if (run := self._runs[run_id]).held_since is not None and now - run.held_since >= patience_seconds
        ]

    def release(self, run_id: str, now: float) -> list[T]:
        """Give up on what is missing: what is held, in order."""
        run = self._runs.get(run_id)
        if run is None or not run.held:
            return []
        items = [run.held[seq] for seq in sorted(run.held)]
        run.last = max(run.held)
        run.held.clear()
        self._note(run_id, run, now)
        return items

    def _ready(self, run_id: str, run: _Run[T], now: float) -> list[T]:
        items = []
        while run.last is not None and run.last + 1 in run.held:
            run.last += 1
            items.append(run.held.pop(run.last))
        self._note(run_id, run, now)
        return items

    def _note(self, run_id: str, run: _Run[T], now: float) -> None:
        if run.held:
            self._waiting.add(run_id)
            run.held_since = now if run.held_since is None else run.held_since
        else:
            self._waiting.discard(run_id)
            run.held_since = None

    def _forget_oldest(self) -> None:
        while len(self._runs) > self._remembered:
            run_id, _ = self._runs.popitem(last=False)
            self._waiting.discard(run_id)
