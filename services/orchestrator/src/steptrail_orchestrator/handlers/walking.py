"""Taking answers and letting time pass: what moves runs on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from steptrail_common import telemetry
from steptrail_common.bus.port import Delivery, Reject
from steptrail_common.contracts.workers import Heartbeat, StepResult, StepResultBundle
from steptrail_common.errors import SteptrailError

from steptrail_orchestrator.domain import decisions
from steptrail_orchestrator.domain.run import Limits
from steptrail_orchestrator.handlers.counting import count
from steptrail_orchestrator.handlers.running import Poke
from steptrail_orchestrator.ports import RunStore, Scene

M = TypeVar("M", bound=BaseModel)
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Of one result message; what is larger is parked unread."""
SWEEP_RUNS = 200
"""Runs handled in one transaction of the sweeper."""


async def accept_results(deliveries: Sequence[Delivery], *, store: RunStore, poke: Poke) -> None:
    """Take results: each counts once and only for its open attempt; one transaction for all of them.

    A message that cannot be read is rejected; one that cannot be handled is handed over again alone, so that it
    holds up no other.
    """
    bundles = [(delivery.message.dedup_id, _read_results(delivery)) for delivery in deliveries]
    strays: list[StepResult] = []

    def decision(scene: Scene) -> None:
        for dedup_id, items in bundles:
            if dedup_id not in scene.fresh:
                telemetry.LATE_RESULTS.inc(len(items))
                continue
            for item in items:
                walk = scene.walks.get(item.run_id)
                if walk is None:
                    strays.append(item)
                else:
                    decisions.accept(walk, item, scene.world)

    run_ids = {item.run_id for _, items in bundles for item in items}
    try:
        decided = await store.decide(run_ids, decision, dedup_ids=[dedup_id for dedup_id, _ in bundles])
    except SteptrailError:
        raise
    except Exception as error:
        if len(deliveries) > 1:
            raise Reject(f"handle one by one: {error!r}") from error
        raise
    poke(decided.wake_in_seconds)
    count(decided)
    for stray in strays:
        telemetry.LATE_RESULTS.inc()
        telemetry.log.warning("result.unknown_run", run_id=stray.run_id, worker_id=stray.worker_id)


async def note_heartbeats(deliveries: Sequence[Delivery], *, store: RunStore, limits: Limits) -> None:
    """Note that workers live and renew the leases of what they work on."""
    beats = [_read(Heartbeat, delivery) for delivery in deliveries]
    await store.beat(beats, lease_seconds=limits.lease_seconds, grace_seconds=limits.grace_seconds)


async def sweep(*, store: RunStore, empty_queues: Mapping[str, float], heard_seconds: float, poke: Poke) -> int:
    """Handle what is due: retries, looks, lost workers, lost messages, deadlines. Returns the number of runs.

    `heard_seconds`: for how long heartbeats could reach the store through this replica.
    """

    def decision(scene: Scene) -> None:
        world = replace(scene.world, heard_seconds=heard_seconds)
        for walk in scene.walks.values():
            decisions.tick(walk, world)

    decided = await store.decide_due(decision, empty_queues=empty_queues, limit=SWEEP_RUNS)
    poke(decided.wake_in_seconds)
    count(decided)
    return len(decided.walks)


async def repair_orphans(*, store: RunStore, poke: Poke) -> int:
    """Move on runs that nothing would move any more. In normal life there are none."""

    def decision(scene: Scene) -> None:
        for walk in scene.walks.values():
            decisions.tick(walk, scene.world)

    decided = await store.decide_orphans(decision, limit=SWEEP_RUNS)
    poke(decided.wake_in_seconds)
    count(decided)
    return len(decided.walks)


def _read_results(delivery: Delivery) -> list[StepResult]:
    bundle = _read(StepResultBundle, delivery)
    for item in bundle.items:
        if "\x00" in item.run_id or "\x00" in item.step_id:
            raise Reject("a result's ids must not hold the character NUL")
    return bundle.items


def _read(model: type[M], delivery: Delivery) -> M:
    body = delivery.message.body
    if len(body) > MAX_MESSAGE_BYTES:
        raise Reject(f"the message has {len(body)} bytes, at most {MAX_MESSAGE_BYTES} are read")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:3])
        raise Reject(f"not a {model.__name__}: {faults}") from error
