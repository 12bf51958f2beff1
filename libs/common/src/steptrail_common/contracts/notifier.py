"""What the notifier says: channels, rules and deliveries."""

from typing import Annotated, Literal

from pydantic import Field

from steptrail_common.contracts.model import Contract, Duration, Name, Slug, Timestamp

Moment = Literal[
    "failed", "stuck", "not_yet", "warning", "error", "timeout", "recovered", "success", "finished",
    "incident_opened", "incident_resolved",
]  # fmt: skip
"""Ends of runs, told key by key, and of incidents, told once however many runs stand in them."""


class ChannelWrite(Contract):
    """A webhook. `secret` (a `whsec_…` signing key) is accepted, never returned; without one a new key is made and
    shown once in the answer."""

    channel_id: Slug
    name: Name
    kind: Literal["webhook"] = "webhook"
    url: Annotated[str, Field(pattern=r"^https?://", max_length=2000)]
    secret: str | None = Field(default=None, max_length=200)
    active: bool = True


class ChannelView(Contract):
    channel_id: Slug
    name: str
    kind: Literal["webhook"]
    url: str
    active: bool
    secret_set: bool
    created_at: Timestamp
    updated_at: Timestamp


class ChannelCreated(ChannelView):
    signing_key: str | None = Field(default=None, description="Only in the answer that made it; store it now")


class RuleWrite(Contract):
    """Which runs are told to which channel. Empty filters match everything."""

    rule_id: Slug
    channel_id: Slug
    process_id: Slug | None = None
    category: str | None = None
    on: list[Moment] = Field(min_length=1)
    after_failures: int = Field(default=1, ge=1, le=100)
    remind_every: Duration | None = None
    active: bool = True


class RuleView(RuleWrite):
    created_at: Timestamp


class Delivery(Contract):
    """One message to one channel. `delivery_id` is stable over all tries and is sent as `webhook-id`."""

    delivery_id: str
    channel_id: str
    rule_id: str | None
    run_id: str | None
    process_id: str | None
    incident_id: str | None
    moment: str
    status: Literal["pending", "delivered", "undelivered"]
    tries: int
    created_at: Timestamp
    next_try_at: Timestamp | None
    delivered_at: Timestamp | None
    last_status_code: int | None
    last_error: str | None
