"""Incidents: what is wrong now, one entry per root cause; taking one in hand, and saying that it is over."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from steptrail_common.contracts.incidents import (
    AffectedKey,
    IncidentNote,
    IncidentPage,
    IncidentState,
    IncidentView,
)
from steptrail_common.contracts.model import Page

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.forward import Cursor, Limit, SentQuery, as_json, forward, problems
from steptrail_gateway.handlers.relay import Forwarded

router = APIRouter(tags=["incidents"])
Reader = Annotated[Caller, may("incidents.read")]
Handler = Annotated[Caller, may("incidents.handle")]


@router.get("/incidents", response_model=IncidentPage, responses=problems())
async def list_incidents(
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    state: Annotated[list[IncidentState] | None, Query(description="Repeatable")] = None,
    process_id: Annotated[str | None, Query(description="Only those it stands or stood in")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Incidents that wait for somebody first, then those in hand, then the resolved; the worst and newest of each."""
    forwarded = Forwarded("GET", "/incidents", params=query)
    return await forward(gateway, caller, "incidents.read", gateway.clients.notifier, forwarded)


@router.get("/incidents/{incident_id}", response_model=IncidentView, responses=problems(404))
async def read_incident(incident_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """One incident with first aid and timeline."""
    forwarded = Forwarded("GET", f"/incidents/{segment(incident_id)}")
    return await forward(gateway, caller, "incidents.read", gateway.clients.notifier, forwarded)


@router.get("/incidents/{incident_id}/keys", response_model=Page[AffectedKey], responses=problems(404))
async def list_incident_keys(
    incident_id: str,
    query: SentQuery,
    gateway: GatewayDep,
    caller: Reader,
    is_open: Annotated[bool, Query(alias="open", description="Only those that have not passed since")] = False,
    process_id: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The processes and keys it stops or stopped, each with its runs."""
    forwarded = Forwarded("GET", f"/incidents/{segment(incident_id)}/keys", params=query)
    return await forward(gateway, caller, "incidents.read", gateway.clients.notifier, forwarded)


@router.post("/incidents/{incident_id}/acknowledge", response_model=IncidentView, responses=problems(404, 409))
async def acknowledge_incident(incident_id: str, gateway: GatewayDep, caller: Handler, body: IncidentNote) -> Response:
    """Take it in hand: nobody is reminded of it any more. Said again, the newer word stands."""
    return await _deed(incident_id, "acknowledge", gateway, caller, body)


@router.post("/incidents/{incident_id}/unacknowledge", response_model=IncidentView, responses=problems(404, 409))
async def unacknowledge_incident(
    incident_id: str, gateway: GatewayDep, caller: Handler, body: IncidentNote
) -> Response:
    """Give it back: it waits for somebody again."""
    return await _deed(incident_id, "unacknowledge", gateway, caller, body)


@router.post("/incidents/{incident_id}/resolve", response_model=IncidentView, responses=problems(404, 409))
async def resolve_incident(incident_id: str, gateway: GatewayDep, caller: Handler, body: IncidentNote) -> Response:
    """Say that it is over, though some keys have not passed since. A newer run that fails opens it again."""
    return await _deed(incident_id, "resolve", gateway, caller, body)


async def _deed(incident_id: str, deed: str, gateway: GatewayDep, caller: Caller, said: IncidentNote) -> Response:
    forwarded = Forwarded(
        "POST",
        f"/incidents/{segment(incident_id)}/{deed}",
        json=as_json(said),
        action=f"incident.{deed}",
        object=incident_id,
    )
    return await forward(gateway, caller, "incidents.handle", gateway.clients.notifier, forwarded)
