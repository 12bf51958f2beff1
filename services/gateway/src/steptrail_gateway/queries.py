"""The read side: lists of our own, and the list of processes joined with what reporting says of their runs.

Each list signs its cursors with a key of its own: a cursor of another list is refused.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter
from steptrail_common.contracts.catalog import ProcessSummary
from steptrail_common.contracts.gateway import AuditEntry, Overview, ProcessRow, TokenView, UserView
from steptrail_common.contracts.model import Page, RunStatus
from steptrail_common.contracts.reporting import OverviewStates, ProcessState
from steptrail_common.contracts.schedules import NextRun
from steptrail_common.errors import NotFound, Unavailable
from steptrail_common.web import ACTOR_HEADER, ROLE_HEADER, decode_cursor, encode_cursor

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller, token_view, user_view
from steptrail_gateway.ports import AuditLog, Clients, CredentialStore, Downstream, UserStore

_STATES: Final = TypeAdapter(list[ProcessState])
_NEXT_RUNS: Final = TypeAdapter(list[NextRun])
MAX_PAGES_SCANNED: Final = 30
"""Of the catalog per request, when a filter on status finds nothing on a page."""


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


@dataclass(frozen=True, slots=True)
class ProcessFilter:
    """The filters of `GET /processes`; all but `statuses` are the catalog's."""

    q: str | None
    category: str | None
    tags: tuple[str, ...]
    owner: str | None
    active: bool | None
    ids: tuple[str, ...]
    statuses: frozenset[RunStatus]
    limit: int
    cursor: str | None

    def catalog_params(self, cursor: str | None) -> dict[str, Any]:
        params = {
            "q": self.q,
            "category": self.category,
            "tag": list(self.tags),
            "owner": self.owner,
            "active": None if self.active is None else str(self.active).lower(),
            "ids": list(self.ids),
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
        next_runs = await _next_runs(page.items, clients.orchestrator, headers)
        rows = [
            _row(summary, states.get(summary.process_id), next_runs.get(summary.process_id)) for summary in page.items
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
        next_runs = await _next_runs(list(known.values()), clients.orchestrator, headers)
        rows = [
            _row(known[state.process_id], state, next_runs.get(state.process_id))
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


async def _next_runs(
    summaries: list[ProcessSummary], orchestrator: Downstream, headers: dict[str, str]
) -> dict[str, datetime]:
    """When schedules next start them; without the orchestrator the list still answers, without these."""
    if not summaries:
        return {}
    params = {"process_id": [segment(summary.process_id) for summary in summaries]}
    try:
        answer = await orchestrator.request("GET", "/schedules/next", params=params, headers=headers)
    except Unavailable:
        return {}
    return {one.process_id: one.next_run_at for one in _NEXT_RUNS.validate_json(answer.content)}


def _row(summary: ProcessSummary, state: ProcessState | None, next_run_at: datetime | None) -> ProcessRow:
    known = state or ProcessState(
        process_id=summary.process_id,
        last_run_id=None,
        last_status=None,
        last_key=None,
        last_verdict=None,
        last_run_at=None,
        since=None,
    )
    return ProcessRow(**summary.model_dump(), state=known, next_run_at=next_run_at)
