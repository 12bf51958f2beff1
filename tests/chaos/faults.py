"""What goes wrong, on purpose: each fault takes a running system, harms it, and leaves it healed."""

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from steptrail_common.testing import programs

from ..e2e.product import Product
from .story import Story
from .tampering import delete_queues, held_back, poison, repeated, tamper_with_results

ROOT = Path(__file__).parents[2]
SEARCHED = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
"""Where processes with a composition root of the tests find it."""
DEATH_SECONDS = 25.0
"""So long a process that is to die at its place waits for the work that brings it there."""


@dataclass(frozen=True)
class Fault:
    """`harm` returns how many single faults it made. `ends`: how runs may end under it. `slow`: the target answers
    slowly and all press at once, so that everybody is busy. `late`: results must be late. `repairs`: requests may be
    sent again, because it takes them or their answers away, or the voice of who has them. `smoke`: part of every test
    run, not only of `make chaos`."""

    name: str
    harm: Callable[[Product, Story, random.Random], int]
    ends: frozenset[str] = frozenset({"success"})
    slow: bool = False
    late: bool = False
    repairs: bool = False
    smoke: bool = False


def _killed(product: Product, names: Iterable[str], pause: float) -> int:
    found = [product.processes[name] for name in names]
    for process in found:
        process.kill()
    time.sleep(pause)
    for process in found:
        process.start()
    return len(found)


def kill_orchestrators(product: Product, story: Story, chance: random.Random) -> int:
    """Both, so that nobody moves the runs meanwhile."""
    return _killed(product, ("orchestrator-1", "orchestrator-2"), chance.uniform(0.2, 1.5))


def kill_crawlers(product: Product, story: Story, chance: random.Random) -> int:
    """One after the other, in the middle of their checks."""
    return sum(_killed(product, (name,), chance.uniform(0.2, 1.0)) for name in ("crawler-1", "crawler-2"))


def kill_gateway(product: Product, story: Story, chance: random.Random) -> int:
    """Before and after it has passed a request on: clients ask again with their key."""
    return sum(_killed(product, (name,), chance.uniform(0.2, 1.0)) for name in ("gateway-1", "gateway-2"))


def crawlers_die_with_results(product: Product, story: Story, chance: random.Random) -> int:
    """Exactly between work that is done and its result's confirm, on both sides of it: a check is done again, or its
    result is known and its request comes once more."""
    return _died(product, "crawler", chance, times=3)


def gateways_die_around_the_commit(product: Product, story: Story, chance: random.Random) -> int:
    """With the request for a new run in their hands, and with the answer to it: only the key tells the two apart."""
    return _died(product, "gateway", chance, times=2)


def _died(product: Product, service: str, chance: random.Random, *, times: int) -> int:
    """Both replicas start anew, one to die before and one after, so many times; then both are well. How many did."""
    found = [product.processes[f"{service}-{number}"] for number in (1, 2)]
    deaths = 0
    for _ in range(times):
        for process, place in zip(found, chance.sample(["before", "after"], 2), strict=True):
            command = [sys.executable, "-m", "tests.chaos.dying", service, place]
            process.again(command, ready=False, PYTHONPATH=SEARCHED)
        deaths += sum(process.ended(DEATH_SECONDS) for process in found)
    for process in found:
        process.again()
    return deaths


def kill_reporting_and_notifier(product: Product, story: Story, chance: random.Random) -> int:
    """Who only listens catches up."""
    return _killed(product, ("reporting-1", "notifier-1"), chance.uniform(0.5, 2.0))


