"""Pass a request on to the service that owns the matter: permission first, audit after."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from steptrail_common.clock import Clock
from steptrail_common.errors import InvalidInput
from steptrail_common.web import ACTOR_HEADER, ROLE_HEADER

from steptrail_gateway.domain.audit import Deed
from steptrail_gateway.domain.people import Caller
from steptrail_gateway.ports import Answer, AuditLog, Downstream

MAX_KEY_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A request for a service. `action` and `object` name it in the audit log; reads have none. What makes
    something need not name it: its address in the answer does."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    action: str | None = None
    object: str | None = None


async def relay(
    caller: Caller, permission: str, to: Downstream, request: Forwarded, *, audit: AuditLog, clock: Clock
) -> Answer:
    """The service's answer. Nothing is sent on without the permission, and the service learns who asked.

    Raises `Forbidden`, whatever the service answers, and `Unavailable` when it is away.
    """
    caller.require(permission)
    headers = {**_actor(caller), **request.headers}
    response = await to.request(
        request.method,
        request.path,
        json=request.json,
        content=request.content,
        headers=headers,
        params=request.params,
    )
    if request.action is not None:
        deed = Deed(
            caller.username, request.action, request.object or _made(response), {"via": caller.via}, caller.address
        )
        await audit.append(deed, clock.now())
    return response


def _made(response: Answer) -> str | None:
    """The id of what a request has made, when the request itself did not name it: the end of its address."""
    location = response.headers.get("location")
    return unquote(location.rstrip("/").rsplit("/", 1)[-1]) if location else None


@asynccontextmanager
async def stream_relay(caller: Caller, permission: str, to: Downstream, request: Forwarded) -> AsyncIterator[Answer]:
    """The answer to a read, to be taken piece by piece."""
    caller.require(permission)
    headers = {**_actor(caller), **request.headers}
    async with to.stream(request.method, request.path, headers=headers, params=request.params) as answer:
        yield answer


def _actor(caller: Caller) -> dict[str, str]:
    return {ACTOR_HEADER: caller.username, ROLE_HEADER: caller.role}


def scoped_key(caller: Caller, key: str | None) -> dict[str, str]:
    """The header for an `Idempotency-Key`, made the caller's own: the same key of two people is two keys."""
    if key is None:
        return {}
    if not 1 <= len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        raise InvalidInput.field("header.Idempotency-Key", f"must be 1 to {MAX_KEY_CHARACTERS} printable characters")
    return {"Idempotency-Key": sha256(f"{caller.user_id}\n{key}".encode()).hexdigest()}
