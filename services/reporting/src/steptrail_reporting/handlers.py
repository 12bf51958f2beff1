"""Use cases that write: events become facts and counters."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.schedules import ScheduleMissed

from steptrail_reporting.domain.facts import RunFacts, apply, new_run
from steptrail_reporting.domain.process import CANCELLED, Ended, ProcessFacts, StepName
from steptrail_reporting.domain.rollup import Cell, contributions, difference
from steptrail_reporting.domain.text import storable
from steptrail_reporting.ports import FactStore, Recording

Fact = RunEvent | ProcessSaved | ProcessDeleted | ScheduleMissed


async def record(facts: Sequence[Fact], *, store: FactStore) -> int:
    """Fold a batch of events into the store, in one transaction. Returns how many run events were new.

    Any order and any repetition of batches gives the same facts, counters and states.
    """
    events = [fact for fact in facts if isinstance(fact, RunEvent)]
    async with store.recording(
        process_ids=sorted({fact.process_id for fact in facts}),
        run_ids=sorted({event.run_id for event in events}),
    ) as recording:
        for fact in facts:
            if isinstance(fact, ProcessSaved | ProcessDeleted):
                _define(recording.processes[fact.process_id], fact)
        fresh, counters, ended = _fold(recording, events)
        touched = {event.run_id: recording.runs[event.run_id] for event in fresh}
        late = [run for run in sorted(ended, key=_place_of) if not _follows(recording.processes[run.process_id], run)]
        for run in touched.values():
            recording.processes[run.process_id].note_finished(run)
        await recording.save_missed([fact for fact in facts if isinstance(fact, ScheduleMissed)])
        await recording.save_runs(list(touched.values()), counters)
        await _place_late(recording, late)
        await recording.save_processes(list(recording.processes.values()))
    return len(fresh)


def _fold(
    recording: Recording, events: Iterable[RunEvent]
) -> tuple[list[RunEvent], Mapping[Cell, int], list[RunFacts]]:
    """Apply the events. Returns the new ones, the difference they make to the counters, and the runs that ended."""
    by_run: dict[str, list[RunEvent]] = {}
    for event in events:
        by_run.setdefault(event.run_id, []).append(event)
    fresh: list[RunEvent] = []
    counters: Counter[Cell] = Counter()
    ended: list[RunFacts] = []
    for run_id, group in by_run.items():
        known = recording.runs.get(run_id)
        run = known or recording.runs.setdefault(run_id, new_run(group[0]))
        before, was_final, was_open = contributions(known), run.final, known is not None and not run.final
        fresh += [event for event in group if apply(run, event)]
        counters.update(difference(before, contributions(run)))
        recording.processes[run.process_id].running += int(not run.final) - int(was_open)
        if run.final and not was_final:
            ended.append(run)
        _take_names(recording.processes[run.process_id], group)
    return fresh, counters, ended


def _place_of(run: RunFacts) -> Ended:
    assert run.ended_at is not None  # noqa: S101 - only finished runs have a place
    return Ended(run.ended_at, run.run_id, run.status)


def _follows(process: ProcessFacts, run: RunFacts) -> bool:
    """Place a run that just ended behind the last one of its process; False if it belongs further back."""
    if run.status == CANCELLED:
        return True
    place = _place_of(run)
    if process.last is not None and place < process.last:
        return False
    run.status_changed = process.last is None or process.last.status != run.status
    if run.status_changed:
        process.since = place.ended_at
    process.note_finished(run)
    return True


async def _place_late(recording: Recording, runs: Iterable[RunFacts]) -> None:
    """Place runs whose end arrived after a later one's: between the two it really lies between."""
    for run in runs:
        place = _place_of(run)
        before, after = await recording.neighbours(run.process_id, place)
        await recording.mark_change(run.run_id, before is None or before.status != run.status)
        if after is not None:
            await recording.mark_change(after.run_id, after.status != run.status)
        recording.processes[run.process_id].since = await recording.last_change(run.process_id)


def _define(process: ProcessFacts, fact: ProcessSaved | ProcessDeleted) -> None:
    """A definition was saved or deleted: names, and whether the process still exists."""
    active = isinstance(fact, ProcessSaved) and fact.active
    process.define(fact.at, deleted=isinstance(fact, ProcessDeleted), active=active)
    if isinstance(fact, ProcessSaved):
        process.call(storable(fact.name), fact.at)
        for step in fact.steps:
            _call_step(process, step, fact)


def _take_names(process: ProcessFacts, events: Iterable[RunEvent]) -> None:
    for event in events:
        process.call(storable(event.process_name), event.at)
        for step in event.steps or []:
            _call_step(process, step, event)


def _call_step(process: ProcessFacts, step: Mapping[str, object], fact: ProcessSaved | RunEvent) -> None:
    number = step.get("number")
    naming = StepName(
        seen_at=fact.at,
        number=number if isinstance(number, int) else 0,
        name=storable(str(step.get("name") or "")) or "",
        check_type=str(step.get("check_type") or ""),
    )
    process.call_step(str(step.get("step_id", "")), naming)
