"""The read side: channels, rules, the delivery log, incidents."""

from datetime import datetime

from steptrail_common.contracts.incidents import AffectedKey, IncidentSummary
from steptrail_common.contracts.notifier import ChannelView, Delivery, RuleView

from steptrail_notifier.domain.incidents import Slot
from steptrail_notifier.ports import DeliveryFilter, IncidentFilter, IncidentPlace, NotifierStore

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


async def list_incidents(
    wanted: IncidentFilter, *, after: IncidentPlace | None, limit: int, store: NotifierStore
) -> tuple[list[IncidentSummary], IncidentPlace | None]:
    """A page of incidents, those that wait for somebody first, and where the next one begins."""
    found = await store.incidents(wanted, after=after, limit=limit + 1)
    return [one for _, one in found[:limit]], found[limit - 1][0] if len(found) > limit else None


async def list_incident_keys(
    incident_id: str,
    *,
    open_only: bool,
    process_id: str | None,
    after: Slot | None,
    limit: int,
    store: NotifierStore,
) -> tuple[list[AffectedKey], Slot | None]:
    """A page of the keys an incident stops or stopped, and where the next one begins."""
    found = await store.incident_keys(
        incident_id, open_only=open_only, process_id=process_id, after=after, limit=limit + 1
    )
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], (last.process_id, last.key or "") if last else None
