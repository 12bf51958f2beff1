"""Every error as a problem document (RFC 9457), and back from one."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from steptrail_common import errors, telemetry
from steptrail_common.contracts.model import FieldError, Problem
from steptrail_common.errors import InvalidInput, SteptrailError

PROBLEM_TYPE = "application/problem+json"


def problem_answer(description: str) -> dict[str, Any]:
    """An error answer of a route in an OpenAPI document, whose components must hold `Problem`.

    Names the schema instead of the model: FastAPI would build a validator of the model for every error of every route,
    half the time that a whole service needs to start.
    """
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    422: problem_answer("Invalid input, field by field"),
    "default": problem_answer("A problem document (RFC 9457)"),
}


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


async def on_our_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SteptrailError)  # noqa: S101  (registered for this class alone)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        telemetry.log.warning("http.problem", slug=error.slug, detail=error.detail)
    return problem(error, instance=request.url.path)


async def on_validation_error(request: Request, error: Exception) -> JSONResponse:
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


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = HTTPStatus(error.status_code)
    document = {
        HTTPStatus.NOT_FOUND: "there is nothing at this address",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here",
    }
    known = BY_STATUS.get(status, SteptrailError)
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
BY_STATUS: dict[int, type[SteptrailError]] = {kind.status: kind for kind in _CLASSES}
