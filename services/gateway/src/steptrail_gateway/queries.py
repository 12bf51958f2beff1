"""The read side: lists of our own, and the list of processes joined with what reporting says of their runs.

Each list signs its cursors with a key of its own: a cursor of another list is refused.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter
from steptrail_common.contracts.catalog import ProcessSummary
from steptrail_common.contracts.gateway import AuditEntry, Overview, ProcessRow, TokenView, UserView
from steptrail_common.contracts.incidents import IncidentRef
from steptrail_common.contracts.model import Page, RunStatus
from steptrail_common.contracts.orchestrator import SlowFrom
from steptrail_common.contracts.reporting import OverviewStates, ProcessState
from steptrail_common.contracts.schedules import NextRun
from steptrail_common.errors import NotFound, Unavailable
from steptrail_common.web import ACTOR_HEADER, ROLE_HEADER, decode_cursor, encode_cursor

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller, token_view, user_view
from steptrail_gateway.ports import AuditLog, Clients, CredentialStore, Downstream, UserStore

_STATES: Final = TypeAdapter(list[ProcessState])
_NEXT_RUNS: Final = TypeAdapter(list[NextRun])
_INCIDENTS: Final = TypeAdapter(list[IncidentRef])
_SLOW: Final = TypeAdapter(list[SlowFrom])
MAX_PAGES_SCANNED: Final = 30
"""Of the catalog per request, when a filter on status finds nothing on a page."""


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What is to come of a process: its next run by schedule, and from when on one under way is slow."""

    next_run_at: datetime | None = None
    slow_at: datetime | None = None


async def users(caller: Caller, limit: int, cursor: str | None, *, users: UserStore, key: bytes) -> Page[UserView]:
    """Every account, in order of username."""
    caller.require("users.manage")
    after = decode_cursor(cursor, key + b"users")["username"] if cursor else None
    found = await users.list(after=after, limit=limit + 1)
    more = encode_cursor({"username": found[limit - 1].username}, key + b"users") if len(found) > limit else None
    return Page(items=[user_view(user) for user in found[:limit]], next_cursor=more)


async def user(caller: Caller, user_id: str, *, users: UserStore) -> UserView:
    caller.require("users.manage")
    found = await users.by_id(user_id)
    if found is None:
        raise NotFound("There is no user with this id.")
    return user_view(found)


async def tokens(
    caller: Caller, limit: int, cursor: str | None, *, credentials: CredentialStore, key: bytes
) -> Page[TokenView]:
    """The caller's own tokens."""
    caller.require("tokens.own")
    after = decode_cursor(cursor, key + b"tokens")["token_id"] if cursor else None
    found = await credentials.tokens(caller.user_id, after=after, limit=limit + 1)
    more = encode_cursor({"token_id": found[limit - 1].token_id}, key + b"tokens") if len(found) > limit else None
    return Page(items=[token_view(token) for token in found[:limit]], next_cursor=more)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    actor: str | None
    action: str | None
    since: datetime | None
    until: datetime | None
    limit: int
    cursor: str | None


async def audit(caller: Caller, wanted: AuditFilter, *, log: AuditLog, key: bytes) -> Page[AuditEntry]:
    """The audit log, newest first."""
    caller.require("audit.read")
    before = decode_cursor(wanted.cursor, key + b"audit")["number"] if wanted.cursor else None
    found = await log.list(
        before=before,
        limit=wanted.limit + 1,
        actor=wanted.actor,
        action=wanted.action,
        since=wanted.since,
        until=wanted.until,
    )
    page = list(found[: wanted.limit])
    more = encode_cursor({"number": page[-1].number}, key + b"audit") if len(found) > wanted.limit else None
    return Page(items=page, next_cursor=more)


def _word(value: bool | None) -> str | None:
    """A condition as it stands in an address."""
    return None if value is None else str(value).lower()


@dataclass(frozen=True, slots=True)
class ProcessFilter:
    """The filters of `GET /processes`; all but `statuses` are the catalog's."""

    q: str | None
    category: str | None
    tags: tuple[str, ...]
    owner: str | None
    active: bool | None
    board: bool | None
    ids: tuple[str, ...]
    connection_id: str | None
    statuses: frozenset[RunStatus]
    limit: int
    cursor: str | None

    def catalog_params(self, cursor: str | None) -> dict[str, Any]:
        params = {
            "q": self.q,
            "category": self.category,
            "tag": list(self.tags),
            "owner": self.owner,
            "active": _word(self.active),
            "board": _word(self.board),
            "ids": list(self.ids),
            "connection_id": self.connection_id,
            "limit": self.limit,
            "cursor": cursor,
        }
        return {name: value for name, value in params.items() if value not in (None, [])}


