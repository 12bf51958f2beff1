"""Channels and rules, kept by people."""

from datetime import datetime
from urllib.parse import urlsplit

from steptrail_common.contracts.notifier import ChannelCreated, ChannelView, ChannelWrite, RuleView, RuleWrite
from steptrail_common.errors import InvalidInput

from steptrail_notifier.domain.message import checked_key, checked_password, new_key
from steptrail_notifier.ports import Channel, Gate, NotifierStore, SigningKeys


async def create_channel(
    wanted: ChannelWrite, *, store: NotifierStore, keys: SigningKeys, gate: Gate
) -> ChannelCreated:
    """Make a channel. A signing key of ours is in the answer, this once; a secret that was sent is not repeated."""
    await gate(_address(wanted))
    made = new_key() if wanted.kind == "webhook" and not wanted.secret else None
    sealed = _sealed(wanted, made, keys) if made else _sealed_anew(wanted, None, keys)
    channel = await store.add_channel(_channel(wanted, sealed, await store.now()))
    return ChannelCreated(**channel.view().model_dump(), signing_key=made)


async def change_channel(
    channel_id: str, wanted: ChannelWrite, *, store: NotifierStore, keys: SigningKeys, gate: Gate
) -> ChannelView:
    """Replace a channel. Without a secret it keeps the one it has, unless the address moves to another host."""
    if wanted.channel_id != channel_id:
        raise InvalidInput.field("body.channel_id", f"must be {channel_id}, as in the address; ids never change")
    stored = await store.channel(channel_id)
    if wanted.kind != stored.kind:
        raise InvalidInput.field("body.kind", f"stays {stored.kind}: make another channel for {wanted.kind}")
    await gate(_address(wanted))
    sealed = _sealed_anew(wanted, stored, keys)
    return (await store.change_channel(_channel(wanted, sealed, await store.now()))).view()


def _sealed_anew(wanted: ChannelWrite, stored: Channel | None, keys: SigningKeys) -> str:
    """The sealed secret a channel will have: the one that was sent, else the one it has if it still fits."""
    if wanted.email is not None and wanted.email.username is None:
        if wanted.secret:
            raise InvalidInput.field(
                "body.email.username", "a password belongs to an account: name it, or send neither"
            )
        return ""
    if wanted.secret:
        secret = checked_key(wanted.secret) if wanted.kind == "webhook" else checked_password(wanted.secret)
        return _sealed(wanted, secret, keys)
    if stored is None or not stored.sealed_key:
        raise InvalidInput.field("body.secret", "the account signs in with a password: send it")
    if _origin(_address(wanted)) != _origin(stored.url):
        what = "a signing key" if wanted.kind == "webhook" else "the password"
        raise InvalidInput.field("body.secret", f"the address moves to another host: send {what} for it")
    return stored.sealed_key


async def change_rule(rule_id: str, wanted: RuleWrite, *, store: NotifierStore) -> RuleView:
    """Replace a rule. It keeps its id, so that nobody is told twice what it told before."""
    if wanted.rule_id != rule_id:
        raise InvalidInput.field("body.rule_id", f"must be {rule_id}, as in the address; ids never change")
    return await store.change_rule(wanted)


def _channel(wanted: ChannelWrite, sealed: str, now: datetime) -> Channel:
    return Channel(
        channel_id=wanted.channel_id,
        name=wanted.name,
        url=_address(wanted),
        sealed_key=sealed,
        active=wanted.active,
        created_at=now,
        updated_at=now,
        kind=wanted.kind,
        email=wanted.email,
    )


def _sealed(wanted: ChannelWrite, secret: str, keys: SigningKeys) -> str:
    return keys.seal(secret, channel_id=wanted.channel_id, url=_address(wanted))


def _address(wanted: ChannelWrite) -> str:
    """Where messages go, and what the secret belongs to: the contract has seen to it that there is one."""
    return wanted.email.url if wanted.email is not None else wanted.url or ""


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
