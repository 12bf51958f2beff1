"""The read side: channels, rules, the delivery log."""

from datetime import datetime

from steptrail_common.contracts.notifier import ChannelView, Delivery, RuleView

from steptrail_notifier.ports import DeliveryFilter, NotifierStore

DeliveryPlace = tuple[datetime, str]
"""`created_at` and id of the last delivery of a page."""


async def list_channels(*, after: str | None, limit: int, store: NotifierStore) -> tuple[list[ChannelView], str | None]:
    """A page of channels by id, and where the next one begins."""
    found = [channel.view() for channel in await store.channels(after=after, limit=limit + 1)]
    return found[:limit], found[limit - 1].channel_id if len(found) > limit else None


async def list_rules(*, after: str | None, limit: int, store: NotifierStore) -> tuple[list[RuleView], str | None]:
    """A page of rules by id, and where the next one begins."""
    found = await store.rules(after=after, limit=limit + 1)
    return found[:limit], found[limit - 1].rule_id if len(found) > limit else None


async def list_deliveries(
    wanted: DeliveryFilter, *, after: DeliveryPlace | None, limit: int, store: NotifierStore
) -> tuple[list[Delivery], DeliveryPlace | None]:
    """A page of the delivery log, newest first, and where the next one begins."""
    found = await store.deliveries(wanted, after=after, limit=limit + 1)
    page = found[:limit]
    return page, (page[-1].created_at, page[-1].delivery_id) if len(found) > limit else None
