"""From a public request to an internal one, and the answer back."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from steptrail_common.contracts.model import Contract
from steptrail_common.web import problem_answer

from steptrail_gateway.domain.people import Caller
from steptrail_gateway.entrypoints.http.access import Gateway
from steptrail_gateway.handlers.relay import Forwarded, relay, stream_relay
from steptrail_gateway.ports import Answer, Downstream

PREFIX: Final = "/api/v1"
_PASSED_BACK: Final = ("content-type", "etag", "retry-after", "content-disposition", "last-modified", "link")
MAX_CONDITION_CHARACTERS: Final = 1024

Limit = Annotated[int, Query(ge=1, le=200, description="Most items of a page")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before")]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="Repeating the request with the same key gives the same answer"),
]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="The ETag that was read; 412 when it is stale")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", description="304 when the ETag still stands")]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route for the OpenAPI document. Every signed-in route can answer 401, 403, 422, 503."""
    text = {
        401: "Not signed in, or the sign-in is over",
        403: "The role does not allow it, or the request did not come from our own page",
        404: "There is nothing with this id",
        406: "The answer cannot be given in the form asked for",
        409: "The present state does not allow it",
        412: "Somebody else saved first: read again, then save",
        413: "More than the limit",
        415: "A content type this route does not read",
        422: "Invalid input, field by field",
        428: "Send If-Match with the ETag you read",
        429: "Too many requests; Retry-After says when",
        503: "A part we need is away; repeat later",
    }
    wanted = sorted({401, 403, 422, 503, *statuses})
    return {status: problem_answer(text[status]) for status in wanted}


async def forward(gateway: Gateway, caller: Caller, permission: str, to: Downstream, request: Forwarded) -> Response:
    """Pass on and hand back status, body and the headers that concern the client."""
    answer = await relay(caller, permission, to, request, audit=gateway.stores.audit, clock=gateway.clock)
    return handed_back(answer)


def handed_back(answer: Answer) -> Response:
    """The service's answer as ours: bytes untouched."""
    return Response(content=answer.content, status_code=answer.status_code, headers=_headers(answer))


async def pass_through(
    gateway: Gateway, caller: Caller, permission: str, to: Downstream, request: Forwarded
) -> Response:
    """Pass a read on and hand back its body piece by piece, however large it is."""
    opened = AsyncExitStack()
    answer = await opened.enter_async_context(stream_relay(caller, permission, to, request))

    async def pieces() -> AsyncIterator[bytes]:
        async with opened:
            async for piece in answer.aiter_bytes():
                yield piece

    return StreamingResponse(pieces(), status_code=answer.status_code, headers=_headers(answer))


def _headers(answer: Answer) -> dict[str, str]:
    """What concerns the client; the service's own addresses are moved below our prefix."""
    headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
    location = answer.headers.get("location")
    if location is not None and location.startswith("/"):
        headers["location"] = PREFIX + location
    return headers


def as_json(body: Contract) -> Any:
    """A body as it was sent: keys by their public names, nothing added that was left out."""
    return body.model_dump(mode="json", by_alias=True, exclude_unset=True)


def conditions(if_match: str | None = None, if_none_match: str | None = None) -> dict[str, str]:
    """Conditional headers for the service; an absurdly long one cannot be an ETag of ours and is left out."""
    headers = {"If-Match": if_match, "If-None-Match": if_none_match}
    return {name: value for name, value in headers.items() if value and len(value) <= MAX_CONDITION_CHARACTERS}


async def _query(request: Request) -> dict[str, list[str]]:
    """The query as sent; unknown names were refused before."""
    return {name: request.query_params.getlist(name) for name in request.query_params}


SentQuery = Annotated[dict[str, list[str]], Depends(_query)]
