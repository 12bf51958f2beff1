"""Sending what is due: each try once, with what it brought written down."""

import random

import structlog
from steptrail_common.contracts.events import CloudEvent, dedup_id
from steptrail_common.contracts.notifier import Delivery
from steptrail_common.errors import SteptrailError

from steptrail_notifier.domain.delivery import Attempt, Step, after
from steptrail_notifier.domain.message import body_of
from steptrail_notifier.ports import Carriers, Channel, Claimed, NewDelivery, NotifierStore, SigningKeys

LEASE_SECONDS = 30.0
"""Three times the limit of a try: a sender that died holds a delivery no longer."""
TEST = "test"

log = structlog.get_logger()


async def send(
    claimed: Claimed, *, store: NotifierStore, carriers: Carriers, keys: SigningKeys, last: bool = False
) -> Step:
    """Try a claimed delivery once and write what it brought. `last`: no further try after this one."""
    channel = claimed.channel
    if channel is None or not channel.active:
        attempt = Attempt(error="the channel was deleted" if channel is None else "the channel is switched off")
        step = Step("undelivered", None, attempt.error)
    else:
        attempt = await _attempt(claimed, channel, store=store, carriers=carriers, keys=keys)
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
    claimed: Claimed, channel: Channel, *, store: NotifierStore, carriers: Carriers, keys: SigningKeys
) -> Attempt:
    try:
        sealed = channel.sealed_key
        secret = keys.open(sealed, channel_id=channel.channel_id, url=channel.url) if sealed else ""
    except SteptrailError as error:
        return Attempt(error=error.detail)
    return await carriers[channel.kind](claimed, channel, secret, await store.now())


async def send_test(channel_id: str, *, store: NotifierStore, carriers: Carriers, keys: SigningKeys) -> Delivery:
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
    await send(claimed, store=store, carriers=carriers, keys=keys, last=True)
    return await store.delivery(identity)
