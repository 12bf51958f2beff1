"""Starting and cancelling runs."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pydantic_core import to_json
from steptrail_common.contracts.model import RunStatus
from steptrail_common.contracts.orchestrator import RunAccepted, StartRun, Trigger
from steptrail_common.errors import Conflict, InvalidInput, NotFound

from steptrail_orchestrator.domain import decisions
from steptrail_orchestrator.domain.inputs import checked_inputs, key_of
from steptrail_orchestrator.domain.recheck import kept_results, starting_step
from steptrail_orchestrator.domain.walk import Walk
from steptrail_orchestrator.handlers.counting import count
from steptrail_orchestrator.ports import Catalog, IdempotencyKey, RunOrder, RunReader, RunStore, Scene

Poke = Callable[[float | None], None]
"""Tells the ticker of this replica in how many seconds it is needed."""


async def start_run(
    command: StartRun,
    *,
    run_id: str,
    actor: str,
    trigger: Trigger,
    idempotency_key: str | None,
    trace: str | None,
    store: RunStore,
    reader: RunReader,
    catalog: Catalog,
    poke: Poke,
) -> RunAccepted:
    """Begin a run, or return the one the same key began before. When this returns, the run is durable.

    Raises `NotFound` (no such process), `InvalidInput` (field by field), `Conflict` (process switched off, run to
    continue still under way), `Unavailable` (nothing was begun, or it is found again by the same key).
    """
    key = None
    if idempotency_key is not None:
        digest = hashlib.sha256(to_json(command.model_dump(mode="json"))).hexdigest()
        key = IdempotencyKey(actor, idempotency_key, digest)
        if (known := await store.repeated(key)) is not None:
            return known
    order = await _order(command, run_id, actor, trigger, reader, catalog)
    accepted, wake_in_seconds = await store.begin(replace(order, trace=trace), _begin, key)
    poke(wake_in_seconds)
    return accepted


async def cancel_run(run_id: str, *, actor: str, store: RunStore) -> None:
    """End a run now, in every open state and without a worker; a cancelled run stays as it is.

    Raises `NotFound`, `Conflict` for a run that ended otherwise, `Unavailable`.
    """

    def decision(scene: Scene) -> None:
        for walk in scene.walks.values():
            decisions.cancel(walk, actor, scene.world.now)

    decided = await store.decide([run_id], decision)
    if not decided.walks:
        raise NotFound(f"there is no run {run_id}")
    count(decided)
    status = decided.walks[0].run.status
    if status is not RunStatus.CANCELLED:
        raise Conflict(f"the run is over already ({status.value}); there is nothing to cancel")


def _begin(walk: Walk, now: datetime) -> None:
    decisions.begin(walk, now)


async def _order(
    command: StartRun, run_id: str, actor: str, trigger: Trigger, reader: RunReader, catalog: Catalog
) -> RunOrder:
    chain = await catalog.chain(command.process_id)
    if not chain.definition.active:
        raise Conflict(f"the process {command.process_id} is switched off; switch it on to check it")
    if command.from_run is None:
        if command.from_step is not None:
            raise InvalidInput.field("body.from_step", "needs from_run, the run to continue")
        inputs = checked_inputs(chain.definition, command.inputs)
        return RunOrder(run_id, chain, trigger, actor, key_of(chain.definition, inputs), inputs)
    source = await reader.run(command.from_run)
    if source is None or source.run.process_id != command.process_id:
        raise InvalidInput.field("body.from_run", "there is no such run of this process")
    if command.inputs and command.inputs != source.run.inputs:
        raise InvalidInput.field("body.inputs", "a re-check keeps the inputs of its run; leave them out")
    from_step = starting_step(source.run, source.steps, command.from_step)
    reused = kept_results(chain, source.run, source.steps, from_step)
    inputs = checked_inputs(chain.definition, source.run.inputs)
    return RunOrder(
        run_id,
        chain,
        "recheck",
        actor,
        key_of(chain.definition, inputs),
        inputs,
        from_run=source.run.run_id,
        from_step=from_step,
        reused=reused,
    )
