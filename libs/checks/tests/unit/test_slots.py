"""The bulkhead of a worker: a target that hangs keeps no other waiting."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from steptrail_checks.port import CheckContext, Observation
from steptrail_checks.slots import STALLED_SECONDS, Slots
from steptrail_common.contracts.workers import StepRequest, request_queue

from .desk import MakeBus, request, seen, until, worker

KIND = "api_call"
SLOTS = 4
ANSWERED_WITHIN_SECONDS = 1.5
"""A check of another target: it is found behind the others, and runs at once."""


def slots(count: int, **more: int) -> Slots:
    return Slots(count, {KIND: more.pop("of_kind", count)}, per_target=more.pop("per_target", 1000))


@asynccontextmanager
async def taken(made: Slots, targets: dict[str | None, int]) -> AsyncIterator[Counter[str | None]]:
    """How many of so many checks of each target have a slot."""
    held: Counter[str | None] = Counter()

    async def check(target: str | None) -> None:
        async with made.slot(KIND, target):
            held[target] += 1
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(check(target)) for target, count in targets.items() for _ in range(count)]
    await asyncio.sleep(0)
    try:
        yield held
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.req("NFR-001", "NFR-008")
@pytest.mark.parametrize(("count", "share"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (20, 10)])
async def test_a_target_has_half_of_the_slots_at_most_and_one_at_least(count: int, share: int) -> None:
    """The rest is left free for others, whoever asked first."""
    async with taken(slots(count), {"a": count * 3}) as held:
        assert held == {"a": share}


@pytest.mark.req("NFR-001", "NFR-008")
async def test_several_slow_targets_leave_a_slot_for_the_next_one() -> None:
    """The second has half of what the first has left, and so on."""
    async with taken(slots(20), {"a": 60, "b": 60, "c": 60, "d": 60}) as held:
        assert held == {"a": 10, "b": 5, "c": 3, "d": 1}


async def test_what_is_nobodys_and_what_a_person_asks_takes_what_is_free() -> None:
    """A local folder without a connection, and a trial."""
    async with taken(slots(4), {"a": 9, None: 9}) as held:
        assert held == {"a": 2, None: 2}


async def test_a_target_that_is_allowed_less_has_less() -> None:
    """`STEPTRAIL_TARGET_CONCURRENCY` below the half: what waits for it holds no slot either."""
    async with taken(slots(20, per_target=3), {"a": 9, "b": 9}) as held:
        assert held == {"a": 3, "b": 3}


async def test_the_slots_of_a_heavy_kind_are_divided_likewise() -> None:
    """Of four pages in the browser one site has two."""
    async with taken(slots(20, of_kind=4), {"a": 9, "b": 9}) as held:
        assert held == {"a": 2, "b": 1}


async def test_a_slot_goes_to_who_waited_longest_and_may_have_it() -> None:
    """Also past those who wait for a target of which enough is under way; who gives up takes no slot with it."""
    made, order = slots(2), []
    leave = {name: asyncio.Event() for name in ("a1", "a2", "a3", "b1", "b2")}

    async def check(name: str) -> None:
        async with made.slot(KIND, name[0]):
            order.append(name)
            await leave[name].wait()

    tasks = {}
    for name in leave:
        tasks[name] = asyncio.create_task(check(name))
        await asyncio.sleep(0)
    assert order == ["a1", "b1"]
    tasks["a2"].cancel()
    leave["a1"].set()
    await asyncio.gather(tasks["a1"], tasks["a2"], return_exceptions=True)
    await asyncio.sleep(0)
    assert order == ["a1", "b1", "a3"]
    for event in leave.values():
        event.set()
    await asyncio.gather(tasks["a3"], tasks["b1"], tasks["b2"])
    assert order == ["a1", "b1", "a3", "b2"]
    async with taken(made, {"a": 1, "b": 1}) as held:
        assert held == {"a": 1, "b": 1}


@pytest.mark.req("FR-015", "NFR-008")
async def test_processes_take_turns_at_a_target_they_share() -> None:
    """A crowd of one keeps no other away: who holds fewer is next, and among equals who waited longest."""
    made, order = slots(4), []
    end: asyncio.Queue[None] = asyncio.Queue()

    async def check(process: str) -> None:
        async with made.slot(KIND, "a", process):
            order.append(process)
            await end.get()

    asked = ["crowd"] * 6 + ["other"] * 2 + ["third"]
    tasks = []
    for process in asked:
        tasks.append(asyncio.create_task(check(process)))
        await asyncio.sleep(0)
    assert order == ["crowd", "crowd"]
    for _ in asked:
        end.put_nowait(None)
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    assert order == ["crowd", "crowd", "other", "crowd", "other", "crowd", "third", "crowd", "crowd"]


async def test_who_gives_up_at_the_moment_of_its_turn_gives_it_back() -> None:
    """Granted and cancelled before it could run."""
    made = slots(1)
    holder = made.slot(KIND, "a")
    await holder.__aenter__()
    waiter = asyncio.create_task(made.slot(KIND, "a").__aenter__())
    await asyncio.sleep(0)
    await holder.__aexit__(None, None, None)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    async with taken(made, {"b": 1}) as held:
        assert held == {"b": 1}


async def test_a_target_is_slow_when_its_checks_wait_and_none_could_begin() -> None:
    """Not while they take turns quickly, and not while there is no free slot for anybody."""
    now = 0.0
    made = Slots(4, {KIND: 4}, per_target=1000, monotonic=lambda: now)
    async with taken(made, {"a": 3}):
        assert not made.stalled(KIND)
        now = STALLED_SECONDS + 0.01
        assert made.stalled(KIND)
        async with taken(made, {"b": 3, "c": 3}):
            assert not made.stalled(KIND)
        assert made.waits(KIND, "a") == "waits for other checks of a: 2 under way"
        assert made.waits(KIND, "d") is None
    assert not made.stalled(KIND)


# --- in a worker -----------------------------------------------------------------------------------------------------


def asking(host: str, number: int) -> StepRequest:
    check = {"type": KIND, "url": f"https://{host}.example/{number}"}
    return request(f"{host}-{number}", run_id=f"{host}-{number}", check=check, timeout_seconds=60.0)


class Hosts:
    """Checks of `slow` hang until a test lets them go; others answer at once."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def check(self, context: CheckContext) -> Observation:
        host = context.request.token.partition("-")[0]
        self.under_way[host] += 1
        self.most[host] = max(self.most[host], self.under_way[host])
        if host == "slow":
            await self.go.wait()
        self.under_way[host] -= 1
        return seen()


