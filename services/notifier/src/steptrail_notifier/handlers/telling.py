"""Telling incidents: one message to a channel when one opens and one when it is resolved, whichever rules ask."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from steptrail_common.contracts.events import dedup_id
from steptrail_common.contracts.incidents import LISTED_PROCESSES

from steptrail_notifier.domain.incidents import Incident
from steptrail_notifier.domain.message import body_of
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.rules import INCIDENT_OPENED, INCIDENT_RESOLVED, Rule
from steptrail_notifier.domain.story import cloud_event
from steptrail_notifier.ports import NewDelivery, ProcessNote, Recording

Told = Mapping[tuple[str, str], Sequence[tuple[str, datetime]]]
PROCESSES_ASKED = 500
"""Of an incident that is over: whose rules may want to know."""


def rules_for(recording: Recording, note: ProcessNote) -> list[Rule]:
    """The rules that look at a process: those made by hand, and its definition's own."""
    return [rule for rule in (*recording.rules, *note.rules) if rule.covers(note.process_id, note.category)]


async def tell_opened(recording: Recording, met: Sequence[tuple[Incident, Outcome]]) -> int:
    """Runs met these causes: tell who has not been told of this opening, and remind who wants to be reminded.

    An acknowledged incident is silent.
    """
    wanted = [
        (incident, outcome, rule)
        for incident, outcome in met
        if incident.acknowledged_at is None and (incident.resolved_at is None or _just_opened(incident))
        for rule in rules_for(recording, recording.processes[outcome.process_id])
        if INCIDENT_OPENED in rule.on and incident.runs >= rule.after_failures
    ]
    if not wanted:
        return 0
    told = await recording.incident_told({incident.incident_id for incident, _, _ in wanted})
    now, made = await recording.now(), 0
    for incident, outcome, rule in wanted:
        past = told.setdefault((incident.incident_id, rule.channel_id), [])
        delivery_id = _opened_id(incident, rule.channel_id)
        if any(known == delivery_id for known, _ in past):
            if rule.remind_every_seconds is None:
                continue
            if now < max(at for _, at in past) + timedelta(seconds=rule.remind_every_seconds):
                continue
            delivery_id = dedup_id("reminder", incident.incident_id, rule.channel_id, outcome.run_id)
        past.append((delivery_id, now))
        made += await _queue(recording, incident, rule, delivery_id, INCIDENT_OPENED)
    return made


async def tell_resolved(recording: Recording, changed: Collection[Incident]) -> int:
    """Those that are over: tell whoever was told of this opening, or only wants to hear of the end."""
    over = [incident for incident in changed if any(line.what == "resolved" for line in incident.lines)]
    if not over:
        return 0
    told = await recording.incident_told({incident.incident_id for incident in over})
    made = 0
    for incident in over:
        notes = await recording.notes(await recording.process_ids(incident.incident_id, PROCESSES_ASKED))
        asked = {rule.channel_id: rule for note in notes for rule in rules_for(recording, note)
                 if INCIDENT_RESOLVED in rule.on and _may_hear(incident, rule, told)}  # fmt: skip
        for channel_id, rule in sorted(asked.items()):
            delivery_id = dedup_id("resolved", incident.incident_id, incident.openings, channel_id)
            made += await _queue(recording, incident, rule, delivery_id, INCIDENT_RESOLVED)
    return made


def _may_hear(incident: Incident, rule: Rule, told: Told) -> bool:
    if INCIDENT_OPENED not in rule.on:
        return incident.runs >= rule.after_failures
    past = told.get((incident.incident_id, rule.channel_id), [])
    return any(known == _opened_id(incident, rule.channel_id) for known, _ in past)


def _just_opened(incident: Incident) -> bool:
    return any(line.what in ("opened", "reopened") for line in incident.lines)


def _opened_id(incident: Incident, channel_id: str) -> str:
    """One for each opening and channel: rules that send to the same channel make one message."""
    return dedup_id("opened", incident.incident_id, incident.openings, channel_id)


async def _queue(recording: Recording, incident: Incident, rule: Rule, delivery_id: str, moment: str) -> bool:
    if not recording.channels.get(rule.channel_id, True):
        return False
    absent = rule.channel_id not in recording.channels
    process_ids = await recording.process_ids(incident.incident_id, LISTED_PROCESSES)
    event = cloud_event(incident, "opened" if moment == INCIDENT_OPENED else "resolved", process_ids)
    return await recording.queue(
        NewDelivery(
            delivery_id=delivery_id,
            channel_id=rule.channel_id,
            rule_id=rule.rule_id,
            run_id=incident.last_run_id,
            process_id=incident.last_process_id,
            incident_id=incident.incident_id,
            moment=moment,
            body=body_of(event.model_dump(mode="json", exclude_none=True), moment=moment, rule_id=rule.rule_id),
            refused=f"there is no channel {rule.channel_id}" if absent else None,
        )
    )
