"""A whole distributed Steptrail with short leases, the target it checks, and the table at the end."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from steptrail_common.testing.plugin import Servers

from ..e2e.product import Product
from ..e2e.topologies import distributed
from .clients import PROCESS, Clients, Listener, definition
from .network import network
from .oracle import Oracle
from .story import Story
from .target import Target, target

SETTINGS = {
    "STEPTRAIL_ORCHESTRATOR_LEASE_SECONDS": "4",
    "STEPTRAIL_ORCHESTRATOR_HEARTBEAT_SECONDS": "1",
    "STEPTRAIL_ORCHESTRATOR_GRACE_SECONDS": "3",
    "STEPTRAIL_ORCHESTRATOR_REPUBLISH_SECONDS": "5",
    "STEPTRAIL_ORCHESTRATOR_WORKER_LIVE_SECONDS": "6",
    "STEPTRAIL_ORCHESTRATOR_ORPHAN_SCAN_SECONDS": "5",
    "STEPTRAIL_TARGET_RATE": "off",
    "STEPTRAIL_TARGET_CONCURRENCY": "1000",
}
"""Everything recovers as it does in production, sooner; only patience with workers that start on a busy machine is the
production's."""
MINUTES = 12
REHEARSAL_RUNS = 24


@dataclass(frozen=True)
class Stage:
    """What a round of chaos plays on."""

    product: Product
    target: Target
    listeners: list[Listener]
    oracle: Oracle


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A round ends within its patience, or says what is still open."""
    for item in items:
        if "stage" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(MINUTES * 60))


@pytest.fixture(scope="module")
def stage(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("chaos")
    with (
        target() as aim,
        network() as wires,
        distributed(folder, servers, exceptions=aim.addresses, settings=SETTINGS, way=wires.between) as product,
    ):
        product.servers["network"] = wires
        prepare(product, aim)
        listeners = [Listener(product, gateway) for gateway in range(len(product.urls))]
        oracle = Oracle(product, aim, listeners)
        _rehearse(product, oracle)
        yield Stage(product, aim, listeners, oracle)
        for listener in listeners:
            listener.stop()


def prepare(product: Product, aim: Target) -> None:
    """The process of the rounds, and somebody who wants to be told of its ends."""
    with product.client() as client:
        for path, body in (
            ("/processes", definition(aim)),
            ("/channels", {"channel_id": "sink", "name": "Sink", "url": f"{aim.url}/hook"}),
            ("/rules", {"rule_id": "ends", "channel_id": "sink", "process_id": PROCESS, "on": ["finished"]}),
        ):
            answer = client.post(path, json=body)
            assert answer.status_code == 201, answer.text


def _rehearse(product: Product, oracle: Oracle) -> None:
    """Runs on a good day: they end without repairs, dead letters or repeats, and give the base line of memory."""
    story = Story()
    oracle.begin()
    clients = Clients(product, story, 1, prefix="rehearsal-")
    clients.press(REHEARSAL_RUNS, over_seconds=1.0)
    clients.join()
    oracle.wait(story)
    oracle.household.settle()
    oracle.judge(story)
    assert story.violations == []
    assert (story.again.total(), story.duplicates, story.late) == (0, 0, 0)
