"""The application every service starts from, with its health routes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from steptrail_common import telemetry
from steptrail_common.errors import SteptrailError
from steptrail_common.web import problems
from steptrail_common.web.guard import MAX_BODY_BYTES, OPEN_PATHS, Guard
from steptrail_common.web.inputs import strict_query

_CHECK_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]


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
        responses=problems.PROBLEM_RESPONSES,
        telemetry={"metrics": False, "logs": False, "operation_spans": False, "exclude": _is_health},
    )
    app.state.draining = False
    app.add_exception_handler(SteptrailError, problems.on_our_error)
    app.add_exception_handler(RequestValidationError, problems.on_validation_error)
    app.add_exception_handler(HTTPException, problems.on_http_error)
    app.add_middleware(Guard, service_token=service_token, max_body_bytes=max_body_bytes)
    _add_health(app, dict(checks or {}))
    return app


def _is_health(scope: Any) -> bool:
    return scope.get("path") in OPEN_PATHS


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
