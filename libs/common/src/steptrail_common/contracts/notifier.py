"""What the notifier says: channels, rules and deliveries."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from steptrail_common.contracts.mail import EmailSettings
from steptrail_common.contracts.model import Contract, Duration, Name, Slug, Timestamp

Moment = Literal[
    "failed", "stuck", "not_yet", "warning", "error", "timeout", "recovered", "success", "finished",
    "incident_opened", "incident_resolved",
]  # fmt: skip
"""Ends of runs, told key by key, and of incidents, told once however many runs stand in them."""


ChannelKind = Literal["webhook", "email"]


class ChannelWrite(Contract):
    """Where messages go: a webhook with its `url`, or `email` through a mail server.

    `secret` is accepted, never returned. Of a webhook it is the signing key (`whsec_…`); without one a new key is made
    and shown once in the answer. Of e-mail it is the password of the account.
    """

    channel_id: Slug
    name: Name
    kind: ChannelKind = "webhook"
    url: Annotated[str, Field(pattern=r"^https?://", max_length=2000)] | None = Field(
        default=None, validate_default=True, description="For kind: webhook"
    )
    email: EmailSettings | None = Field(default=None, validate_default=True, description="For kind: email")
    secret: str | None = Field(default=None, max_length=500)
    active: bool = True

    @field_validator("url", "email")
    @classmethod
    def _fits_the_kind(cls, value: object, info: ValidationInfo) -> object:
        owner = "webhook" if info.field_name == "url" else "email"
        kind = info.data.get("kind")
        if value is None and kind == owner:
            raise ValueError(f"is required for a channel of kind {owner}")
        if value is not None and kind is not None and kind != owner:
            raise ValueError(f"belongs to channels of kind {owner}")
        return value


class ChannelView(Contract):
    channel_id: Slug
    name: str
    kind: ChannelKind
    url: str | None = Field(description="Of a webhook")
    email: EmailSettings | None
    active: bool
    secret_set: bool
    created_at: Timestamp
    updated_at: Timestamp


class ChannelCreated(ChannelView):
    signing_key: str | None = Field(
        default=None, description="Of a webhook, only in the answer that made it; store it now"
    )


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
    """One message to one channel. `delivery_id` is stable over all tries: the `webhook-id`, and in the `Message-ID`."""

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
    last_answer: str | None = Field(description="What the receiver answered last: `HTTP 204`, `SMTP 250 OK queued`")
    last_error: str | None