def kill_everything(product: Product, story: Story, chance: random.Random) -> int:
    """All of our processes at once, as when the power fails; then all start at once."""
    names = [name for name in product.processes if name != "shop"]
    for name in names:
        product.processes[name].kill()
    time.sleep(chance.uniform(0.2, 1.0))
    threads = [threading.Thread(target=product.processes[name].start) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(names)


def kill_server(kind: str) -> Callable[[Product, Story, random.Random], int]:
    """A database or the broker without a good-bye."""

    def harm(product: Product, story: Story, chance: random.Random) -> int:
        product.servers[kind].kill()
        time.sleep(chance.uniform(0.5, 2.0))
        product.servers[kind].start()
        return 1

    return harm


def restart_broker(product: Product, story: Story, chance: random.Random) -> int:
    """As an upgrade does it."""
    product.servers["rabbitmq"].stop()
    product.servers["rabbitmq"].start()
    return 1


def freeze_broker(product: Product, story: Story, chance: random.Random) -> int:
    """It neither answers nor hangs up."""
    product.servers["rabbitmq"].freeze()
    time.sleep(chance.uniform(3, 6))
    product.servers["rabbitmq"].thaw()
    return 1


def pause_crawler(product: Product, story: Story, chance: random.Random) -> int:
    """Longer than its leases: others take its work, and what it says afterwards comes too late."""
    product.processes["crawler-1"].freeze()
    time.sleep(chance.uniform(9, 11))
    product.processes["crawler-1"].thaw()
    return 1


def cut_network(product: Product, story: Story, chance: random.Random) -> int:
    """Several times in a row, every connection to the broker breaks."""
    cuts = chance.randint(3, 6)
    for _ in range(cuts):
        product.servers["network"].cut()
        time.sleep(chance.uniform(0.2, 1.5))
    return cuts


def black_hole(product: Product, story: Story, chance: random.Random) -> int:
    """Connections to the broker stay open and nothing passes: longer than a publisher waits for its confirm."""
    product.servers["network"].swallow(True)
    time.sleep(chance.uniform(6, 9))
    product.servers["network"].swallow(False)
    return 1


def memory_alarm(product: Product, story: Story, chance: random.Random) -> int:
    """The broker has no memory left and reads from no publisher."""
    product.servers["rabbitmq"].alarm(True)
    time.sleep(chance.uniform(4, 7))
    product.servers["rabbitmq"].alarm(False)
    return 1


def wrong_clocks(product: Product, story: Story, chance: random.Random) -> int:
    """A worker that lives tomorrow, a worker, an orchestrator and a gateway that live yesterday."""
    library = programs.faketime()
    if library is None:
        reason = programs.install("faketime")
        library = programs.faketime()
        assert library is not None, reason
    wrong = {"crawler-1": "+1d", "crawler-2": "-1d", "orchestrator-1": "-1d", "gateway-2": "+1d"}
    for name, offset in wrong.items():
        product.processes[name].again(
            LD_PRELOAD=str(library), FAKETIME=offset, FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1"
        )
    time.sleep(chance.uniform(4, 6))
    for name in wrong:
        product.processes[name].again()
    return len(wrong)


def failing_adapters(product: Product, story: Story, chance: random.Random) -> int:
    """What was committed or published is told as an error, by orchestrators, reporting and notifier."""
    names = ("orchestrator-1", "orchestrator-2", "reporting-1", "notifier-1")
    for name in names:
        command = [sys.executable, "-m", "tests.chaos.faulty", name.partition("-")[0], str(chance.randrange(10**6))]
        product.processes[name].again(command, PYTHONPATH=SEARCHED)
    time.sleep(chance.uniform(6, 9))
    for name in names:
        product.processes[name].again()
    return len(names)


def cancel_storm(product: Product, story: Story, chance: random.Random) -> int:
    """People change their minds about everything they can see."""
    cancelled = 0
    end = time.monotonic() + 6
    while time.monotonic() < end:
        for run_id in list(story.accepted.values()):
            if run_id in story.cancelled or chance.random() < 0.5:
                continue
            cancelled += _cancel(product, story, run_id)
        time.sleep(0.2)
    return cancelled


def _cancel(product: Product, story: Story, run_id: str) -> int:
    try:
        with product.client() as client:
            answer: Any = client.post(f"/runs/{run_id}/cancel", timeout=5)
    except httpx2.HTTPError:
        return 0
    if answer.status_code in (200, 202, 204):
        story.cancelled[run_id] = time.monotonic()
        return 1
    return 0


FAULTS = [
    Fault("both orchestrators killed", kill_orchestrators, smoke=True),
    Fault("crawlers killed in mid-step", kill_crawlers),
    Fault("crawlers die with their results", crawlers_die_with_results),
    Fault("gateways killed", kill_gateway, smoke=True),
    Fault("gateways die around the commit", gateways_die_around_the_commit),
    Fault("reporting and notifier killed", kill_reporting_and_notifier),
    Fault("all processes killed", kill_everything),
    Fault("broker killed", kill_server("rabbitmq"), repairs=True, smoke=True),
    Fault("broker restarted", restart_broker, repairs=True),
    Fault("broker frozen", freeze_broker, repairs=True),
    Fault("all queues deleted", delete_queues, repairs=True, smoke=True),
    Fault("PostgreSQL killed", kill_server("postgres"), smoke=True),
    Fault("MongoDB killed", kill_server("mongo")),
    Fault("crawler paused past its leases", pause_crawler, slow=True, late=True, repairs=True, smoke=True),
    Fault("network cut", cut_network, repairs=True),
    Fault("network a black hole", black_hole, repairs=True),
    Fault("memory alarm of the broker", memory_alarm, repairs=True),
    Fault("clocks a day wrong", wrong_clocks),
    Fault("answers lost after commit and publish", failing_adapters),
    Fault("results held back", tamper_with_results(held_back), repairs=True),
    Fault("poison messages", poison),
    Fault("results repeated and shuffled", tamper_with_results(repeated)),
    Fault("cancel storm", cancel_storm, ends=frozenset({"success", "cancelled"}), slow=True),
]
