"""What the orchestrator subscribes to: answers, heartbeats, and changes of definitions."""

from collections.abc import Sequence
from uuid import uuid4

from steptrail_common.bus.port import Bus, Delivery, Subscription
from steptrail_common.contracts.workers import HEARTBEATS_QUEUE, RESULTS_QUEUE, request_queue

from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.handlers import accept_results, note_heartbeats
from steptrail_orchestrator.handlers.running import Poke
from steptrail_orchestrator.ports import Catalog, RunStore
from steptrail_orchestrator.queries import CHECK_TYPES

RESULTS = Subscription(queue=RESULTS_QUEUE, batch_max=100, concurrency=2)
"""Two batches: while one waits for its commit, the next is read."""
HEARTBEATS = Subscription(queue=HEARTBEATS_QUEUE, batch_max=100)
CHANGES = ("process.#", "connection.#")


async def subscribe(bus: Bus, *, store: RunStore, catalog: Catalog, limits: Limits, poke: Poke) -> None:
    """Begin to consume; deliveries are acknowledged after their transaction was committed."""

    async def on_results(deliveries: Sequence[Delivery]) -> None:
        await accept_results(deliveries, store=store, poke=poke)

    async def on_heartbeats(deliveries: Sequence[Delivery]) -> None:
        await note_heartbeats(deliveries, store=store, limits=limits)

    async def on_changes(_deliveries: Sequence[Delivery]) -> None:
        catalog.forget()

    mine = Subscription(
        queue=f"steptrail.orchestrator.{uuid4().hex}",
        patterns=CHANGES,
        shared=False,
        batch_max=100,
        resubscribed=catalog.forget,
    )
    await bus.subscribe(RESULTS, on_results)
    await bus.subscribe(HEARTBEATS, on_heartbeats)
    await bus.subscribe(mine, on_changes)


async def empty_queues(bus: Bus) -> frozenset[str]:
    """Check types for which nothing waits at the broker. Raises `Unavailable` when it does not say."""
    depths = await bus.queue_depths()
    return frozenset(kind for kind in CHECK_TYPES if not depths.get(request_queue(kind), 0))
