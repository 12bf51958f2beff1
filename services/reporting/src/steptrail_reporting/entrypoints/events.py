"""What reporting subscribes to: one durable queue, shared by its replicas."""

from collections.abc import Sequence
from dataclasses import replace

import structlog
from steptrail_common.bus.port import Bus, Delivery, Reject, Subscription
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.events import read_events
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.schedules import ScheduleMissed
from steptrail_common.replays import ReplayAsker

from steptrail_reporting.handlers import Fact, record
from steptrail_reporting.ports import FactStore

EVENTS = Subscription(
    queue="steptrail.reporting.v1",
    patterns=("run.#", "step.#", "process.#", "schedule.missed.#"),
    batch_max=100,
    concurrency=1,
    batch_seconds=0.25,
)
"""Each message may hold up to a hundred events. What a run tells within a quarter of a second is written once: it is
read back with all its steps for every batch, and live views do not come from here."""

log = structlog.get_logger()


async def subscribe(bus: Bus, store: FactStore, replays: ReplayAsker) -> None:
    """Begin to consume; deliveries are acknowledged after their transaction was committed."""

    async def on_events(deliveries: Sequence[Delivery]) -> None:
        facts = [fact for delivery in deliveries for fact in facts_of(delivery)]
        if facts:
            fresh = await record(facts, store=store)
            log.debug("reporting.recorded", deliveries=len(deliveries), fresh=fresh)

    await bus.subscribe(replace(EVENTS, resubscribed=replays.ask), on_events)


def facts_of(delivery: Delivery) -> list[Fact]:
    """The events of a delivery that reporting counts. Raises `Reject` for what can never be read."""
    try:
        events = [data for _, data in read_events(delivery.message.body)]
    except ValueError as error:
        raise Reject(f"{delivery.routing_key}: {str(error)[:500]}") from error
    return [data for data in events if isinstance(data, RunEvent | ProcessSaved | ProcessDeleted | ScheduleMissed)]
