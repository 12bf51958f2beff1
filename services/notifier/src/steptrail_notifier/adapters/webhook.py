"""Posting over HTTP through the egress policy."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2
from steptrail_common.clock import Clock, SystemClock
from steptrail_common.egress import EgressPolicy
from steptrail_common.errors import SteptrailError

from steptrail_notifier.domain.delivery import Attempt
from steptrail_notifier.domain.message import headers_of
from steptrail_notifier.ports import Channel, Claimed

LIMIT_SECONDS = 10.0
"""Of a whole try: look-up, connect, TLS, sending, and the head of the answer. The body is not read.

`410 Gone` is the last one: the receiver asks not to be called again (Standard Webhooks, "Operational considerations").
"""


class Webhooks:
    """See `ports.Carrier`. One client for all, closed with `close`."""

    def __init__(
        self, policy: EgressPolicy, *, limit_seconds: float = LIMIT_SECONDS, clock: Clock | None = None
    ) -> None:
        self._policy = policy
        self._client: httpx2.AsyncClient | None = None
        self._limit_seconds = limit_seconds
        self._clock = clock or SystemClock()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _opened(self) -> httpx2.AsyncClient:
        """Made with the first message: reading the authorities is time and memory that most starts never need."""
        if self._client is None:
            self._client = httpx2.AsyncClient(
                transport=self._policy.transport(),
                follow_redirects=False,
                timeout=self._limit_seconds,
                trust_env=False,
            )
        return self._client

    async def __call__(self, claimed: Claimed, channel: Channel, secret: str, at: datetime) -> Attempt:
        """See `ports.Carrier`."""
        headers = headers_of(claimed.body, delivery_id=claimed.delivery_id, key=secret, at=at)
        return await self.post(channel.url, claimed.body, headers)

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> Attempt:
        """One POST; redirects are not followed."""
        try:
            async with (
                asyncio.timeout(self._limit_seconds),
                self._opened().stream("POST", url, content=body.encode(), headers=dict(headers)) as answer,
            ):
                return Attempt(
                    answer.status_code,
                    retry_after_seconds=self._asked(answer),
                    answer=f"HTTP {answer.status_code}",
                    permanent=answer.status_code == HTTPStatus.GONE,
                )
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
