"""The side of a recording that keeps incidents: locked by cause, changed in the domain, written back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.bus.port import Destination, Message
from steptrail_common.clock import Clock
from steptrail_common.contracts.events import CONTENT_TYPE, CloudEvent, routing_key
from steptrail_common.errors import NotFound
from steptrail_common.outbox import insert

from steptrail_notifier.adapters.connection import insert_into, now_of
from steptrail_notifier.adapters.rows import note_of
from steptrail_notifier.adapters.schema import (
    deliveries,
    incident_keys,
    incident_lines,
    incidents,
    outbox,
    processes,
)
from steptrail_notifier.domain.incidents import Affected, Cleared, Incident, Slot, may_reopen
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.ports import ProcessNote

_IN_MEMORY = {"affected", "touched", "lines", "moved"}
_COLUMNS = [one.name for one in fields(Incident) if one.name not in _IN_MEMORY]


class SqlCasework:
    """See `ports.Recording`. Incidents are locked in the order of their causes, after the processes."""

    _connection: AsyncConnection
    _clock: Clock | None
    afflicted: set[str]
    has_announced = False

    async def now(self) -> datetime:
        """See `ports.Recording`."""
        return await now_of(self._connection, self._clock)

    async def hold(self, seeds: Mapping[str, tuple[Incident, Outcome]], slots: Collection[Slot]) -> list[Incident]:
        """See `ports.Recording`."""
        among = {slot for slot in slots if slot[0] in self.afflicted}
        standing = await self._standing(among)
        held = await self._locked(sa.or_(incidents.c.cause.in_(seeds), incidents.c.incident_id.in_(standing)))
        for cause in sorted(set(seeds) - {incident.cause for incident in held}):
            held.append(await self._resolved(cause, seeds[cause][1]) or await self._begun(seeds[cause][0]))
        await self._load(held, slots)
        return held

    async def held(self, incident_id: str) -> Incident:
        """See `ports.Recording`."""
        query = sa.select(incidents).where(incidents.c.incident_id == incident_id).with_for_update()
        row = (await self._connection.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no incident {incident_id}")
        return incident_of(row)

    async def with_open_keys(self, *, process_id: str | None = None, unseen_since: datetime | None = None) -> list[str]:
        """See `ports.Recording`."""
        found = sa.select(incident_keys.c.incident_id).where(*_open(process_id, unseen_since)).distinct()
        return sorted(await self._connection.scalars(found.limit(1000)))

    async def clear(
        self,
        incident_id: str,
        at: datetime,
        by: Cleared,
        *,
        process_id: str | None = None,
        unseen_since: datetime | None = None,
    ) -> int:
        """See `ports.Recording`."""
        chosen = sa.update(incident_keys).where(
            incident_keys.c.incident_id == incident_id, *_open(process_id, unseen_since)
        )
        cleared = await self._connection.execute(chosen.values(cleared_at=at, cleared_by=by))
        return cleared.rowcount

    async def keep(self, incident: Incident) -> None:
        """See `ports.Recording`."""
        values = {name: getattr(incident, name) for name in _COLUMNS}
        chosen = sa.update(incidents).where(incidents.c.incident_id == incident.incident_id)
        await self._connection.execute(chosen.values(values))
        if incident.touched:
            written = insert_into(self._connection, incident_keys)
            fresh = {name: written.excluded[name] for name in Affected.__slots__}
            upsert = written.on_conflict_do_update(index_elements=["incident_id", "process_id", "key"], set_=fresh)
            rows = [_affected_row(incident.affected[slot]) for slot in sorted(incident.touched)]
            await self._connection.execute(upsert, rows)
        told = [line for line in incident.lines if line.what != "changed"]
        if told:
            rows = [
                {"incident_id": incident.incident_id} | {name: getattr(line, name) for name in line.__slots__}
                for line in told
            ]
            await self._connection.execute(sa.insert(incident_lines), rows)

    async def announce(self, events: Sequence[CloudEvent]) -> None:
        """See `ports.Recording`."""
        await insert(self._connection, outbox, [_entry(event) for event in events])
        self.has_announced = True

    async def afflict(self, process_ids: Collection[str], *, yes: bool) -> None:
        """See `ports.Recording`."""
        changed = sorted(set(process_ids) - self.afflicted if yes else set(process_ids) & self.afflicted)
        if changed:
            chosen = sa.update(processes).where(processes.c.process_id.in_(changed))
            await self._connection.execute(chosen.values(afflicted=yes))
            self.afflicted = self.afflicted.union(changed) if yes else self.afflicted.difference(changed)

    async def process_ids(self, incident_id: str, limit: int) -> list[str]:
        """See `ports.Recording`."""
        mine = sa.select(incident_keys.c.process_id).where(incident_keys.c.incident_id == incident_id)
        found = mine.group_by(incident_keys.c.process_id).order_by(
            sa.func.max(incident_keys.c.last_seen_at).desc(), incident_keys.c.process_id
        )
        return list(await self._connection.scalars(found.limit(limit)))

    async def notes(self, process_ids: Collection[str]) -> list[ProcessNote]:
        """See `ports.Recording`."""
        found = await self._connection.execute(sa.select(processes).where(processes.c.process_id.in_(process_ids)))
        return [note_of(row) for row in found.mappings()]

    async def incident_told(self, incident_ids: Collection[str]) -> dict[tuple[str, str], list[tuple[str, datetime]]]:
        """See `ports.Recording`."""
        query = sa.select(
            deliveries.c.incident_id, deliveries.c.channel_id, deliveries.c.delivery_id, deliveries.c.created_at
        ).where(deliveries.c.incident_id.in_(incident_ids))
        told: dict[tuple[str, str], list[tuple[str, datetime]]] = {}
        for incident_id, channel_id, delivery_id, at in await self._connection.execute(query):
            told.setdefault((incident_id, channel_id), []).append((delivery_id, at))
        return told

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _standing(self, slots: Collection[Slot]) -> list[str]:
        """The incidents these slots stand in. A process that stands in none any more is noted as healthy."""
        if not slots:
            return []
        process_ids = {process_id for process_id, _ in slots}
        query = sa.select(incident_keys.c.process_id, incident_keys.c.key, incident_keys.c.incident_id).where(
            incident_keys.c.cleared_at.is_(None),
            incident_keys.c.process_id.in_(process_ids),
            incident_keys.c.key.in_({key for _, key in slots}),
        )
        found = (await self._connection.execute(query)).all()
        quiet = process_ids - {process_id for process_id, _, _ in found}
        if quiet:
            mine = sa.select(1).where(
                incident_keys.c.process_id == processes.c.process_id, incident_keys.c.cleared_at.is_(None)
            )
            healthy = sa.select(processes.c.process_id).where(processes.c.process_id.in_(quiet), ~mine.exists())
            await self.afflict(list(await self._connection.scalars(healthy)), yes=False)
        return [incident_id for process_id, key, incident_id in found if (process_id, key) in slots]

    async def _locked(self, which: sa.ColumnElement[bool]) -> list[Incident]:
        query = sa.select(incidents).where(incidents.c.resolved_at.is_(None), which)
        found = await self._connection.execute(query.order_by(incidents.c.cause).with_for_update())
        return [incident_of(row) for row in found.mappings()]

    async def _resolved(self, cause: str, outcome: Outcome) -> Incident | None:
        """The incident that the cause opens again; open by now, if another replica was quicker."""
        query = sa.select(incidents).where(incidents.c.cause == cause, incidents.c.resolved_at.is_not(None))
        newest = query.order_by(incidents.c.resolved_at.desc()).limit(1).with_for_update()
        row = (await self._connection.execute(newest)).mappings().one_or_none()
        return incident_of(row) if row is not None and may_reopen(row["resolved_at"], outcome) else None

    async def _begun(self, seed: Incident) -> Incident:
        """The first of its cause, or the one another replica has begun meanwhile."""
        values = {name: getattr(seed, name) for name in _COLUMNS}
        begun = insert_into(self._connection, incidents).values(values).on_conflict_do_nothing()
        made = await self._connection.execute(begun.returning(incidents.c.incident_id))
        if made.one_or_none() is not None:
            return seed
        theirs = await self._locked(incidents.c.cause == seed.cause)
        return theirs[0] if theirs else await self._begun(seed)

    async def _load(self, held: Sequence[Incident], slots: Collection[Slot]) -> None:
        """Read the slots only now: nobody changes them while their incident is locked."""
        by_id = {incident.incident_id: incident for incident in held}
        if not by_id:
            return
        query = sa.select(incident_keys).where(
            incident_keys.c.incident_id.in_(by_id),
            incident_keys.c.process_id.in_({process_id for process_id, _ in slots}),
            incident_keys.c.key.in_({key for _, key in slots}),
        )
        for row in (await self._connection.execute(query)).mappings():
            slot = (row["process_id"], row["key"])
            if slot in slots:
                by_id[row["incident_id"]].affected[slot] = affected_of(row)


def incident_of(row: Mapping[Any, Any]) -> Incident:
    return Incident(**{name: row[name] for name in _COLUMNS})


def affected_of(row: Mapping[Any, Any]) -> Affected:
    return Affected(**{name: row[name] for name in Affected.__slots__})


def _affected_row(affected: Affected) -> dict[str, Any]:
    return {name: getattr(affected, name) for name in Affected.__slots__}


def _open(process_id: str | None, unseen_since: datetime | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [incident_keys.c.cleared_at.is_(None)]
    if process_id is not None:
        conditions.append(incident_keys.c.process_id == process_id)
    if unseen_since is not None:
        conditions.append(incident_keys.c.last_seen_at < unseen_since)
    return conditions


def _entry(event: CloudEvent) -> tuple[Destination, Message]:
    """Addressed by its incident."""
    body = event.model_dump_json(exclude_none=True).encode()
    return Destination(topic=routing_key(event.name, event.subject or "")), Message(body, event.id, CONTENT_TYPE)
