"""The side of the SQL store that takes events: one transaction over some processes."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.clock import Clock

from steptrail_notifier.adapters.casework import SqlCasework
from steptrail_notifier.adapters.connection import insert_into, now_of
from steptrail_notifier.adapters.rows import delivery_row, note_of, note_row, outcome_of, outcome_row, rule_of
from steptrail_notifier.adapters.schema import channels, deliveries, outcomes, processes, rules
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.rules import Rule
from steptrail_notifier.ports import NewDelivery, ProcessNote

EACH_SIDE = 150
"""Outcomes looked at before and after one: more than the longest streak a rule can ask for (100)."""
_BEFORE_EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)


class SqlRecording(SqlCasework):
    """See `ports.Recording`. Process rows are locked in the order of their ids, so replicas cannot deadlock."""

    def __init__(self, connection: AsyncConnection, clock: Clock | None) -> None:
        self._connection = connection
        self._clock = clock
        self.processes: dict[str, ProcessNote] = {}
        self.rules: Sequence[Rule] = ()
        self.channels: Mapping[str, bool] = {}
        self.afflicted: set[str] = set()

    async def load(self, process_ids: Collection[str]) -> None:
        """Lock the processes, making those that are new; read rules and channels."""
        if process_ids:
            await self._lock(process_ids)
        active = await self._connection.execute(sa.select(rules).where(rules.c.active).order_by(rules.c.rule_id))
        self.rules = [rule_of(row) for row in active.mappings()]
        known = await self._connection.execute(sa.select(channels.c.channel_id, channels.c.active))
        self.channels = {channel_id: is_active for channel_id, is_active in known}

    async def _lock(self, process_ids: Collection[str]) -> None:
        empty = [note_row(ProcessNote(process_id, _BEFORE_EVERYTHING)) for process_id in sorted(process_ids)]
        await self._connection.execute(insert_into(self._connection, processes).on_conflict_do_nothing(), empty)
        wanted = sa.select(processes).where(processes.c.process_id.in_(sorted(process_ids)))
        locked = await self._connection.execute(wanted.order_by(processes.c.process_id).with_for_update())
        for row in locked.mappings():
            self.processes[row["process_id"]] = note_of(row)
            if row["afflicted"]:
                self.afflicted.add(row["process_id"])

    async def define(self, note: ProcessNote) -> None:
        """See `ports.Recording`."""
        self.processes[note.process_id] = note
        row = note_row(note)
        await self._connection.execute(
            sa.update(processes).where(processes.c.process_id == note.process_id).values(row)
        )

    async def add(self, found: Mapping[Outcome, Mapping[str, Any]]) -> list[Outcome]:
        """See `ports.Recording`."""
        if not found:
            return []
        insert = insert_into(self._connection, outcomes).on_conflict_do_nothing().returning(outcomes.c.run_id)
        values = [outcome_row(outcome, found[outcome]) for outcome in sorted(found)]
        kept = set(await self._connection.scalars(insert, values))
        return [outcome for outcome in sorted(found) if outcome.run_id in kept]

    async def ended_since(self, process_id: str, at: datetime) -> list[Outcome]:
        """See `ports.Recording`."""
        late = sa.select(outcomes).where(outcomes.c.process_id == process_id, outcomes.c.ended_at >= at)
        rows = await self._connection.execute(late)
        return sorted(outcome_of(row) for row in rows.mappings())

    async def series(self, outcome: Outcome) -> list[Outcome]:
        """See `ports.Recording`."""
        same = sa.select(outcomes).where(
            outcomes.c.process_id == outcome.process_id,
            outcomes.c.key.is_(None) if outcome.key is None else outcomes.c.key == outcome.key,
        )
        place = sa.tuple_(outcomes.c.ended_at, outcomes.c.run_id)
        here = sa.tuple_(sa.literal(outcome.ended_at, outcomes.c.ended_at.type), sa.literal(outcome.run_id))
        newest = (outcomes.c.ended_at.desc(), outcomes.c.run_id.desc())
        before = same.where(place <= here).order_by(*newest).limit(EACH_SIDE)
        after = same.where(place > here).order_by(outcomes.c.ended_at, outcomes.c.run_id).limit(EACH_SIDE)
        rows = [
            *(await self._connection.execute(before)).mappings(),
            *(await self._connection.execute(after)).mappings(),
        ]
        return sorted(outcome_of(row) for row in rows)

    async def later(self, outcome: Outcome) -> list[tuple[Outcome, Mapping[str, Any]]]:
        """See `ports.Recording`."""
        here = sa.tuple_(sa.literal(outcome.ended_at, outcomes.c.ended_at.type), sa.literal(outcome.run_id))
        newer = sa.select(outcomes).where(
            outcomes.c.process_id == outcome.process_id,
            outcomes.c.key.is_(None) if outcome.key is None else outcomes.c.key == outcome.key,
            sa.tuple_(outcomes.c.ended_at, outcomes.c.run_id) > here,
        )
        rows = await self._connection.execute(newer.order_by(outcomes.c.ended_at, outcomes.c.run_id).limit(EACH_SIDE))
        return [(outcome_of(row), json.loads(row["event"] or "{}")) for row in rows.mappings()]

    async def told(self, rule_id: str, run_ids: Collection[str]) -> set[tuple[str, str]]:
        """See `ports.Recording`."""
        of_rule = sa.select(deliveries.c.run_id, deliveries.c.moment).where(
            deliveries.c.rule_id == rule_id, deliveries.c.run_id.in_(run_ids)
        )
        return {(run_id, moment) for run_id, moment in await self._connection.execute(of_rule)}

    async def event(self, run_id: str) -> Mapping[str, Any]:
        """See `ports.Recording`."""
        text = await self._connection.scalar(sa.select(outcomes.c.event).where(outcomes.c.run_id == run_id))
        event: Mapping[str, Any] = json.loads(text or "{}")
        return event

    async def queue(self, delivery: NewDelivery) -> bool:
        """See `ports.Recording`."""
        row = delivery_row(delivery, await now_of(self._connection, self._clock))
        insert = insert_into(self._connection, deliveries).values(row)
        made = await self._connection.execute(insert.on_conflict_do_nothing().returning(deliveries.c.delivery_id))
        return made.one_or_none() is not None