@pytest.mark.req("NFR-001", "NFR-008")
async def test_a_target_that_hangs_keeps_no_other_waiting(tmp_path: Path, make_bus: MakeBus) -> None:
    """Three times as many of its checks as the worker has slots are queued first. Those that wait hold no slot and no
    place in the queue; none of them is lost, done twice or ended as an error for having waited."""
    hosts = Hosts()
    async with worker(hosts.check, tmp_path, concurrency=SLOTS, make_bus=make_bus) as desk:
        for number in range(SLOTS * 3):
            await desk.send(asking("slow", number))
        await until(lambda: hosts.under_way["slow"] == SLOTS // 2)
        for number in range(3):
            began = time.monotonic()
            assert (await desk.one(asking("quick", number))).ok
            assert time.monotonic() - began < ANSWERED_WITHIN_SECONDS
        assert hosts.under_way["slow"] == SLOTS // 2
        hosts.go.set()
        await until(lambda: len(desk.results) == SLOTS * 3 + 3)
    assert Counter(result.token for result in desk.results).most_common(1)[0][1] == 1
    assert all(result.ok for result in desk.results)
    assert hosts.most["slow"] == SLOTS // 2


@pytest.mark.req("FR-015", "NFR-008")
async def test_a_crowd_of_one_process_keeps_no_other_away_from_their_target(tmp_path: Path, make_bus: MakeBus) -> None:
    """Forty of its checks wait in the worker; the one of another process goes next."""
    began: list[str] = []

    async def check(context: CheckContext) -> Observation:
        began.append(context.request.process_id)
        await asyncio.sleep(0.05)
        return seen()

    async with worker(check, tmp_path, concurrency=SLOTS, make_bus=make_bus) as desk:
        for number in range(40):
            await desk.send(asking("shop", number).model_copy(update={"process_id": "crowd"}))
        await until(lambda: len(desk.results) > 0)
        before = len(began)
        await desk.send(asking("shop", 40).model_copy(update={"process_id": "other"}))
        await until(lambda: len(desk.results) == 41, seconds=30)
    assert began.count("crowd") == 40
    # The worker looks further in its queue three times in a second, and what has begun ends first.
    assert began.index("other") - before < 20


@pytest.mark.req("FR-007", "NFR-008")
async def test_the_worker_says_what_a_check_waits_for_and_when_that_is_over(tmp_path: Path) -> None:
    """With its lease, so that the run can tell; nothing of a check that has begun at once."""
    doors = {f"slow-{number}": asyncio.Event() for number in range(3)}

    async def hang(context: CheckContext) -> Observation:
        await doors[context.request.token].wait()
        return seen()

    async with worker(hang, tmp_path, concurrency=SLOTS) as desk:

        def said() -> dict[str, str | None]:
            return {lease.token: lease.waits for lease in desk.beats[-1].leases} if desk.beats else {}

        for number in range(3):
            await desk.send(asking("slow", number))
        waits = "waits for other checks of slow.example:443: 2 under way"
        await until(lambda: said() == {"slow-0": None, "slow-1": None, "slow-2": waits}, seconds=15)
        doors["slow-0"].set()
        await until(lambda: said() == {"slow-1": None, "slow-2": ""}, seconds=15)
        for door in doors.values():
            door.set()


@pytest.mark.req("NFR-015")
async def test_what_a_worker_holds_when_it_stops_goes_back_to_the_queue(tmp_path: Path, make_bus: MakeBus) -> None:
    """All of it, also what it took beyond its slots, for others to take."""
    hosts = Hosts()
    async with worker(hosts.check, tmp_path, concurrency=SLOTS, make_bus=make_bus) as desk:
        for number in range(SLOTS * 3):
            await desk.send(asking("slow", number))
        await until(lambda: any(len(beat.leases) == SLOTS * 3 for beat in desk.beats), seconds=40)
    async with asyncio.timeout(40):
        while await desk.depth(request_queue(KIND)) != SLOTS * 3:  # noqa: ASYNC110 (the broker tells nobody)
            await asyncio.sleep(0.05)
    assert desk.results == []
