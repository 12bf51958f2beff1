"""Use cases that change something: events become deliveries, deliveries are sent, channels and rules are kept."""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from steptrail_common.contracts.catalog import ProcessDeleted, ProcessSaved
from steptrail_common.contracts.definition import NotifyRule
from steptrail_common.contracts.events import CloudEvent, dedup_id
from steptrail_common.contracts.notifier import ChannelCreated, ChannelView, ChannelWrite, Delivery
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.errors import InvalidInput, SteptrailError

from steptrail_notifier.domain.delivery import Attempt, Step, after
from steptrail_notifier.domain.message import body_of, checked_key, headers_of, new_key
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.rules import Rule, notices
from steptrail_notifier.ports import (
    Channel,
    Claimed,
    Gate,
    NewDelivery,
    NotifierStore,
    Post,
    ProcessNote,
    Recording,
    SigningKeys,
)

LEASE_SECONDS = 30.0
"""Three times the limit of a try: a sender that died holds a delivery no longer."""
TEST = "test"

Fact = RunEvent | ProcessSaved | ProcessDeleted
log = structlog.get_logger()

# --- events ----------------------------------------------------------------------------------------------------------


async def take(events: Sequence[tuple[CloudEvent, Fact]], *, store: NotifierStore) -> int:
    """Keep what a batch of events says and make the deliveries it calls for, in one transaction.

    Any order and any repetition: an outcome counts once, and a delivery's id comes from run, rule and moment.
    Returns how many deliveries were made.
    """
    process_ids = {fact.process_id for _, fact in events}
    async with store.recording(process_ids) as recording:
        again = await _define(recording, [fact for _, fact in events if not isinstance(fact, RunEvent)])
        ended = {
            _outcome(fact): event.model_dump(mode="json", exclude_none=True)
            for event, fact in events
            if isinstance(fact, RunEvent) and fact.type == "run.finished"
        }
        fresh = await recording.add(ended)
        made = 0
        for outcome in sorted({*again, *fresh}):
            for rule in _rules_for(recording, outcome.process_id):
                made += await _tell(recording, rule, outcome)
    return made


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


def _rules_for(recording: Recording, process_id: str) -> list[Rule]:
    note = recording.processes[process_id]
    return [rule for rule in (*recording.rules, *note.rules) if rule.covers(process_id, note.category)]


async def _tell(recording: Recording, rule: Rule, outcome: Outcome) -> int:
    """Make the deliveries a rule calls for now that an outcome is known. An inactive channel gets nothing."""
    if not recording.channels.get(rule.channel_id, True):
        return 0
    series = await recording.series(outcome)
    told = await recording.told(rule.rule_id, [known.run_id for known in series])
    made = 0
    for notice in notices(rule, series, outcome, told):
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


# --- sending ---------------------------------------------------------------------------------------------------------


async def send(claimed: Claimed, *, store: NotifierStore, post: Post, keys: SigningKeys, last: bool = False) -> Step:
    """Try a claimed delivery once and write what it brought. `last`: no further try after this one."""
    channel = claimed.channel
    if channel is None or not channel.active:
        attempt = Attempt(error="the channel was deleted" if channel is None else "the channel is switched off")
        step = Step("undelivered", None, attempt.error)
    else:
        attempt = await _attempt(claimed, channel, store=store, post=post, keys=keys)
        now = await store.now()
        give_up_at = now if last else claimed.give_up_at
        step = after(attempt, tries=claimed.tries, now=now, give_up_at=give_up_at, chance=random.random())
    held = await store.finish(claimed, attempt, step)
    log.info(
        "notifier.tried",
        delivery_id=claimed.delivery_id,
        channel_id=claimed.channel_id,
        tries=claimed.tries,
        status=step.status,
        status_code=attempt.status_code,
        error=step.error,
        held=held,
    )
    return step


async def _attempt(
    claimed: Claimed, channel: Channel, *, store: NotifierStore, post: Post, keys: SigningKeys
) -> Attempt:
    try:
        key = keys.open(channel.sealed_key, channel_id=channel.channel_id, url=channel.url)
    except SteptrailError as error:
        return Attempt(error=error.detail)
    headers = headers_of(claimed.body, delivery_id=claimed.delivery_id, key=key, at=await store.now())
    return await post(channel.url, claimed.body, headers)


async def send_test(channel_id: str, *, store: NotifierStore, post: Post, keys: SigningKeys) -> Delivery:
    """Send a message that says it is a test, once, and answer with what came back."""
    channel, now = await store.channel(channel_id), await store.now()
    identity = dedup_id(TEST, channel_id, now.isoformat(), random.random())
    event = CloudEvent(
        id=identity,
        source="/steptrail/notifier",
        type="io.steptrail.channel.tested.v1",
        time=now,
        subject=channel_id,
        data={"channel_id": channel_id, "message": f"A test of the channel {channel.name} by Steptrail."},
    )
    body = body_of(event.model_dump(mode="json", exclude_none=True), moment=TEST, rule_id=TEST)
    claimed = await store.queue_test(
        NewDelivery(identity, channel_id, rule_id=None, run_id=None, process_id=None, moment=TEST, body=body),
        lease_seconds=LEASE_SECONDS,
    )
    await send(claimed, store=store, post=post, keys=keys, last=True)
    return await store.delivery(identity)


# --- channels --------------------------------------------------------------------------------------------------------


async def create_channel(
    wanted: ChannelWrite, *, store: NotifierStore, keys: SigningKeys, gate: Gate
) -> ChannelCreated:
    """Make a channel. A signing key of ours is in the answer, this once; one that was sent is not repeated."""
    await gate(wanted.url)
    key = checked_key(wanted.secret) if wanted.secret else new_key()
    channel = await store.add_channel(_channel(wanted, keys.seal(key, **_place(wanted)), await store.now()))
    return ChannelCreated(**channel.view().model_dump(), signing_key=None if wanted.secret else key)


async def change_channel(
    channel_id: str, wanted: ChannelWrite, *, store: NotifierStore, keys: SigningKeys, gate: Gate
) -> ChannelView:
    """Replace a channel. Without a secret it keeps its signing key, unless the address moves to another host."""
    if wanted.channel_id != channel_id:
        raise InvalidInput.field("body.channel_id", f"must be {channel_id}, as in the address; ids never change")
    stored = await store.channel(channel_id)
    await gate(wanted.url)
    if wanted.secret:
        sealed = keys.seal(checked_key(wanted.secret), **_place(wanted))
    elif _origin(wanted.url) != _origin(stored.url):
        raise InvalidInput.field("body.secret", "the address moves to another host: send a signing key for it")
    else:
        sealed = stored.sealed_key
    return (await store.change_channel(_channel(wanted, sealed, await store.now()))).view()


def _channel(wanted: ChannelWrite, sealed: str, now: datetime) -> Channel:
    return Channel(
        channel_id=wanted.channel_id,
        name=wanted.name,
        url=wanted.url,
        sealed_key=sealed,
        active=wanted.active,
        created_at=now,
        updated_at=now,
    )


def _place(wanted: ChannelWrite) -> dict[str, str]:
    return {"channel_id": wanted.channel_id, "url": wanted.url}


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
