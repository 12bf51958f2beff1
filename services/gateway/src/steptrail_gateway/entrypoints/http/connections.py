"""Connections: named targets with their credentials. Secrets go in, never out."""

from typing import Annotated

from fastapi import APIRouter, Response
from steptrail_common.contracts.catalog import ConnectionTest, ConnectionView, ConnectionWrite
from steptrail_common.contracts.model import Page

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.forward import (
    Cursor,
    IfMatch,
    Limit,
    SentQuery,
    as_json,
    conditions,
    forward,
    problems,
)
from steptrail_gateway.handlers.relay import Forwarded

router = APIRouter(tags=["connections"])
Reader = Annotated[Caller, may("connections.read")]
Writer = Annotated[Caller, may("connections.write")]


@router.get("/connections", response_model=Page[ConnectionView], responses=problems())
async def list_connections(
    query: SentQuery, gateway: GatewayDep, caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Connections in order of id; of their secrets only whether they are set."""
    forwarded = Forwarded("GET", "/connections", params=query)
    return await forward(gateway, caller, "connections.read", gateway.clients.catalog, forwarded)


@router.post("/connections", status_code=201, response_model=ConnectionView, responses=problems(409))
async def create_connection(gateway: GatewayDep, caller: Writer, body: ConnectionWrite) -> Response:
    """Make a connection. Its secrets are sealed at once and never shown again."""
    forwarded = Forwarded(
        "POST", "/connections", json=as_json(body), action="connection.create", object=body.connection_id
    )
    return await forward(gateway, caller, "connections.write", gateway.clients.catalog, forwarded)


@router.get("/connections/{connection_id}", response_model=ConnectionView, responses=problems(404))
async def read_connection(connection_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """One connection."""
    forwarded = Forwarded("GET", f"/connections/{segment(connection_id)}")
    return await forward(gateway, caller, "connections.read", gateway.clients.catalog, forwarded)


@router.put("/connections/{connection_id}", response_model=ConnectionView, responses=problems(404, 409, 412))
async def save_connection(
    connection_id: str, gateway: GatewayDep, caller: Writer, body: ConnectionWrite, if_match: IfMatch = None
) -> Response:
    """Change a connection. When its host changes, its secrets must be given again."""
    forwarded = Forwarded(
        "PUT",
        f"/connections/{segment(connection_id)}",
        json=as_json(body),
        headers=conditions(if_match=if_match),
        action="connection.save",
        object=connection_id,
    )
    return await forward(gateway, caller, "connections.write", gateway.clients.catalog, forwarded)


@router.delete("/connections/{connection_id}", status_code=204, responses=problems(404, 409))
async def delete_connection(connection_id: str, gateway: GatewayDep, caller: Writer) -> Response:
    """Delete a connection and its secrets."""
    forwarded = Forwarded(
        "DELETE", f"/connections/{segment(connection_id)}", action="connection.delete", object=connection_id
    )
    return await forward(gateway, caller, "connections.write", gateway.clients.catalog, forwarded)


@router.post("/connections/{connection_id}/rights/accept", response_model=ConnectionView, responses=problems(404, 409))
async def accept_rights(connection_id: str, gateway: GatewayDep, caller: Writer) -> Response:
    """Accept that the account of this connection can write, as its last test found; until it is changed."""
    forwarded = Forwarded(
        "POST",
        f"/connections/{segment(connection_id)}/rights/accept",
        action="connection.accept_rights",
        object=connection_id,
    )
    return await forward(gateway, caller, "connections.write", gateway.clients.catalog, forwarded)


@router.post("/connections/{connection_id}/test", response_model=ConnectionTest, responses=problems(404))
async def test_connection(
    connection_id: str, gateway: GatewayDep, caller: Annotated[Caller, may("connections.test")]
) -> Response:
    """Let a worker try the connection and look at the rights of its account."""
    forwarded = Forwarded(
        "POST", f"/connections/{segment(connection_id)}/test", action="connection.test", object=connection_id
    )
    return await forward(gateway, caller, "connections.test", gateway.clients.orchestrator, forwarded)
