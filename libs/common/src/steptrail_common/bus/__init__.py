"""Messages between services: one port, an in-process and a RabbitMQ adapter."""

from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Bus
from steptrail_common.errors import ConfigurationError

__all__ = ["InProcessBroker", "connect"]


def connect(address: str, *, name: str, broker: InProcessBroker | None = None) -> Bus:
    """The bus at an address: `amqp://…` and `amqps://…` for RabbitMQ, `memory:` for the given (or an own) broker.

    `name` is what the connections are called in the broker's management page. Nothing is connected before `start`.
    """
    if address == "memory:":
        return InProcessBus(broker or InProcessBroker())
    if address.startswith(("amqp://", "amqps://")):
        from steptrail_common.bus.rabbitmq import RabbitBus  # a third of a second that the embedded product saves

        return RabbitBus(address, name=name)
    raise ConfigurationError("The bus address must be amqp://user:password@host/vhost, amqps://… or memory:")
