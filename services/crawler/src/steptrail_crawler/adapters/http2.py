"""HTTP/2 where the server offers it, through httpx2; its phases come from the events of that library."""

import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx2
from steptrail_common.egress import EgressPolicy, connect_timings

from steptrail_crawler.adapters.message import CONNECT_SECONDS, Answer, Hop, check_encodings, read_body, sent_headers


class Http2Wire:
    """Connections of one way to meet servers."""

    def __init__(self, policy: EgressPolicy, context: ssl.SSLContext) -> None:
        self._transport = policy.transport(verify=context, http2=True)

    async def send(self, hop: Hop) -> Answer:
        """The answer, decoded, cut at the limit. Raises `CheckFailed` and the errors of httpx2."""
        timings: dict[str, float] = {}
        token = connect_timings.set(timings)
        try:
            return await self._send(hop, timings)
        finally:
            connect_timings.reset(token)

    async def close(self) -> None:
        """Give back the connections."""
        await self._transport.aclose()

    async def _send(self, hop: Hop, timings: dict[str, float]) -> Answer:
        stopwatch = _Stopwatch(timings)
        request = httpx2.Request(
            hop.method,
            hop.url,
            headers=sent_headers(hop),
            content=hop.content,
            extensions={"timeout": _timeouts(hop.deadline), "trace": stopwatch.trace},
        )
        response = await self._transport.handle_async_request(request)
        response.request = request
        try:
            check_encodings(response.headers.get("content-encoding", ""))
            body, truncated = await read_body(response.aiter_bytes())
        finally:
            await response.aclose()
        stopwatch.finish()
        return Answer(
            status=response.status_code,
            reason=response.reason_phrase,
            http_version=response.http_version,
            url=str(request.url),
            headers=list(response.headers.multi_items()),
            body=body,
            truncated=truncated,
            timings=timings,
            request_headers=list(request.headers.multi_items()),
            certificate=_certificate(response) if request.url.scheme == "https" else None,
        )


class _Stopwatch:
    """Puts the phases of one request into a dict, from the events of the HTTP library."""

    def __init__(self, timings: dict[str, float]) -> None:
        self._timings = timings
        self._started = time.monotonic()
        self._marks: dict[str, float] = {}

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if event == "connection.start_tls.started":
            self._marks["tls"] = now
        elif event == "connection.start_tls.complete":
            self._timings["tls"] = now - self._marks["tls"]
        elif event.endswith("send_request_headers.started"):
            self._marks["sent"] = now
        elif event.endswith("receive_response_headers.complete"):
            self._timings["first_byte"] = now - self._marks.get("sent", self._started)
            self._marks["body"] = now

    def finish(self) -> None:
        now = time.monotonic()
        self._timings["body"] = now - self._marks.get("body", now)
        self._timings["total"] = now - self._started


def _certificate(response: httpx2.Response) -> bytes | None:
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    found: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
    return found


def _timeouts(deadline: float) -> dict[str, float]:
    left = max(deadline - time.monotonic(), 0.001)
    return {"connect": min(left, CONNECT_SECONDS), "read": left, "write": left, "pool": left}
