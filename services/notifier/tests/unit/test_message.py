"""What a webhook carries."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook
from steptrail_common.errors import InvalidInput
from steptrail_notifier.domain.message import body_of, checked_key, headers_of, new_key


@pytest.mark.req("IR-8")
def test_a_receiver_verifies_with_the_standard_library(ended: Callable[..., Any]) -> None:
    """Any Standard Webhooks library accepts it; the body is the CloudEvent with verdict, moment and rule."""
    event, _ = ended("r1", "stuck")
    key = new_key()
    body = body_of(event.model_dump(mode="json"), moment="stuck", rule_id="ops")
    headers = headers_of(body, delivery_id="d1", key=key, at=datetime.now(UTC))
    told = Webhook(key).verify(body, headers)
    assert told == json.loads(body)
    assert (told["type"], told["data"]["verdict"]) == ("io.steptrail.run.finished.v1", "stuck at 5")
    assert (told["moment"], told["rule"]) == ("stuck", "ops")


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_dG9vIHNob3J0", "c2VjcmV0" * 5, "whsec_%%%", "whsec_" + "A" * 400])
def test_weak_signing_keys_are_refused(key: str) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInput) as refused:
        checked_key(key)
    assert refused.value.errors is not None
    assert refused.value.errors[0].path == "body.secret"


def test_our_keys_are_strong() -> None:
    """What we make we would accept, and never twice the same."""
    assert checked_key(new_key()) != checked_key(new_key())
