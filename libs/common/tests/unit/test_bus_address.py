"""Which bus an address means, and which addresses are refused."""

import pytest
from steptrail_common.bus import InProcessBroker, connect
from steptrail_common.bus.inprocess import InProcessBus
from steptrail_common.bus.rabbitlink import broker_url
from steptrail_common.bus.rabbitmq import RabbitBus
from steptrail_common.errors import ConfigurationError


def test_the_address_chooses_the_adapter() -> None:
    """`memory:` is the bus in this process, `amqp` is RabbitMQ."""
    assert isinstance(connect("memory:", name="a", broker=InProcessBroker()), InProcessBus)
    assert isinstance(connect("amqp://me:secret@broker.example.com/", name="a"), RabbitBus)
    with pytest.raises(ConfigurationError, match="must be amqp"):
        connect("redis://localhost", name="a")


@pytest.mark.req("NFR-010")
@pytest.mark.parametrize("address", ["amqp://guest:guest@rabbitmq:5672/", "amqp://broker.example.com/"])
def test_guest_is_refused_on_a_broker_that_is_not_local(address: str) -> None:
    """The account everybody knows must not guard a broker on the network; no account means guest."""
    with pytest.raises(ConfigurationError, match="guest"):
        broker_url(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_guest_is_accepted_on_this_machine(host: str) -> None:
    """On a developer's machine the broker's default account will do; heartbeats are ours."""
    assert broker_url(f"amqp://guest:guest@{host}:5672/").query["heartbeat"] == "10"


def test_an_address_without_a_host_is_refused() -> None:
    """Says what an address looks like."""
    with pytest.raises(ConfigurationError, match="names no host"):
        broker_url("amqp:///")
