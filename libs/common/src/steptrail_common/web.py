"""The HTTP side every service shares: problem documents, limits, tokens, cursors, and the client between services."""

import asyncio
import base64
import difflib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid4

import httpx2
from fastapi import Depends, FastAPI, Header, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steptrail_common import errors, telemetry
from steptrail_common.contracts.gateway import Role
from steptrail_common.contracts.model import FieldError, Problem
from steptrail_common.errors import InvalidInput, SteptrailError, TooLarge, Unavailable, UnsupportedMedia

PROBLEM_TYPE = "application/problem+json"
ACTOR_HEADER = "X-Steptrail-Actor"
ROLE_HEADER = "X-Steptrail-Role"
MAX_BODY_BYTES = 2 * 1024 * 1024
_OPEN_PATHS = frozenset({"/healthz", "/readyz"})
_CHECK_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "Invalid input, field by field"},
    "default": {"model": Problem, "description": "A problem document (RFC 9457)"},
}


def build_app(
    *,
    title: str,
    version: str = "0.1.0",
    service_token: str | None = None,
    checks: Mapping[str, Check] | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    openapi_url: str | None = None,
) -> FastAPI:
    """An application with our errors, limits and health routes; with a token, all else needs it as a Bearer."""
    app = FastAPI(
        title=title,
        version=version,
        openapi_url=openapi_url,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(strict_query)],
        responses=PROBLEM_RESPONSES,
        telemetry={"metrics": False, "logs": False, "operation_spans": False, "exclude": _is_health},
    )
    app.state.draining = False
    app.add_exception_handler(SteptrailError, _on_our_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_middleware(Guard, service_token=service_token, max_body_bytes=max_body_bytes)
    _add_health(app, dict(checks or {}))
    return app


def _is_health(scope: Any) -> bool:
    return scope.get("path") in _OPEN_PATHS


def _add_health(app: FastAPI, checks: Mapping[str, Check]) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> JSONResponse:
        verdicts = await asyncio.gather(*(_verdict(name, check) for name, check in checks.items()))
        parts = dict(zip(checks, verdicts, strict=True))
        if request.app.state.draining:
            parts["process"] = "shutting down"
        ready = all(verdict == "ok" for verdict in parts.values())
        body = {"status": "ready" if ready else "not ready", "parts": parts}
        return JSONResponse(body, 200 if ready else 503)


async def _verdict(name: str, check: Check) -> str:
    """`ok`, or what is wrong; only our own errors are quoted, others could carry an address with a password."""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
    except SteptrailError as error:
        return error.detail
    except Exception as error:
        telemetry.log.warning("readiness.failed", part=name, error=repr(error))
        return type(error).__name__
    return "ok"


# --- errors ---------------------------------------------------------------------------------------------------------


def problem(error: SteptrailError, *, instance: str, error_id: str | None = None) -> JSONResponse:
    """The one rendering of every error."""
    document = Problem(
        type=f"/problems/{error.slug}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=instance,
        errors=error.errors,
        error_id=error_id,
    )
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(document.model_dump(exclude_none=True), error.status, headers, PROBLEM_TYPE)


async def _on_our_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SteptrailError)  # noqa: S101  (registered for this class alone)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        telemetry.log.warning("http.problem", slug=error.slug, detail=error.detail)
    return problem(error, instance=request.url.path)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = field_errors(error.errors())
    detail = "; ".join(f"{fault.path}: {fault.message}" for fault in faults[:3])
    return problem(InvalidInput(detail, errors=faults), instance=request.url.path)


def field_errors(faults: Sequence[Any], *, at: str = "") -> list[FieldError]:
    """Pydantic's faults with paths as people write them: `body.steps[2].check.url`."""
    return [FieldError(path=_path_text(fault, at), message=_message(fault)) for fault in faults]


def _path_text(fault: Mapping[str, Any], at: str) -> str:
    text = at
    loc = fault["loc"]
    for part in loc[:1] if fault["type"] == "json_invalid" else loc:  # there the second part is an offset
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "body"


def _message(fault: Mapping[str, Any]) -> str:
    kind = fault["type"]
    if kind == "extra_forbidden":
        return "there is no such field here; remove it or check its spelling"
    if kind == "missing":
        return "is required"
    if kind == "json_invalid":
        return f"is not valid JSON: {fault.get('ctx', {}).get('error', fault['msg'])}"
    return str(fault["msg"]).removeprefix("Value error, ")


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = HTTPStatus(error.status_code)
    document = {
        HTTPStatus.NOT_FOUND: "there is nothing at this address",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here",
    }
    known = _BY_STATUS.get(status, SteptrailError)
    shown = _as_class(known, status, document.get(status, str(error.detail)))
    answer = problem(shown, instance=request.url.path)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _as_class(kind: type[SteptrailError], status: HTTPStatus, detail: str) -> SteptrailError:
    """An error for a status of the framework that has no class of ours, such as 405."""
    if kind is not SteptrailError:
        return kind(detail)
    slug = status.phrase.lower().replace(" ", "-")
    named = type("HttpError", (SteptrailError,), {"status": int(status), "title": status.phrase, "slug": slug})
    error: SteptrailError = named(detail)
    return error


