"""Posting over HTTP through the egress policy."""

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx2
from steptrail_common.clock import Clock, SystemClock
from steptrail_common.egress import EgressDenied, EgressPolicy, NameNotResolved
from steptrail_common.errors import InvalidInput, SteptrailError

from steptrail_notifier.domain.delivery import Attempt

LIMIT_SECONDS = 10.0
"""Of a whole try: look-up, connect, TLS, sending, and the head of the answer. The body is not read."""


class Webhooks:
    """See `ports.Post`. One client for all, closed with `close`."""

    def __init__(
        self, policy: EgressPolicy, *, limit_seconds: float = LIMIT_SECONDS, clock: Clock | None = None
    ) -> None:
        self._client = httpx2.AsyncClient(
            transport=policy.transport(), follow_redirects=False, timeout=limit_seconds, trust_env=False
        )
        self._limit_seconds = limit_seconds
        self._clock = clock or SystemClock()

    async def close(self) -> None:
        await self._client.aclose()

    async def __call__(self, url: str, body: str, headers: Mapping[str, str]) -> Attempt:
        """See `ports.Post`."""
        try:
            async with (
                asyncio.timeout(self._limit_seconds),
                self._client.stream("POST", url, content=body.encode(), headers=dict(headers)) as answer,
            ):
                return Attempt(answer.status_code, retry_after_seconds=self._asked(answer))
        except (TimeoutError, httpx2.TimeoutException):
            return Attempt(error=f"no answer within {self._limit_seconds:g} s")
        except SteptrailError as error:
            return Attempt(error=error.detail)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Attempt(error=f"the receiver could not be reached: {error or type(error).__name__}")

    def _asked(self, answer: httpx2.Response) -> float | None:
        """Seconds of `Retry-After`, which is a number or a date."""
        text = answer.headers.get("retry-after", "")
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return (parsedate_to_datetime(text) - self._clock.now()).total_seconds()
        except (ValueError, TypeError):
            return None


class PolicyGate:
    """See `ports.Gate`. A name without an address passes: it may get one, and every try is judged again."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy

    async def __call__(self, url: str) -> None:
        """See `ports.Gate`."""
        try:
            parts = self._policy.check_url(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            await self._policy.resolve(parts.hostname or "", port)
        except NameNotResolved:
            return
        except EgressDenied as error:
            raise InvalidInput.field("body.url", error.detail) from error
