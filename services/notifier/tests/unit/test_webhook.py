"""Posting to real receivers on loopback."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from steptrail_common.egress import EgressPolicy
from steptrail_common.errors import InvalidInput
from steptrail_notifier.adapters.gate import PolicyGate
from steptrail_notifier.adapters.webhook import Webhooks
from steptrail_notifier.domain.delivery import Attempt

MakeSink = Callable[..., Awaitable[Any]]


def _host(url: str) -> str:
    return url.split("/")[2]


async def _post(sink: Any, *, allowed: bool = True, limit_seconds: float = 5.0) -> Attempt:
    policy = EgressPolicy(exceptions=[_host(sink.url)] if allowed else [])
    webhooks = Webhooks(policy, limit_seconds=limit_seconds)
    try:
        return await webhooks.post(sink.url, '{"é": 1}', {"webhook-id": "d1"})
    finally:
        await webhooks.close()


async def test_the_answer_counts_and_its_body_is_not_read(make_sink: MakeSink) -> None:
    """Status and Retry-After are all that is taken."""
    sink = await make_sink(status=503, headers={"retry-after": "120"})
    assert await _post(sink) == Attempt(503, retry_after_seconds=120.0, answer="HTTP 503")
    headers, body = sink.got[0]
    assert headers["webhook-id"] == "d1"
    assert body == '{"é": 1}'.encode()


@pytest.mark.req("NFR-008")
async def test_a_receiver_that_never_answers_is_left_after_the_limit(make_sink: MakeSink) -> None:
    """Connect and total time are limited."""
    sink = await make_sink(delay_seconds=60)
    began = time.monotonic()
    attempt = await _post(sink, limit_seconds=0.3)
    assert attempt == Attempt(error="no answer within 0.3 s")
    assert time.monotonic() - began < 3


async def test_redirects_are_not_followed(make_sink: MakeSink) -> None:
    """A receiver cannot point our signed message, or us, somewhere else."""
    target = await make_sink()
    sink = await make_sink(status=307, headers={"location": target.url})
    assert (await _post(sink)).status_code == 307
    assert target.got == []


@pytest.mark.req("NFR-012")
async def test_loopback_is_refused_without_an_exception(make_sink: MakeSink) -> None:
    """At connect time, whatever was saved."""
    sink = await make_sink()
    attempt = await _post(sink, allowed=False)
    assert attempt.error is not None
    assert "STEPTRAIL_EGRESS_EXCEPTIONS" in attempt.error
    assert sink.got == []


async def test_nobody_there_is_an_error_in_words(make_sink: MakeSink) -> None:
    """No exception leaves the adapter."""
    sink = await make_sink()
    sink.url = "http://127.0.0.1:9/hook"
    attempt = await _post(sink)
    assert attempt.status_code is None
    assert attempt.error is not None


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://localhost/", "http://2130706433/", "http://0x7f000001/", "http://[::1]/",
     "http://169.254.169.254/latest/meta-data/", "http://metadata.google.internal/", "http://10.0.0.1/",
     "http://user:pass@example.com/", "http://example.com:5432/", "http://exa mple.com/", "http://e\u202ex.com/",
     "file:///etc/passwd", "http://[::ffff:127.0.0.1]/"],
)  # fmt: skip
async def test_impossible_addresses_are_refused_when_saved(url: str) -> None:
    """By any spelling, naming the field."""
    with pytest.raises(InvalidInput) as refused:
        await PolicyGate(EgressPolicy())(url)
    assert refused.value.errors is not None
    assert refused.value.errors[0].path == "body.url"
