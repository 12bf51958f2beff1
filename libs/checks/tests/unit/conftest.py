"""The buses that a worker and its other side talk over."""

from collections.abc import AsyncIterator

import pytest
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Bus
from steptrail_common.bus.rabbitmq import RabbitBus

from .desk import MakeBus


@pytest.fixture(params=["in process", "RabbitMQ"])
async def make_bus(request: pytest.FixtureRequest) -> AsyncIterator[MakeBus]:
    """Makes buses on one broker, of each topology."""
    if request.param == "in process":
        broker = InProcessBroker()
        yield lambda: InProcessBus(broker)
        return
    url, made = request.getfixturevalue("fresh_vhost"), []

    def make() -> Bus:
        made.append(RabbitBus(url, name="test"))
        return made[-1]

    yield make
    for bus in made:
        await bus.close()
