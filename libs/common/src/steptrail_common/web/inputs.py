"""What requests carry besides their body: query parameters, the actor, cursors."""

import base64
import difflib
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from steptrail_common.contracts.gateway import Role
from steptrail_common.contracts.model import FieldError
from steptrail_common.errors import InvalidInput

ACTOR_HEADER = "X-Steptrail-Actor"
ROLE_HEADER = "X-Steptrail-Role"


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
