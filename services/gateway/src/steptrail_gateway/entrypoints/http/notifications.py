"""Notifications: channels, rules and what was delivered."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from steptrail_common.contracts.model import Page
from steptrail_common.contracts.notifier import (
    ChannelCreated,
    ChannelView,
    ChannelWrite,
    Delivery,
    RuleView,
    RuleWrite,
)

from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.forward import Cursor, Limit, SentQuery, as_json, forward, problems
from steptrail_gateway.handlers.relay import Forwarded

router = APIRouter(tags=["notifications"])
Reader = Annotated[Caller, may("channels.read")]
Writer = Annotated[Caller, may("channels.write")]


@router.get("/channels", response_model=Page[ChannelView], responses=problems())
async def list_channels(
    query: SentQuery, gateway: GatewayDep, caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Where notifications can go."""
    forwarded = Forwarded("GET", "/channels", params=query)
    return await forward(gateway, caller, "channels.read", gateway.clients.notifier, forwarded)


@router.post("/channels", status_code=201, response_model=ChannelCreated, responses=problems(409))
async def create_channel(gateway: GatewayDep, caller: Writer, body: ChannelWrite) -> Response:
    """Make a channel. A new signing key is shown in this answer only."""
    forwarded = Forwarded("POST", "/channels", json=as_json(body), action="channel.create", object=body.channel_id)
    return await forward(gateway, caller, "channels.write", gateway.clients.notifier, forwarded)


@router.get("/channels/{channel_id}", response_model=ChannelView, responses=problems(404))
async def read_channel(channel_id: str, gateway: GatewayDep, caller: Reader) -> Response:
    """One channel."""
    forwarded = Forwarded("GET", f"/channels/{segment(channel_id)}")
    return await forward(gateway, caller, "channels.read", gateway.clients.notifier, forwarded)


@router.put("/channels/{channel_id}", response_model=ChannelView, responses=problems(404))
async def save_channel(channel_id: str, gateway: GatewayDep, caller: Writer, body: ChannelWrite) -> Response:
    """Change a channel."""
    forwarded = Forwarded(
        "PUT", f"/channels/{segment(channel_id)}", json=as_json(body), action="channel.save", object=channel_id
    )
    return await forward(gateway, caller, "channels.write", gateway.clients.notifier, forwarded)


@router.delete("/channels/{channel_id}", status_code=204, responses=problems(404, 409))
async def delete_channel(channel_id: str, gateway: GatewayDep, caller: Writer) -> Response:
    """Delete a channel."""
    forwarded = Forwarded("DELETE", f"/channels/{segment(channel_id)}", action="channel.delete", object=channel_id)
    return await forward(gateway, caller, "channels.write", gateway.clients.notifier, forwarded)


@router.post("/channels/{channel_id}/test", status_code=202, response_model=Delivery, responses=problems(404))
async def test_channel(channel_id: str, gateway: GatewayDep, caller: Writer) -> Response:
    """Send a test message."""
    forwarded = Forwarded("POST", f"/channels/{segment(channel_id)}/test", action="channel.test", object=channel_id)
    return await forward(gateway, caller, "channels.write", gateway.clients.notifier, forwarded)


@router.get("/rules", response_model=Page[RuleView], responses=problems())
async def list_rules(
    query: SentQuery, gateway: GatewayDep, caller: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Which runs are told to which channel."""
    forwarded = Forwarded("GET", "/rules", params=query)
    return await forward(gateway, caller, "channels.read", gateway.clients.notifier, forwarded)


@router.post("/rules", status_code=201, response_model=RuleView, responses=problems(404, 409))
async def create_rule(gateway: GatewayDep, caller: Writer, body: RuleWrite) -> Response:
    """Make a rule."""
    forwarded = Forwarded("POST", "/rules", json=as_json(body), action="rule.create", object=body.rule_id)
    return await forward(gateway, caller, "channels.write", gateway.clients.notifier, forwarded)


@router.put("/rules/{rule_id}", response_model=RuleView, responses=problems(404))
async def save_rule(rule_id: str, gateway: GatewayDep, caller: Writer, body: RuleWrite) -> Response:
    """Change a rule. What it told before is not told again."""
    forwarded = Forwarded("PUT", f"/rules/{segment(rule_id)}", json=as_json(body), action="rule.save", object=rule_id)
    return await forward(gateway, caller, "channels.write", gateway.clients.notifier, forwarded)


@router.delete("/rules/{rule_id}", status_code=204, responses=problems(404))
async def delete_rule(rule_id: str, gateway: GatewayDep, caller: Writer) -> Response:
    """Delete a rule."""
    forwarded = Forwarded("DELETE", f"/rules/{segment(rule_id)}", action="rule.delete", object=rule_id)
    return await forward(gateway, caller, "channels.write", gateway.clients.notifier, forwarded)


@router.get("/deliveries", response_model=Page[Delivery], responses=problems())
async def list_deliveries(
    query: SentQuery,
    gateway: GatewayDep,
    caller: Annotated[Caller, may("deliveries.read")],
    channel_id: str | None = None,
    rule_id: str | None = None,
    process_id: str | None = None,
    run_id: str | None = None,
    status: Literal["pending", "delivered", "undelivered"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What was sent, is being sent or could not be sent; newest first."""
    forwarded = Forwarded("GET", "/deliveries", params=query)
    return await forward(gateway, caller, "deliveries.read", gateway.clients.notifier, forwarded)


@router.post("/deliveries/{delivery_id}/retry", status_code=202, response_model=Delivery, responses=problems(404, 409))
async def retry_delivery(
    delivery_id: str, gateway: GatewayDep, caller: Annotated[Caller, may("deliveries.retry")]
) -> Response:
    """Send an undelivered message again."""
    forwarded = Forwarded(
        "POST", f"/deliveries/{segment(delivery_id)}/retry", action="delivery.retry", object=delivery_id
    )
    return await forward(gateway, caller, "deliveries.retry", gateway.clients.notifier, forwarded)
