"""The side of the SQL store that people see: channels, rules, the delivery log."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.clock import Clock
from steptrail_common.contracts.notifier import Delivery, RuleView, RuleWrite
from steptrail_common.database import reading, writing
from steptrail_common.errors import Conflict, InvalidInput, NotFound

from steptrail_notifier.adapters.connection import insert_into, now_of
from steptrail_notifier.adapters.rows import channel_of, channel_row, delivery_of, rule_row, rule_view, shown_columns
from steptrail_notifier.adapters.schema import channels, deliveries, rules
from steptrail_notifier.domain.delivery import KEEP_TRYING
from steptrail_notifier.ports import Channel, DeliveryFilter

DELETED = "the channel was deleted"


class SqlAdministration:
    """See `ports.NotifierStore`."""

    def __init__(self, engine: AsyncEngine, clock: Clock | None) -> None:
        self._engine = engine
        self._clock = clock

    async def channels(self, *, after: str | None, limit: int) -> list[Channel]:
        """See `ports.NotifierStore`."""
        query = sa.select(channels).order_by(channels.c.channel_id).limit(limit)
        if after is not None:
            query = query.where(channels.c.channel_id > after)
        async with reading(self._engine) as connection:
            return [channel_of(row) for row in (await connection.execute(query)).mappings()]

    async def channel(self, channel_id: str) -> Channel:
        """See `ports.NotifierStore`."""
        async with reading(self._engine) as connection:
            return await _channel(connection, channel_id)

    async def add_channel(self, channel: Channel) -> Channel:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            insert = insert_into(connection, channels).values(channel_row(channel)).on_conflict_do_nothing()
            if (await connection.execute(insert.returning(channels.c.channel_id))).one_or_none() is None:
                raise Conflict(f"there is a channel {channel.channel_id} already")
            return channel

    async def change_channel(self, channel: Channel) -> Channel:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            stored = await _channel(connection, channel.channel_id)
            kept = channel_row(channel) | {"created_at": stored.created_at}
            await connection.execute(
                sa.update(channels).where(channels.c.channel_id == channel.channel_id).values(kept)
            )
            return await _channel(connection, channel.channel_id)

    async def delete_channel(self, channel_id: str) -> None:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            await _hold_channel(connection, channel_id)
            using = await connection.scalars(
                sa.select(rules.c.rule_id).where(rules.c.channel_id == channel_id).limit(5)
            )
            if names := ", ".join(using):
                raise Conflict(f"rules send to this channel: {names}; delete them first")
            await connection.execute(sa.delete(channels).where(channels.c.channel_id == channel_id))
            waiting = sa.and_(deliveries.c.channel_id == channel_id, deliveries.c.status == "pending")
            closed = {
                "status": "undelivered",
                "next_try_at": None,
                "token": None,
                "last_error": "the channel was deleted",
            }
            await connection.execute(sa.update(deliveries).where(waiting).values(closed))

    async def rules(self, *, after: str | None, limit: int) -> list[RuleView]:
        """See `ports.NotifierStore`."""
        query = sa.select(rules).order_by(rules.c.rule_id).limit(limit)
        if after is not None:
            query = query.where(rules.c.rule_id > after)
        async with reading(self._engine) as connection:
            return [rule_view(row) for row in (await connection.execute(query)).mappings()]

    async def add_rule(self, rule: RuleWrite) -> RuleView:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            await _target(connection, rule)
            values = rule_row(rule) | {"created_at": await now_of(connection, self._clock)}
            insert = insert_into(connection, rules).values(values).on_conflict_do_nothing()
            made = (await connection.execute(insert.returning(rules))).mappings().one_or_none()
            if made is None:
                raise Conflict(f"there is a rule {rule.rule_id} already")
            return rule_view(made)

    async def change_rule(self, rule: RuleWrite) -> RuleView:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            await _target(connection, rule)
            change = sa.update(rules).where(rules.c.rule_id == rule.rule_id).values(rule_row(rule)).returning(rules)
            changed = (await connection.execute(change)).mappings().one_or_none()
            if changed is None:
                raise NotFound(f"there is no rule {rule.rule_id}")
            return rule_view(changed)

    async def delete_rule(self, rule_id: str) -> None:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            gone = await connection.execute(sa.delete(rules).where(rules.c.rule_id == rule_id))
            if gone.rowcount == 0:
                raise NotFound(f"there is no rule {rule_id}")

    async def deliveries(
        self, wanted: DeliveryFilter, *, after: tuple[datetime, str] | None, limit: int
    ) -> list[Delivery]:
        """See `ports.NotifierStore`."""
        given = {name: getattr(wanted, name) for name in DeliveryFilter.__slots__}
        conditions = [deliveries.c[name] == value for name, value in given.items() if value is not None]
        if after is not None:
            behind = sa.tuple_(sa.literal(after[0], deliveries.c.created_at.type), sa.literal(after[1]))
            conditions.append(sa.tuple_(deliveries.c.created_at, deliveries.c.delivery_id) < behind)
        query = sa.select(*shown_columns()).where(*conditions).limit(limit)
        query = query.order_by(deliveries.c.created_at.desc(), deliveries.c.delivery_id.desc())
        async with reading(self._engine) as connection:
            return [delivery_of(row) for row in (await connection.execute(query)).mappings()]

    async def delivery(self, delivery_id: str) -> Delivery:
        """See `ports.NotifierStore`."""
        async with reading(self._engine) as connection:
            return await _delivery(connection, delivery_id)

    async def retry(self, delivery_id: str) -> Delivery:
        """See `ports.NotifierStore`."""
        async with writing(self._engine) as connection:
            now = await now_of(connection, self._clock)
            again: dict[str, Any] = {
                "status": "pending", "next_try_at": now, "give_up_at": now + KEEP_TRYING, "token": None,
            }  # fmt: skip
            open_one = sa.and_(deliveries.c.delivery_id == delivery_id, deliveries.c.status != "delivered")
            changed = await connection.execute(sa.update(deliveries).where(open_one).values(again))
            found = await _delivery(connection, delivery_id)
            if changed.rowcount == 0:
                raise Conflict("it was delivered; the receiver has it")
            return found


async def _channel(connection: AsyncConnection, channel_id: str) -> Channel:
    query = sa.select(channels).where(channels.c.channel_id == channel_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no channel {channel_id}")
    return channel_of(row)


async def _hold_channel(connection: AsyncConnection, channel_id: str) -> None:
    """Nobody deletes it, or makes a rule for it, before this transaction ends."""
    held = sa.select(channels.c.channel_id).where(channels.c.channel_id == channel_id).with_for_update()
    if await connection.scalar(held) is None:
        raise NotFound(f"there is no channel {channel_id}")


async def _target(connection: AsyncConnection, rule: RuleWrite) -> None:
    try:
        await _hold_channel(connection, rule.channel_id)
    except NotFound as absent:
        raise InvalidInput.field("body.channel_id", absent.detail) from absent


async def _delivery(connection: AsyncConnection, delivery_id: str) -> Delivery:
    query = sa.select(*shown_columns()).where(deliveries.c.delivery_id == delivery_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    return delivery_of(row)
