"""The shapes people write, as JSON Schema: for editors with completion, and for forms that know every kind."""

from typing import Annotated, Any

from fastapi import APIRouter, Response

from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.forward import forward, problems
from steptrail_gateway.handlers.relay import Forwarded

router = APIRouter(tags=["schemas"])


@router.get("/schemas/process", response_model=dict[str, Any], responses=problems())
async def read_process_schema(gateway: GatewayDep, caller: Annotated[Caller, may("processes.read")]) -> Response:
    """The process format as JSON Schema, with every kind of check that is installed."""
    forwarded = Forwarded("GET", "/schemas/process")
    return await forward(gateway, caller, "processes.read", gateway.clients.catalog, forwarded)


@router.get("/schemas/connection", response_model=dict[str, Any], responses=problems())
async def read_connection_schema(gateway: GatewayDep, caller: Annotated[Caller, may("connections.read")]) -> Response:
    """What a connection is made of. Each kind carries `x-secrets`: the names of the secrets it can hold."""
    forwarded = Forwarded("GET", "/schemas/connection")
    return await forward(gateway, caller, "connections.read", gateway.clients.catalog, forwarded)
