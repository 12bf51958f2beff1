"""Starting runs by schedule, and keeping schedules what the definitions say."""

from collections.abc import Callable, Collection
from datetime import datetime

from steptrail_common import telemetry
from steptrail_common.contracts.definition import Definition
from steptrail_common.errors import Conflict, InvalidInput, NotFound, Unavailable

from steptrail_orchestrator.domain.inputs import checked_inputs, key_of
from steptrail_orchestrator.domain.schedules import Planned, planned_schedules
from steptrail_orchestrator.ports import Catalog, Refusal, RunOrder, ScheduleStore

FIRE_AT_ONCE = 50
"""Schedules acted upon in one transaction."""
INITIATOR = "schedule"


async def sync_schedules(process_ids: Collection[str], *, catalog: Catalog, schedules: ScheduleStore) -> None:
    """Make the schedules of these processes what the catalog says now. Raises `Unavailable`; it can be repeated."""
    for process_id in process_ids:
        try:
            revision, definition = await catalog.definition(process_id)
        except NotFound:
            await schedules.forget(process_id)
            continue
        await schedules.replace(process_id, revision, _planning(definition))


async def resync_schedules(*, catalog: Catalog, schedules: ScheduleStore) -> int:
    """Find what was changed, made or deleted while nobody told us. Returns the number of such processes."""
    theirs, ours = await catalog.revisions(), await schedules.revisions()
    changed = [process_id for process_id, revision in theirs.items() if ours.get(process_id) != revision]
    gone = ours.keys() - theirs.keys()
    await sync_schedules([*changed, *gone], catalog=catalog, schedules=schedules)
    return len(changed) + len(gone)


async def fire_schedules(*, schedules: ScheduleStore, catalog: Catalog, new_run_id: Callable[[], str]) -> int:
    """Act upon what is due; returns how many schedules were. While the catalog is away they stay due."""
    due = await schedules.due(FIRE_AT_ONCE)
    prepared: dict[str, RunOrder | Refusal] = {}
    for planned in due:
        try:
            prepared[planned.schedule_id] = await _prepared(planned, catalog, new_run_id())
        except Unavailable as error:
            telemetry.log.warning("schedule.waiting", schedule_id=planned.schedule_id, detail=error.detail)
    if not prepared:
        return 0
    fired = await schedules.fire(prepared)
    for tick in fired.ticks:
        telemetry.TICKS.labels(tick.outcome).inc(tick.count)
        telemetry.log.info(
            "schedule.tick",
            schedule_id=tick.schedule_id,
            outcome=tick.outcome,
            reason=tick.reason,
            count=tick.count,
            run_id=tick.run_id,
        )
    return len(fired.ticks)


async def pause_schedule(schedule_id: str, *, actor: str, schedules: ScheduleStore) -> None:
    """Start nothing by this schedule until it is resumed. Raises `NotFound`."""
    if await schedules.pause(schedule_id, actor) is None:
        raise NotFound(f"there is no schedule {schedule_id}")


async def resume_schedule(schedule_id: str, *, schedules: ScheduleStore) -> None:
    """Go on with the next tick. Raises `NotFound`."""
    if await schedules.resume(schedule_id) is None:
        raise NotFound(f"there is no schedule {schedule_id}")


async def _prepared(planned: Planned, catalog: Catalog, run_id: str) -> RunOrder | Refusal:
    """The run that a tick begins, by the definition as it is now."""
    try:
        chain = await catalog.chain(planned.process_id)
        if not chain.definition.active:
            return Refusal("process_off", "the process is switched off")
        inputs = checked_inputs(chain.definition, planned.schedule.inputs, path="schedule.inputs")
    except NotFound:
        return Refusal("process_deleted", "the process was deleted")
    except Conflict as error:  # a connection that is missing, or whose account nobody accepted
        return Refusal("not_startable", error.detail)
    except InvalidInput as error:
        return Refusal("invalid_inputs", error.detail)
    return RunOrder(run_id, chain, "schedule", INITIATOR, key_of(chain.definition, inputs), inputs)


def _planning(definition: Definition) -> Callable[[datetime], list[Planned]]:
    return lambda now: planned_schedules(definition, now)
