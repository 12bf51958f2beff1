"""What the orchestrator subscribes to: answers, heartbeats, and changes of definitions."""

from collections.abc import Callable, Sequence
from uuid import uuid4

from steptrail_common.bus.port import Bus, Delivery, Reject, Subscription
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.checks import work_types
from steptrail_common.contracts.events import read_events
from steptrail_common.contracts.replays import REPLAYS_QUEUE
from steptrail_common.contracts.workers import HEARTBEATS_QUEUE, RESULTS_QUEUE, request_queue

from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.handlers import Waiting, accept_results, note_heartbeats, replay, sync_schedules
from steptrail_orchestrator.handlers.running import Poke
from steptrail_orchestrator.ports import Catalog, RunReader, RunStore, ScheduleStore

RESULTS = Subscription(queue=RESULTS_QUEUE, batch_max=25, concurrency=2)
"""Two batches: while one waits for its commit, the next is read. Of messages with many results each, as they come when
there is much to do, more in one transaction would only make it long."""
HEARTBEATS = Subscription(queue=HEARTBEATS_QUEUE, batch_max=100)
REPLAYS = Subscription(queue=REPLAYS_QUEUE)
DEFINITIONS = Subscription(queue="steptrail.orchestrator.definitions.v1", patterns=("process.#",), batch_max=100)
CHANGES = ("process.#", "connection.#")


async def subscribe(bus: Bus, *, store: RunStore, catalog: Catalog, limits: Limits, poke: Poke) -> None:
    """Begin to consume; deliveries are acknowledged after their transaction was committed."""

    waiting = Waiting(store)

    async def on_results(deliveries: Sequence[Delivery]) -> None:
        await accept_results(deliveries, store=store, poke=poke)

    async def on_heartbeats(deliveries: Sequence[Delivery]) -> None:
        await note_heartbeats(deliveries, store=store, limits=limits)
        await waiting.note(deliveries)

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


async def subscribe_definitions(
    bus: Bus, *, catalog: Catalog, schedules: ScheduleStore, poke: Callable[[], None]
) -> None:
    """Keep schedules what the definitions say. One replica does it; while the catalog is away the event comes again."""

    async def on_definitions(deliveries: Sequence[Delivery]) -> None:
        try:
            events = [event for one in deliveries for _, event in read_events(one.message.body)]
        except ValueError as error:
            raise Reject(str(error)) from error
        changed = {event.process_id: None for event in events if isinstance(event, ProcessSaved | ProcessDeleted)}
        await sync_schedules(changed, catalog=catalog, schedules=schedules)
        poke()

    await bus.subscribe(DEFINITIONS, on_definitions)


async def subscribe_replays(bus: Bus, *, reader: RunReader, schedules: ScheduleStore) -> None:
    """Tell events again to our own services that ask for them."""

    async def on_replays(deliveries: Sequence[Delivery]) -> None:
        await replay(deliveries, reader=reader, schedules=schedules, bus=bus)

    await bus.subscribe(REPLAYS, on_replays)


async def empty_queues(bus: Bus) -> frozenset[str]:
    """Check types for which nothing waits at the broker. Raises `Unavailable` when it does not say.

    All are asked about by name: requests of another replica wait there too.
    """
    depths = await bus.queue_depths(list(map(request_queue, work_types())))
    return frozenset(kind for kind in work_types() if not depths.get(request_queue(kind), 0))
