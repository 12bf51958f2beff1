"""Taking events: ends of runs become incidents and deliveries, definitions become rules, in one transaction."""

from collections.abc import Iterable, Sequence
from typing import Any

from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.definition import NotifyRule
from steptrail_common.contracts.events import CloudEvent, dedup_id
from steptrail_common.contracts.orchestrator import RunEvent

from steptrail_notifier.domain.incidents import slot_of
from steptrail_notifier.domain.message import body_of
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.rules import Rule, notices
from steptrail_notifier.handlers.following import follow, release
from steptrail_notifier.handlers.telling import rules_for, tell_opened, tell_resolved
from steptrail_notifier.ports import NewDelivery, NotifierStore, ProcessNote, Recording

Fact = RunEvent | ProcessSaved | ProcessDeleted


async def take(events: Sequence[tuple[CloudEvent, Fact]], *, store: NotifierStore) -> int:
    """Keep what a batch of events says, with the incidents and deliveries it calls for, in one transaction.

    Any order and any repetition: an outcome counts once, and a delivery's id comes from run, rule and moment.
    Returns how many deliveries were made.
    """
    process_ids = {fact.process_id for _, fact in events}
    async with store.recording(process_ids) as recording:
        again = await _define(recording, [fact for _, fact in events if not isinstance(fact, RunEvent)])
        ended: dict[Outcome, dict[str, Any]] = {}
        runs: dict[Outcome, RunEvent] = {}
        for event, fact in events:
            if isinstance(fact, RunEvent) and fact.type == "run.finished":
                outcome = _outcome(fact)
                ended[outcome], runs[outcome] = event.model_dump(mode="json", exclude_none=True), fact
        fresh = await recording.add(ended)
        followed = await follow(recording, {outcome: runs[outcome] for outcome in fresh})
        followed.changed += await release(recording, _deleted(events))
        made = await tell_opened(recording, followed.met) + await tell_resolved(recording, followed.changed)
        for outcome in sorted({*again, *fresh}):
            in_hand = slot_of(outcome) in followed.in_hand
            for rule in rules_for(recording, recording.processes[outcome.process_id]):
                if rule.tells_runs:
                    made += await _tell(recording, rule, outcome, in_hand=in_hand)
        return made


def _deleted(events: Sequence[tuple[CloudEvent, Fact]]) -> list[ProcessDeleted]:
    return [fact for _, fact in events if isinstance(fact, ProcessDeleted)]


def _outcome(event: RunEvent) -> Outcome:
    key = event.key and event.key.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return Outcome(event.at, event.run_id, event.process_id, key, event.status)


async def _define(recording: Recording, facts: Iterable[ProcessSaved | ProcessDeleted]) -> list[Outcome]:
    """Keep the latest definition of each process. Returns outcomes that came before the definition they ran under."""
    again: list[Outcome] = []
    for fact in facts:
        if fact.at <= recording.processes[fact.process_id].at:
            continue
        note = ProcessNote(fact.process_id, fact.at)
        if isinstance(fact, ProcessSaved):
            note = ProcessNote(fact.process_id, fact.at, fact.category, tuple(_definition_rules(fact)))
            again += await recording.ended_since(fact.process_id, fact.at)
        await recording.define(note)
    return again


def _definition_rules(saved: ProcessSaved) -> list[Rule]:
    """The rules under `notify` of a definition. Their ids stay the same while their place in the list does."""
    written = [NotifyRule.model_validate(told) for told in saved.notify]
    return [
        Rule(
            rule_id=f"definition:{saved.process_id}:{number}",
            channel_id=rule.channel,
            on=frozenset(rule.on),
            process_id=saved.process_id,
            after_failures=rule.after_failures,
            remind_every_seconds=rule.remind_every,
        )
        for number, rule in enumerate(written, 1)
    ]


async def _tell(recording: Recording, rule: Rule, outcome: Outcome, *, in_hand: bool) -> int:
    """Make the deliveries a rule calls for now that an outcome is known. An inactive channel gets nothing.

    `in_hand`: the key stands in an incident that somebody acknowledged, so nobody is reminded of it.
    """
    if not recording.channels.get(rule.channel_id, True):
        return 0
    series = await recording.series(outcome)
    told = await recording.told(rule.rule_id, [known.run_id for known in series])
    made = 0
    for notice in notices(rule, series, outcome, told, remind=not in_hand):
        event = await recording.event(notice.run_id)
        if not event:
            continue  # so old that its event was dropped: no news
        absent = rule.channel_id not in recording.channels
        made += await recording.queue(
            NewDelivery(
                delivery_id=dedup_id("delivery", notice.run_id, rule.rule_id, notice.moment),
                channel_id=rule.channel_id,
                rule_id=rule.rule_id,
                run_id=notice.run_id,
                process_id=outcome.process_id,
                moment=notice.moment,
                body=body_of(event, moment=notice.moment, rule_id=rule.rule_id),
                refused=f"there is no channel {rule.channel_id}" if absent else None,
            )
        )
    return made
