"""Who is asking, and may they? Every route names its permission here; none works without."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from steptrail_common.clock import Clock
from steptrail_common.contracts.gateway import About
from steptrail_common.errors import NotAuthenticated

from steptrail_gateway.domain.origin import (
    REQUEST_HEADER,
    SAFE_METHODS,
    refuse_foreign,
    refuse_forged,
    spelled,
)
from steptrail_gateway.domain.people import Caller, SessionLimits
from steptrail_gateway.entrypoints.hub import Hub
from steptrail_gateway.handlers import sign_in
from steptrail_gateway.ports import Clients, PasswordHasher, Printer, Stores

SECURE_COOKIE: Final = "__Host-steptrail"
PLAIN_COOKIE: Final = "steptrail_session"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything the routes work with, put together by the composition root."""

    stores: Stores
    hasher: PasswordHasher
    clock: Clock
    clients: Clients
    hub: Hub
    printer: Printer
    limits: SessionLimits
    about: About
    cursor_key: bytes
    feed_position: Callable[[], str | None]
    public_url: str | None = None

    def secure(self, request: Request) -> bool:
        """Whether the browser reaches us by https; then the cookie is bound to it."""
        return (self.public_url or str(request.url)).lower().startswith("https://")

    def cookie_name(self, request: Request) -> str:
        return SECURE_COOKIE if self.secure(request) else PLAIN_COOKIE

    def own_origin(self, request: Request) -> str:
        """The address of our page as browsers see it."""
        return self.public_url or f"{request.url.scheme}://{request.headers.get('host', '')}"


def address_of(request: Request) -> str | None:
    """Where a request came from; the server has already read what trusted proxies say."""
    return spelled(request.client.host if request.client else None)


async def read_gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


GatewayDep = Annotated[Gateway, Depends(read_gateway)]
COOKIE_SCHEME = APIKeyCookie(
    name=PLAIN_COOKIE,
    scheme_name="session",
    description=f"The session cookie of the browser, `{SECURE_COOKIE}` under https. Requests that change something "
    f"also carry the header `{REQUEST_HEADER}: 1`.",
    auto_error=False,
)
BEARER_SCHEME = HTTPBearer(
    scheme_name="token", bearerFormat="stp_…", description="An API token of `POST /tokens`.", auto_error=False
)


async def authenticate(request: Request, gateway: GatewayDep) -> Caller:
    """The caller, by bearer token or session cookie. A cookie counts only for requests our own page made."""
    address = address_of(request)
    bearer = request.headers.get("authorization")
    if bearer is not None:
        caller = await sign_in.by_bearer(bearer, credentials=gateway.stores.credentials, clock=gateway.clock)
        return caller.at(address)
    cookie = request.cookies.get(gateway.cookie_name(request))
    if cookie is None:
        raise NotAuthenticated("Sign in first, or send an API token as Authorization: Bearer.")
    if request.method not in SAFE_METHODS:
        refuse_forged(
            header=request.headers.get(REQUEST_HEADER),
            origin=request.headers.get("origin"),
            fetch_site=request.headers.get("sec-fetch-site"),
            own_origin=gateway.own_origin(request),
        )
    caller = await sign_in.by_cookie(
        cookie, credentials=gateway.stores.credentials, clock=gateway.clock, limits=gateway.limits
    )
    return caller.at(address)


async def from_our_page(request: Request, gateway: GatewayDep) -> None:
    """For routes before sign-in: a browser may not be made to sign in by another site."""
    refuse_foreign(
        origin=request.headers.get("origin"),
        fetch_site=request.headers.get("sec-fetch-site"),
        own_origin=gateway.own_origin(request),
    )


Checker = Callable[[Caller], Coroutine[Any, Any, Caller]]


def may(permission: str) -> Any:
    """The dependency of a route: the caller, who has this permission."""

    async def checked(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
        caller.require(permission)
        return caller

    checked.__name__ = f"may_{permission.replace('.', '_')}"
    checked.permission = permission  # type: ignore[attr-defined]
    return Depends(checked)