_CLASSES = (
    errors.InvalidInput, errors.NotAuthenticated, errors.Forbidden, errors.NotFound, errors.Conflict, errors.Stale,
    errors.TooLarge, errors.UnsupportedMedia, errors.TooManyRequests, errors.Unavailable,
    errors.PreconditionRequired,
)  # fmt: skip
_BY_STATUS: dict[int, type[SteptrailError]] = {kind.status: kind for kind in _CLASSES}


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
        if self._expected is not None and scope["path"] not in _OPEN_PATHS:
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
    telemetry.HTTP_SECONDS.labels(scope["method"], route, str(status)).observe(seconds)
    write = telemetry.log.debug if scope["method"] == "GET" and (status or 0) < 400 else telemetry.log.info
    write("http.request", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4))


# --- inputs ---------------------------------------------------------------------------------------------------------


async def strict_query(request: Request) -> None:
    """Refuse query parameters the route does not know: a misspelt filter must not silently return everything."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not request.query_params:
        return
    known = [field.alias for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)]
    faults = []
    for name in request.query_params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; possible: {', '.join(known) or 'none'}"
            faults.append(FieldError(path=f"query.{name[:100]}", message=f"no such parameter{hint}"))
    if faults:
        raise InvalidInput(f"{faults[0].path}: {faults[0].message}", errors=faults)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused this request, as the gateway found out; `system` when a service acts for itself."""

    username: str
    role: Role


async def read_actor(
    x_steptrail_actor: Annotated[str, Header(max_length=200, include_in_schema=False)] = "system",
    x_steptrail_role: Annotated[Role, Header(include_in_schema=False)] = "admin",
) -> Actor:
    """A dependency; trustworthy because only holders of the service token reach the route."""
    return Actor(x_steptrail_actor, x_steptrail_role)


def encode_cursor(values: Mapping[str, Any], key: bytes) -> str:
    """An opaque, signed place in a list."""
    body = json.dumps(values, separators=(",", ":"), sort_keys=True).encode()
    signature = hmac.digest(key, body, hashlib.sha256)[:12]
    return base64.urlsafe_b64encode(signature + body).rstrip(b"=").decode()


def decode_cursor(text: str, key: bytes) -> dict[str, Any]:
    """The values of a cursor of ours. Raises `InvalidInput` for one that was changed, cut or made elsewhere."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        if not hmac.compare_digest(raw[:12], hmac.digest(key, raw[12:], hashlib.sha256)[:12]):
            raise ValueError
        values: dict[str, Any] = json.loads(raw[12:])
    except (ValueError, UnicodeError):
        raise InvalidInput.field("cursor", "take it unchanged from next_cursor of the page before") from None
    return values


# --- from service to service ----------------------------------------------------------------------------------------


class ServiceClient:
    """Calls another service of ours. Its problem documents come back as the same errors, absence as `Unavailable`.

    One per target, shared and closed with `aclose`: a new one costs 20 ms for its TLS context.
    """

    def __init__(
        self,
        base_url: str,
        service_token: str,
        transport: httpx2.AsyncBaseTransport | None = None,
        *,
        timeout_seconds: float = 15.0,
    ) -> None:
        self._name = httpx2.URL(base_url).host
        self._client = httpx2.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {service_token}"},
            transport=transport or httpx2.AsyncHTTPTransport(retries=1),
            timeout=httpx2.Timeout(timeout_seconds, connect=3.0, pool=5.0),
        )

    async def get_json(
        self, path: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of a GET. Parameters that are None are left out."""
        return (await self.request("GET", path, params=params, headers=headers)).json()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """The whole answer when it is a success; otherwise the matching `SteptrailError` is raised."""
        async with self._exchange(method, path, headers, params, json=json, content=content) as response:
            await response.aread()
            return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """An answer whose body is read piece by piece (`aiter_bytes`), for exports."""
        async with self._exchange(method, path, headers, params) as response:
            yield response

    @asynccontextmanager
    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str] | None, params: Mapping[str, Any] | None, **body: Any
    ) -> AsyncIterator[httpx2.Response]:
        wanted = {name: value for name, value in (params or {}).items() if value is not None}
        sent = telemetry.inject(headers or {})
        try:
            async with self._client.stream(method, path, params=wanted, headers=sent, **body) as response:
                if response.is_error:
                    await response.aread()
                    raise self._error(response)
                yield response
        except httpx2.TransportError as error:
            raise Unavailable(f"the service {self._name} does not answer ({type(error).__name__})") from error

    def _error(self, response: httpx2.Response) -> SteptrailError:
        try:
            document = Problem.model_validate_json(response.content)
        except ValueError:
            return Unavailable(f"the service {self._name} answered with status {response.status_code}")
        kind = _BY_STATUS.get(document.status, SteptrailError)
        if kind is errors.NotAuthenticated:
            return Unavailable(f"the service {self._name} refuses our service token: give all services the same one")
        retry_after = response.headers.get("Retry-After", "")
        return kind(
            document.detail,
            errors=document.errors,
            retry_after_seconds=int(retry_after) if retry_after.isdigit() else None,
        )

    async def aclose(self) -> None:
        await self._client.aclose()
