"""What a healed system keeps: nothing in its queues, no repairs in normal life, no memory, files or children it had not
before. Invariants I8, I14, I16 and I18."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import psutil
from steptrail_common.contracts.workers import request_queue

from ..e2e.product import Product, poll
from .clients import AT_ONCE
from .story import Story
from .target import Target

DEAD = ".dead"
QUIET_SECONDS = 30.0
"""So long heartbeats, replays and closing connections may take until everything is as it was."""
MORE_MEMORY_MB = 60.0
MORE_FILES = 30
"""Above the base line: caches that fill, and a pool of connections that was not needed before (10 of the database)."""
_MB = 1024 * 1024


@dataclass(frozen=True)
class Footprint:
    """What one process takes."""

    memory_mb: float
    files: int
    """Open file descriptors, sockets included."""
    children: int

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        process = psutil.Process(pid)
        return cls(process.memory_info().rss / _MB, process.num_fds(), len(process.children(recursive=True)))


Depths = Mapping[str, tuple[int, int]]
"""Of each queue: messages ready, and handed out but not acknowledged."""


def judge_queues(story: Story, depths: Depths, recorded: Counter[str]) -> None:
    """I8. Dead letters are what the fault sent to be parked (`story.parked`), and all of them were `recorded`."""
    for name, (ready, unacknowledged) in sorted(depths.items()):
        if not name.endswith(DEAD) and (ready or unacknowledged):
            story.wrong("I8", f"{name} holds {ready} messages, {unacknowledged} more are not acknowledged")
    dead = Counter({name.removesuffix(DEAD): sum(found) for name, found in depths.items() if name.endswith(DEAD)})
    for name in sorted(set(+dead) | set(story.parked) | set(recorded)):
        if not dead[name] == story.parked[name] == recorded[name]:
            belong = f"{recorded[name]} were recorded, {story.parked[name]} belong there"
            story.wrong("I8", f"{name} has {dead[name]} dead letters, {belong}")


@dataclass(frozen=True)
class Repairs:
    """What was mended of the runs, by run."""

    moved_on: Counter[str] = field(default_factory=Counter)
    """Nothing would have moved the run."""
    sent_again: Counter[str] = field(default_factory=Counter)
    """A request whose message seemed to be lost."""


def judge_repairs(story: Story, repairs: Repairs) -> None:
    """I16: nobody found a run that nothing would have moved, whatever was done to broker and processes; and no request
    was sent again, unless the fault took messages away."""
    mine = set(story.accepted.values())
    for run_id in sorted(set(repairs.moved_on) & mine):
        story.wrong("I16", f"run {run_id} had to be moved on {repairs.moved_on[run_id]} times")
    for run_id in sorted(set(repairs.sent_again) & mine) if not story.repairs_expected else ():
        story.wrong("I16", f"requests of run {run_id} had to be sent again {repairs.sent_again[run_id]} times")


def judge_at_once(story: Story, most_at_once: int) -> None:
    """I14, where nobody works on leases that have ended: that is late, and counted as late."""
    if most_at_once > AT_ONCE and not story.late:
        story.wrong("I14", f"steps of {most_at_once} runs were under way at the target, {AT_ONCE} may be")


def judge_footprints(story: Story, before: Mapping[str, Footprint], after: Mapping[str, Footprint]) -> None:
    """I18. A process that is new since the base line took less then."""
    for name, now in sorted(after.items()):
        base = before[name]
        if now.memory_mb > base.memory_mb + MORE_MEMORY_MB:
            story.wrong("I18", f"{name} takes {now.memory_mb:.0f} MB, it took {base.memory_mb:.0f} MB")
        if now.files > base.files + MORE_FILES:
            story.wrong("I18", f"{name} has {now.files} open files, it had {base.files}")
        if now.children > base.children:
            story.wrong("I18", f"{name} has {now.children} children, it had {base.children}")


class Household:
    """Counts what the processes, their logs and the broker keep, from round to round."""

    def __init__(self, product: Product, target: Target) -> None:
        self._product, self._target = product, target
        self._ours = {name: process for name, process in product.processes.items() if name != "shop"}
        self._read: dict[str, int] = {}
        self._base: dict[str, Footprint] = {}

    def settle(self) -> None:
        """Note the base line: after the first work, since a process that has done nothing has not opened its pools."""
        self._quiet({})
        self._base = self._footprints()

    def begin(self) -> None:
        """A new round."""
        self._target.most_at_once = 0
        for _ in self._new_lines():
            pass

    def judge(self, story: Story) -> None:
        depths = self._quiet(story.parked)
        parked, repairs = self._told()
        judge_queues(story, depths, parked)
        judge_repairs(story, repairs)
        judge_at_once(story, self._target.most_at_once)
        self._judge_footprints(story)

    async def forget_dead_letters(self) -> None:
        """As an operator who has read them."""
        if self._product.topology == "embedded":
            return
        broker = self._product.servers["rabbitmq"]
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            for name, found in broker.depths().items():
                if name.endswith(DEAD) and sum(found):
                    await (await channel.get_queue(name, ensure=False)).purge()

    def _quiet(self, parked: Mapping[str, int]) -> Depths:
        """The queues when nothing moves any more, or as they are when that takes too long."""
        depths: Depths = {}
        for _ in poll(QUIET_SECONDS, every=0.3):
            depths = self._depths()
            waiting = any(sum(found) for name, found in depths.items() if not name.endswith(DEAD))
            dead = sum(sum(found) for name, found in depths.items() if name.endswith(DEAD))
            if not waiting and dead >= sum(parked.values()):
                break
        return depths

    def _depths(self) -> Depths:
        """Of the embedded product, whose broker is within, what its API tells: requests that nobody has taken."""
        if self._product.topology == "distributed":
            found: Depths = self._product.servers["rabbitmq"].depths()
            return found
        with self._product.client() as client:
            states = client.get("/queues").json()
        return {request_queue(state["check_type"]): (state["depth"] or 0, 0) for state in states}

    def _footprints(self) -> dict[str, Footprint]:
        return {name: Footprint.of(process.pid) for name, process in self._ours.items() if process.pid is not None}

    def _judge_footprints(self, story: Story) -> None:
        found = Story()
        for _ in poll(QUIET_SECONDS, every=0.5):
            found = Story()
            judge_footprints(found, self._base, self._footprints())
            if not found.violations:
                break
        story.violations += found.violations

    def _told(self) -> tuple[Counter[str], Repairs]:
        """What the logs say since the round began: parked messages by queue, and repairs. Not the metrics: they end
        with their process."""
        parked: Counter[str] = Counter()
        repairs = Repairs()
        for line in self._new_lines():
            if line.get("event") == "message_parked":
                parked[line["queue"]] += 1
            elif line.get("event") == "run.repaired":
                repairs.sent_again[line["run_id"]] += line["sent_again"]
                repairs.moved_on[line["run_id"]] += line["count"] - line["sent_again"]
        return parked, Repairs(+repairs.moved_on, +repairs.sent_again)

    def _new_lines(self) -> Iterable[dict[str, Any]]:
        for name, process in self._ours.items():
            with (process.folder / "log").open("rb") as log:
                log.seek(self._read.get(name, 0))
                for raw in log:
                    if b"message_parked" in raw or b"run.repaired" in raw:
                        yield json.loads(raw)
                self._read[name] = log.tell()
