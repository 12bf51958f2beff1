"""What stands before every route and after it."""

import hmac
import time
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steptrail_common import errors, telemetry
from steptrail_common.errors import SteptrailError, TooLarge, UnsupportedMedia
from steptrail_common.web.problems import problem

MAX_BODY_BYTES = 2 * 1024 * 1024
CLIENT_LEFT = 499
"""Counted for a client that left before it had sent its request: nobody is there to be answered."""
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Answered without the service token."""


class Guard:
    """Before any route: service token, size and coding of the body. After it: duration, unexpected errors."""

    def __init__(self, app: ASGIApp, *, service_token: str | None, max_body_bytes: int) -> None:
        self._app = app
        self._expected = f"Bearer {service_token}".encode() if service_token else None
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(send)
        started = time.perf_counter()
        try:
            self._admit(scope)
            await self._app(scope, self._limited(receive), seen)
        except ClientDisconnect:
            seen.status = CLIENT_LEFT
        except SteptrailError as error:
            await problem(error, instance=scope["path"])(scope, receive, _closing(seen))
        except Exception:
            error_id = uuid4().hex
            telemetry.log.exception("http.unexpected", error_id=error_id, method=scope["method"], path=scope["path"])
            if seen.status is not None:
                raise
            unexpected = SteptrailError("something went wrong on our side; the error is in the log under error_id")
            await problem(unexpected, instance=scope["path"], error_id=error_id)(scope, receive, seen)
        finally:
            _record(scope, seen.status, time.perf_counter() - started)

    def _admit(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self._expected is not None and scope["path"] not in OPEN_PATHS:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                raise errors.NotAuthenticated(
                    "this address is for Steptrail's own services: the service token is missing"
                )
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMedia("send the body uncompressed")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_body_bytes:
            raise TooLarge(f"the body may have at most {self._max_body_bytes} bytes")

    def _limited(self, receive: Receive) -> Receive:
        """Count what really arrives: a chunked body names no length."""
        taken = 0

        async def counting() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body_bytes:
                raise HTTPException(413, f"the body may have at most {self._max_body_bytes} bytes")
            return message

        return counting


class _Seen:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _closing(send: Send) -> Send:
    """Refuse and hang up, so that nobody goes on sending a body that is not read."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return sending


def _record(scope: Scope, status: int | None, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "none")
    telemetry.labelled(telemetry.HTTP_SECONDS, scope["method"], route, str(status)).observe(seconds)
    write = telemetry.log.debug if scope["method"] == "GET" and (status or 0) < 400 else telemetry.log.info
    write("http.request", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4))
