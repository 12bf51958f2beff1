"""Following incidents: what ends of runs, deleted processes and people do to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from steptrail_common.contracts.catalog import ProcessDeleted
from steptrail_common.contracts.incidents import LISTED_PROCESSES, IncidentView
from steptrail_common.contracts.orchestrator import RunEvent, StepEnd

from steptrail_notifier.domain.causes import Fault, faults_of, has_passed
from steptrail_notifier.domain.incidents import FORGET_AFTER, Incident, Slot, slot_of
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.story import events_of
from steptrail_notifier.handlers.telling import tell_resolved
from steptrail_notifier.ports import NotifierStore, Recording


@dataclass(slots=True)
class Followed:
    """What a batch did: who met which cause, the incidents with something to say, the slots somebody has in hand."""

    met: list[tuple[Incident, Outcome]] = field(default_factory=list)
    changed: list[Incident] = field(default_factory=list)
    in_hand: set[Slot] = field(default_factory=set)


# --- runs ------------------------------------------------------------------------------------------------------------


async def follow(recording: Recording, fresh: Mapping[Outcome, RunEvent]) -> Followed:
    """Put new ends of runs into their incidents.

    Ends that are no cause, of processes that stand in no incident, ask the database nothing.
    """
    faults = {outcome: found for outcome, event in fresh.items() if (found := faults_of(event))}
    concerned = [outcome for outcome in fresh if outcome in faults or outcome.process_id in recording.afflicted]
    if not concerned:
        return Followed()
    seeds: dict[str, tuple[Incident, Outcome]] = {}
    for outcome in sorted(faults):
        for fault in faults[outcome]:
            seeds.setdefault(fault.cause, (Incident.of(uuid4().hex, fault, outcome), outcome))
    held = await recording.hold(seeds, {slot_of(outcome) for outcome in concerned})
    met: list[tuple[Incident, Outcome]] = []
    for outcome in sorted(concerned):
        met += await _move(recording, held, outcome, fresh[outcome], faults.get(outcome, []))
    await recording.afflict({outcome.process_id for outcome in faults}, yes=True)
    changed = await _close(recording, held)
    in_hand = {
        slot
        for incident in held
        if incident.state == "acknowledged"
        for slot, affected in incident.affected.items()
        if affected.cleared_at is None
    }
    return Followed(met, changed, in_hand)


async def _move(
    recording: Recording, held: Sequence[Incident], outcome: Outcome, event: RunEvent, faults: Sequence[Fault]
) -> list[tuple[Incident, Outcome]]:
    """One run: it leaves the incidents whose step it passed and joins those whose cause it met."""
    causes = {fault.cause: fault for fault in faults}
    later = await recording.later(outcome) if faults else []
    met = []
    for incident in held:
        if (fault := causes.get(incident.cause)) is not None:
            passed = next((newer for newer, told in later if _shows(newer, told, fault.end.step_id)), None)
            incident.meet(outcome, fault, event.process_name or event.process_id, passed)
            met.append((incident, outcome))
        elif (affected := incident.affected.get(slot_of(outcome))) is not None and has_passed(
            event.status, event.ends, affected.step_id
        ):
            incident.leave(slot_of(outcome), outcome)
    return met


def _shows(newer: Outcome, told: Mapping[str, Any], step_id: str) -> bool:
    """Whether a run known before passed the step; of an old one only its status is known."""
    ends = [StepEnd.model_validate(end) for end in told.get("data", {}).get("ends") or []]
    return has_passed(newer.status, ends, step_id)


async def release(recording: Recording, deleted: Sequence[ProcessDeleted]) -> list[Incident]:
    """Nobody checks the keys of a process that is gone."""
    changed: list[Incident] = []
    for fact in deleted:
        for incident_id in await recording.with_open_keys(process_id=fact.process_id):
            incident = await recording.held(incident_id)
            incident.drop(await recording.clear(incident_id, fact.at, "deleted", process_id=fact.process_id))
            changed += await _close(recording, [incident])
        await recording.afflict([fact.process_id], yes=False)
    return changed


async def forget_unseen(*, store: NotifierStore) -> int:
    """Drop keys that nobody checked for `FORGET_AFTER`; says how many incidents changed."""
    async with store.recording([]) as recording:
        now = await recording.now()
        oldest = now - FORGET_AFTER
        changed: list[Incident] = []
        for incident_id in await recording.with_open_keys(unseen_since=oldest):
            incident = await recording.held(incident_id)
            incident.drop(await recording.clear(incident_id, now, "unseen", unseen_since=oldest))
            changed += await _close(recording, [incident])
        await tell_resolved(recording, changed)
        return len(changed)


async def _close(recording: Recording, held: Sequence[Incident]) -> list[Incident]:
    """Write incidents back, with the events of what happened to them. Returns those that have something to say."""
    changed = []
    now = await recording.now()
    for incident in held:
        incident.settle(now)
        await recording.keep(incident)
        if incident.lines:
            process_ids = await recording.process_ids(incident.incident_id, LISTED_PROCESSES)
            await recording.announce(events_of(incident, process_ids))
            changed.append(incident)
    return changed


# --- people ----------------------------------------------------------------------------------------------------------


async def acknowledge(incident_id: str, by: str, note: str | None, *, store: NotifierStore) -> IncidentView:
    """Somebody has it in hand. Raises `NotFound`, or `Conflict` when it is resolved."""
    return await _deed(incident_id, lambda incident, now: incident.acknowledge(by, note, now), store=store)


async def unacknowledge(incident_id: str, by: str, note: str | None, *, store: NotifierStore) -> IncidentView:
    """Nobody has it in hand any more. Raises as `acknowledge`."""
    return await _deed(incident_id, lambda incident, now: incident.unacknowledge(by, note, now), store=store)


async def resolve(incident_id: str, by: str, note: str | None, *, store: NotifierStore) -> IncidentView:
    """Somebody says it is over, whatever its keys do: each of them leaves it. Raises as `acknowledge`."""
    return await _deed(incident_id, lambda incident, now: incident.resolve(by, note, now), store=store)


async def _deed(
    incident_id: str, change: Callable[[Incident, datetime], None], *, store: NotifierStore
) -> IncidentView:
    async with store.recording([]) as recording:
        incident, now = await recording.held(incident_id), await recording.now()
        change(incident, now)
        if incident.resolved_at is not None:
            await recording.clear(incident_id, now, "hand")
        await tell_resolved(recording, await _close(recording, [incident]))
    return await store.incident(incident_id)
