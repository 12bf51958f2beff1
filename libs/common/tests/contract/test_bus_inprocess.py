"""The in-process bus keeps the bus contract."""

from collections.abc import AsyncIterator

import pytest
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Bus
from steptrail_common.testing.bus_contract import BusContract, MakeBus


class TestInProcessBus(BusContract):
    """Several services on one broker object."""

    @pytest.fixture
    async def make_bus(self) -> AsyncIterator[MakeBus]:
        broker, made = InProcessBroker(), list[InProcessBus]()

        async def make() -> Bus:
            bus = InProcessBus(broker)
            await bus.start()
            made.append(bus)
            return bus

        yield make
        for bus in made:
            await bus.close()
