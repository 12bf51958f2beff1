"""What a message carries, how webhooks are signed, and what secrets may look like."""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook
from steptrail_common.errors import InvalidInput

PREFIX = "whsec_"
KEY_BYTES = 32
SHORTEST_KEY_BYTES, LONGEST_KEY_BYTES = 24, 64
"""As Standard Webhooks demands."""


def new_key() -> str:
    """A fresh signing key."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def checked_key(text: str) -> str:
    """The key, if it is one. Raises `InvalidInput` naming `secret`."""
    try:
        raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(PREFIX) or not SHORTEST_KEY_BYTES <= len(raw) <= LONGEST_KEY_BYTES:
        raise InvalidInput.field(
            "body.secret", f"must be {PREFIX} and the base64 of 24 to 64 bytes; leave it out and a key is made for you"
        )
    return text


def checked_password(text: str) -> str:
    """The password, if an account can have it. Raises `InvalidInput` naming `secret`."""
    if not text.isprintable():
        raise InvalidInput.field("body.secret", "holds line breaks or characters that cannot be printed")
    return text


def body_of(event: Mapping[str, Any], *, moment: str, rule_id: str) -> str:
    """The CloudEvent as it was told, with why it is sent as extension attributes `moment` and `rule`."""
    return json.dumps({**event, "moment": moment, "rule": rule_id}, separators=(",", ":"))


def headers_of(body: str, *, delivery_id: str, key: str, at: datetime) -> dict[str, str]:
    """Standard Webhooks headers: id (the same in every try), time of this try, signature over both and the body."""
    return {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "user-agent": "Steptrail-Webhooks",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(key).sign(delivery_id, at, body),
    }
