"""What the notifier subscribes to: one durable queue, shared by its replicas."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from steptrail_common.bus.port import Bus, Delivery, Reject, Subscription
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.definition import NotifyRule
from steptrail_common.contracts.events import CloudEvent, read_events
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.replays import ReplayAsker

from steptrail_notifier.handlers import Fact, take
from steptrail_notifier.ports import NotifierStore

EVENTS = Subscription(
    queue="steptrail.notifier.v1",
    patterns=("run.finished.#", "process.#"),
    batch_max=50,
    concurrency=1,
    batch_seconds=0.1,
)
"""Ends of runs within a tenth of a second are one transaction; a message waits for that at most."""


async def subscribe(bus: Bus, store: NotifierStore, replays: ReplayAsker, *, wake: Callable[[], None]) -> None:
    """Begin to consume; `wake` is called after a commit that made deliveries."""

    async def on_events(deliveries: Sequence[Delivery]) -> None:
        events = [event for delivery in deliveries for event in events_of(delivery)]
        if events and await take(events, store=store):
            wake()

    await bus.subscribe(replace(EVENTS, resubscribed=replays.ask), on_events)


def events_of(delivery: Delivery) -> list[tuple[CloudEvent, Fact]]:
    """The events of a delivery that the notifier looks at. Raises `Reject` for what can never be read."""
    try:
        events = read_events(delivery.message.body)
        for rule in (rule for _, data in events if isinstance(data, ProcessSaved) for rule in data.notify):
            NotifyRule.model_validate(rule)
    except ValueError as error:
        raise Reject(f"{delivery.routing_key}: {str(error)[:500]}") from error
    return [(event, data) for event, data in events if isinstance(data, RunEvent | ProcessSaved | ProcessDeleted)]