async def process_rows(caller: Caller, wanted: ProcessFilter, *, clients: Clients) -> Page[ProcessRow]:
    """A page of the catalog, each row with its state from reporting.

    The filter on status is applied to whole pages of the catalog, so a page can be shorter than `limit`; it is empty
    only at the end, or after `MAX_PAGES_SCANNED` pages without a match (then `next_cursor` goes on). Without
    reporting the list still answers, with empty states, unless the filter on status needs them.
    """
    caller.require("processes.read")
    headers = {ACTOR_HEADER: caller.username, ROLE_HEADER: caller.role}
    cursor = wanted.cursor
    for _ in range(MAX_PAGES_SCANNED):
        params = wanted.catalog_params(cursor)
        answer = await clients.catalog.request("GET", "/processes", params=params, headers=headers)
        page = Page[ProcessSummary].model_validate_json(answer.content)
        states = await _states(page.items, clients.reporting, headers, needed=bool(wanted.statuses))
        ids = [summary.process_id for summary in page.items]
        ahead, wrong = await _beside(states, ids, clients, headers)
        rows = [
            _row(one, states.get(one.process_id), ahead.get(one.process_id), wrong.get(one.process_id))
            for one in page.items
        ]
        cursor = page.next_cursor
        if wanted.statuses:
            rows = [row for row in rows if row.state.last_status in wanted.statuses]
        if rows or cursor is None:
            break
    return Page(items=rows, next_cursor=cursor)


async def overview(caller: Caller, limit: int, cursor: str | None, *, clients: Clients) -> Overview:
    """The active processes, those that need a person first. Order, counts and states are reporting's, the rest the
    catalog's; a process that the catalog has just deleted is left out."""
    caller.require("processes.read")
    headers = {ACTOR_HEADER: caller.username, ROLE_HEADER: caller.role}
    params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
    answer = await clients.reporting.request("GET", "/processes/overview", params=params, headers=headers)
    standing = OverviewStates.model_validate_json(answer.content)
    rows: list[ProcessRow] = []
    if standing.items:
        wanted = {"ids": [state.process_id for state in standing.items], "limit": len(standing.items)}
        found = await clients.catalog.request("GET", "/processes", params=wanted, headers=headers)
        known = {one.process_id: one for one in Page[ProcessSummary].model_validate_json(found.content).items}
        states = {state.process_id: state for state in standing.items}
        ahead, wrong = await _beside(states, list(known), clients, headers)
        rows = [
            _row(known[state.process_id], state, ahead.get(state.process_id), wrong.get(state.process_id))
            for state in standing.items
            if state.process_id in known
        ]
    return Overview(**standing.model_dump(exclude={"items"}), items=rows)


async def _states(
    summaries: list[ProcessSummary], reporting: Downstream, headers: dict[str, str], *, needed: bool
) -> dict[str, ProcessState]:
    if not summaries:
        return {}
    params = {"ids": [segment(summary.process_id) for summary in summaries]}
    try:
        answer = await reporting.request("GET", "/processes/states", params=params, headers=headers)
    except Unavailable:
        if needed:
            raise
        return {}
    return {state.process_id: state for state in _STATES.validate_json(answer.content)}


async def _beside(
    states: Mapping[str, ProcessState], process_ids: Sequence[str], clients: Clients, headers: dict[str, str]
) -> tuple[dict[str, _Ahead], dict[str, IncidentRef]]:
    """What is to come of these processes and the open incidents they stand in, asked for at the same time."""
    return await asyncio.gather(
        _ahead(states, process_ids, clients.orchestrator, headers), _wrong(process_ids, clients.notifier, headers)
    )


async def _wrong(process_ids: Sequence[str], notifier: Downstream, headers: dict[str, str]) -> dict[str, IncidentRef]:
    """The open incident each stands in; a notifier that is away, or older than this program, takes only these along."""
    if not process_ids:
        return {}
    try:
        found = _INCIDENTS.validate_json(await _of(process_ids, "/incidents/of-processes", notifier, headers))
    except (NotFound, Unavailable):
        return {}
    return {one.process_id: one for one in found}


async def _ahead(
    states: Mapping[str, ProcessState], process_ids: Sequence[str], orchestrator: Downstream, headers: dict[str, str]
) -> dict[str, _Ahead]:
    """What is to come of these processes; without the orchestrator the list still answers, without it."""
    if not process_ids:
        return {}
    busy = [one for one in process_ids if one in states and states[one].running]
    try:
        next_runs = _NEXT_RUNS.validate_json(await _of(process_ids, "/schedules/next", orchestrator, headers))
        slow = _SLOW.validate_json(await _of(busy, "/slow", orchestrator, headers)) if busy else []
    except Unavailable:
        return {}
    due, late = {one.process_id: one.next_run_at for one in next_runs}, {one.process_id: one.slow_at for one in slow}
    return {process_id: _Ahead(due.get(process_id), late.get(process_id)) for process_id in process_ids}


async def _of(process_ids: Sequence[str], path: str, service: Downstream, headers: dict[str, str]) -> bytes:
    params = {"process_id": [segment(process_id) for process_id in process_ids]}
    return (await service.request("GET", path, params=params, headers=headers)).content


def _row(
    summary: ProcessSummary, state: ProcessState | None, ahead: _Ahead | None, incident: IncidentRef | None
) -> ProcessRow:
    known = state or ProcessState(
        process_id=summary.process_id,
        last_run_id=None,
        last_status=None,
        last_key=None,
        last_verdict=None,
        last_run_at=None,
        since=None,
    )
    return ProcessRow(**summary.model_dump(), state=known, incident=incident, **asdict(ahead or _Ahead()))
