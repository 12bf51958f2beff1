"""One run at a time, in turns with both bare loops: the machine's mood of a minute is the same for all three."""

import statistics
from collections.abc import Awaitable, Callable

from steptrail_common.testing.plugin import POSTGRES, RABBITMQ, Servers

from tests.benchmarks import core, floor, promise
from tests.benchmarks.noop import STEPS

ROUNDS = 15
RUNS = 6
"""Runs of one kind before the next kind's turn."""
Gaps = Callable[[int], Awaitable[list[float]]]


async def measure(running: core.Core, servers: Servers) -> dict[str, float]:
    """Milliseconds from one step to the next (medians), and the medians of each round's ratios."""
    bus_url, server_url = servers.get(RABBITMQ).url, servers.get(POSTGRES).url
    database_url = await core.new_database(server_url)

    async with (
        core.alone(running) as ours,
        floor.bare_loop(bus_url, server_url) as bare,
        promise.bare_loop(bus_url, database_url, steps=STEPS) as same_rows,
    ):

        async def two_rows(runs: int) -> list[float]:
            return [1000 / await bare.steps_per_second(runs=1, steps=runs * STEPS)]

        found: dict[str, list[float]] = {"core": [], "floor": [], "promise": []}
        for number in range(ROUNDS + 1):
            for name, gaps in (("core", ours), ("floor", two_rows), ("promise", same_rows)):
                gap = statistics.median(await gaps(RUNS))
                if number:  # the first round warms
                    found[name].append(gap)
    return {
        **{f"{name}_gap_ms": statistics.median(gaps) for name, gaps in found.items()},
        **{f"of_{name}": _ratio(found["core"], found[name]) for name in ("floor", "promise")},
    }


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
