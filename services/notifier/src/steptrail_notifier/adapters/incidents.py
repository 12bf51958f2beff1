"""The side of the SQL store that shows incidents."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.contracts.incidents import (
    LISTED_PROCESSES,
    AffectedKey,
    AffectedProcess,
    IncidentLine,
    IncidentRef,
    IncidentSummary,
    IncidentView,
)
from steptrail_common.database import reading
from steptrail_common.errors import NotFound

from steptrail_notifier.adapters.administration import SqlAdministration
from steptrail_notifier.adapters.schema import incident_keys, incident_lines, incidents
from steptrail_notifier.domain.incidents import Slot
from steptrail_notifier.ports import IncidentFilter, IncidentPlace

TIMELINE_LINES = 100
_GROUP: sa.ColumnElement[int] = sa.case(
    (incidents.c.resolved_at.is_not(None), 2), (incidents.c.acknowledged_at.is_not(None), 1), else_=0
).label("group")
_STATES = ("open", "acknowledged", "resolved")
_SEVERITY: sa.ColumnElement[int] = sa.case(
    (incidents.c.resolved_at.is_not(None), 0), (incidents.c.status == "error", 1), else_=0
).label("severity")  # fmt: skip
"""What is wrong with the thing checked stands before what we could not check."""
_MOMENT = sa.func.coalesce(incidents.c.resolved_at, incidents.c.opened_at, type_=incidents.c.opened_at.type)
_OPEN = sa.func.sum(sa.case((incident_keys.c.cleared_at.is_(None), 1), else_=0))
_KEPT_AS_THEY_ARE = set(IncidentSummary.model_fields) - {"state", "processes", "process_count"}


class SqlIncidents(SqlAdministration):
    """See `ports.NotifierStore`."""

    async def incidents(
        self, wanted: IncidentFilter, *, after: IncidentPlace | None, limit: int
    ) -> list[tuple[IncidentPlace, IncidentSummary]]:
        """See `ports.NotifierStore`."""
        query = sa.select(incidents, _GROUP, _SEVERITY, _MOMENT.label("moment")).where(*_conditions(wanted))
        if after is not None:
            query = query.where(_behind(after))
        query = query.order_by(_GROUP, _SEVERITY, _MOMENT.desc(), incidents.c.incident_id.desc()).limit(limit)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).mappings().all()
            stopped = await _processes(connection, [row["incident_id"] for row in rows])
        return [(_place(row), _summary(row, stopped.get(row["incident_id"], []))) for row in rows]

    async def incident_counts(self) -> tuple[int, int]:
        """See `ports.NotifierStore`."""
        query = sa.select(_GROUP, sa.func.count()).where(incidents.c.resolved_at.is_(None)).group_by(_GROUP)
        async with reading(self._engine) as connection:
            found = {group: count for group, count in await connection.execute(query)}
        return found.get(0, 0), found.get(1, 0)

    async def incident(self, incident_id: str) -> IncidentView:
        """See `ports.NotifierStore`."""
        lines = sa.select(incident_lines).where(incident_lines.c.incident_id == incident_id)
        async with reading(self._engine) as connection:
            row = await _row(connection, incident_id)
            stopped = await _processes(connection, [incident_id])
            newest = lines.order_by(incident_lines.c.number.desc()).limit(TIMELINE_LINES)
            told = (await connection.execute(newest)).mappings().all()
        summary = _summary(row, stopped.get(incident_id, []))
        timeline = [IncidentLine(**{name: line[name] for name in IncidentLine.model_fields}) for line in told]
        return IncidentView(**dict(summary), first_aid=row["first_aid"], timeline=timeline)

    async def incident_keys(
        self, incident_id: str, *, open_only: bool, process_id: str | None, after: Slot | None, limit: int
    ) -> list[AffectedKey]:
        """See `ports.NotifierStore`."""
        query = sa.select(incident_keys).where(incident_keys.c.incident_id == incident_id)
        if open_only:
            query = query.where(incident_keys.c.cleared_at.is_(None))
        if process_id is not None:
            query = query.where(incident_keys.c.process_id == process_id)
        if after is not None:
            place = sa.tuple_(incident_keys.c.process_id, incident_keys.c.key)
            query = query.where(place > sa.tuple_(*map(sa.literal, after)))
        async with reading(self._engine) as connection:
            await _row(connection, incident_id)
            ordered = query.order_by(incident_keys.c.process_id, incident_keys.c.key).limit(limit)
            rows = (await connection.execute(ordered)).mappings().all()
        return [
            AffectedKey(**{name: row[name] for name in AffectedKey.model_fields} | {"key": row["key"] or None})
            for row in rows
        ]

    async def incidents_of(self, process_ids: Collection[str]) -> list[IncidentRef]:
        """See `ports.NotifierStore`."""
        standing = sa.and_(incident_keys.c.process_id.in_(process_ids), incident_keys.c.cleared_at.is_(None))
        query = (
            sa.select(incident_keys.c.process_id, incidents.c.incident_id, incidents.c.title, _GROUP)
            .join(incidents, incidents.c.incident_id == incident_keys.c.incident_id)
            .where(standing)
            .distinct()
            .order_by(_GROUP, _SEVERITY, incidents.c.opened_at.desc(), incidents.c.incident_id)
            .add_columns(_SEVERITY, incidents.c.opened_at)
        )
        found: dict[str, IncidentRef] = {}
        async with reading(self._engine) as connection:
            for row in (await connection.execute(query)).mappings():
                found.setdefault(
                    row["process_id"],
                    IncidentRef(
                        process_id=row["process_id"],
                        incident_id=row["incident_id"],
                        state=_STATES[row["group"]],
                        title=row["title"],
                    ),
                )
        return list(found.values())


def _conditions(wanted: IncidentFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.states:
        is_open, in_hand = incidents.c.resolved_at.is_(None), incidents.c.acknowledged_at.is_not(None)
        each = {"open": is_open & ~in_hand, "acknowledged": is_open & in_hand, "resolved": ~is_open}
        conditions.append(sa.or_(*(each[state] for state in sorted(wanted.states))))
    if wanted.process_id is not None:
        mine = sa.select(incident_keys.c.incident_id).where(incident_keys.c.process_id == wanted.process_id)
        conditions.append(incidents.c.incident_id.in_(mine))
    return conditions


def _behind(place: IncidentPlace) -> sa.ColumnElement[bool]:
    """What comes after a place of the list: groups and severities rise, moments and ids fall."""
    group, severity, moment, incident_id = place
    rank = sa.tuple_(_GROUP, _SEVERITY)
    here = sa.tuple_(sa.literal(group), sa.literal(severity))
    older = sa.tuple_(_MOMENT, incidents.c.incident_id) < sa.tuple_(
        sa.literal(moment, incidents.c.opened_at.type), sa.literal(incident_id)
    )
    return sa.or_(rank > here, sa.and_(rank >= here, older))


def _place(row: Mapping[Any, Any]) -> IncidentPlace:
    return row["group"], row["severity"], row["moment"], row["incident_id"]


def _summary(row: Mapping[Any, Any], stopped: Sequence[AffectedProcess]) -> IncidentSummary:
    state = "resolved" if row["resolved_at"] else "acknowledged" if row["acknowledged_at"] else "open"
    return IncidentSummary.model_validate(
        {name: row[name] for name in _KEPT_AS_THEY_ARE}
        | {"state": state, "processes": list(stopped[:LISTED_PROCESSES]), "process_count": len(stopped)}
    )


async def _row(connection: AsyncConnection, incident_id: str) -> Mapping[Any, Any]:
    query = sa.select(incidents).where(incidents.c.incident_id == incident_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no incident {incident_id}")
    return row


async def _processes(connection: AsyncConnection, incident_ids: Collection[str]) -> dict[str, list[AffectedProcess]]:
    """The processes each incident stops or stopped, those with most open keys first."""
    if not incident_ids:
        return {}
    names = (incident_keys.c.incident_id, incident_keys.c.process_id)
    query = (
        sa.select(*names, sa.func.max(incident_keys.c.process_name), sa.func.count(), _OPEN)
        .where(incident_keys.c.incident_id.in_(incident_ids))
        .group_by(*names)
        .order_by(_OPEN.desc(), incident_keys.c.process_id)
    )
    found: dict[str, list[AffectedProcess]] = {}
    for incident_id, process_id, name, keys, keys_open in await connection.execute(query):
        one = AffectedProcess(process_id=process_id, process_name=name, keys=keys, keys_open=keys_open)
        found.setdefault(incident_id, []).append(one)
    return found
