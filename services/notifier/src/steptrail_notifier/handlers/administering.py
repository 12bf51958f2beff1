"""Channels and rules, kept by people."""

from datetime import datetime
from urllib.parse import urlsplit

from steptrail_common.contracts.notifier import ChannelCreated, ChannelView, ChannelWrite, RuleView, RuleWrite
from steptrail_common.errors import InvalidInput

from steptrail_notifier.domain.message import checked_key, new_key
from steptrail_notifier.ports import Channel, Gate, NotifierStore, SigningKeys


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


async def change_rule(rule_id: str, wanted: RuleWrite, *, store: NotifierStore) -> RuleView:
    """Replace a rule. It keeps its id, so that nobody is told twice what it told before."""
    if wanted.rule_id != rule_id:
        raise InvalidInput.field("body.rule_id", f"must be {rule_id}, as in the address; ids never change")
    return await store.change_rule(wanted)


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
