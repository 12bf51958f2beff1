"""Signing in and out, one's own account, users, tokens and the audit log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime
from steptrail_common.contracts.gateway import (
    About,
    AuditEntry,
    Me,
    PasswordChange,
    SignIn,
    SignInByLink,
    SignInLink,
    TokenCreated,
    TokenView,
    TokenWrite,
    UserView,
    UserWrite,
)
from steptrail_common.contracts.model import Page
from steptrail_common.errors import TooLarge

from steptrail_gateway import queries
from steptrail_gateway.domain.people import Caller, me
from steptrail_gateway.entrypoints.http.access import Gateway, GatewayDep, address_of, from_our_page, may
from steptrail_gateway.entrypoints.http.forward import Cursor, Limit, problems
from steptrail_gateway.handlers import accounts, sign_in, tokens

router = APIRouter()
Self = Annotated[Caller, may("self")]
Admin = Annotated[Caller, may("users.manage")]
TokenOwner = Annotated[Caller, may("tokens.own")]
MAX_SIGN_IN_BYTES = 16 * 1024


async def small_body(request: Request) -> None:
    """Nobody who is not signed in makes us read or hash a large body."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_SIGN_IN_BYTES:
        raise TooLarge(f"A sign-in has at most {MAX_SIGN_IN_BYTES} bytes.")


BEFORE_SIGN_IN = [Depends(from_our_page), Depends(small_body)]


def _circumstances(request: Request, gateway: Gateway) -> sign_in.Circumstances:
    return sign_in.Circumstances(
        address=address_of(request),
        user_agent=request.headers.get("user-agent", "")[:300] or None,
        presented=request.cookies.get(gateway.cookie_name(request)),
    )


def _with_cookie(started: sign_in.Started, gateway: Gateway, request: Request, response: Response) -> Me:
    response.set_cookie(
        gateway.cookie_name(request),
        started.cookie,
        max_age=int(gateway.limits.absolute.total_seconds()),
        path="/",
        secure=gateway.secure(request),
        httponly=True,
        samesite="lax",
    )
    return me(started.caller)


@router.post("/session", tags=["session"], dependencies=BEFORE_SIGN_IN, responses=problems(413, 429))
async def open_session(body: SignIn, request: Request, response: Response, gateway: GatewayDep) -> Me:
    """Sign in with name and password; sets the session cookie."""
    started = await sign_in.by_password(
        body.username,
        body.password,
        _circumstances(request, gateway),
        stores=gateway.stores,
        hasher=gateway.hasher,
        clock=gateway.clock,
        limits=gateway.limits,
    )
    return _with_cookie(started, gateway, request, response)


@router.post("/session/link", tags=["session"], dependencies=BEFORE_SIGN_IN, responses=problems(413, 429))
async def open_session_by_link(body: SignInByLink, request: Request, response: Response, gateway: GatewayDep) -> Me:
    """Sign in with the code of a one-time link; sets the session cookie."""
    started = await sign_in.by_link(
        body.code,
        _circumstances(request, gateway),
        stores=gateway.stores,
        clock=gateway.clock,
        limits=gateway.limits,
    )
    return _with_cookie(started, gateway, request, response)


@router.delete("/session", tags=["session"], status_code=204, responses=problems())
async def close_session(request: Request, response: Response, gateway: GatewayDep, caller: Self) -> None:
    """Sign out. A token stays valid; revoke it with `DELETE /tokens/{token_id}`."""
    await sign_in.end(caller, credentials=gateway.stores.credentials, clock=gateway.clock)
    gateway.hub.close_of({caller.credential_id})
    response.delete_cookie(
        gateway.cookie_name(request), path="/", secure=gateway.secure(request), httponly=True, samesite="lax"
    )


@router.get("/me", tags=["session"], responses=problems())
async def read_me(caller: Self) -> Me:
    """Who am I, and what may I do?"""
    return me(caller)


@router.put("/me/password", tags=["session"], status_code=204, responses=problems(429))
async def change_password(body: PasswordChange, gateway: GatewayDep, caller: Self) -> None:
    """Change one's own password. Every other session ends."""
    await accounts.change_password(
        caller,
        body.current_password,
        body.new_password,
        stores=gateway.stores,
        hasher=gateway.hasher,
        clock=gateway.clock,
    )


@router.get("/users", tags=["administration"], responses=problems())
async def list_users(gateway: GatewayDep, caller: Admin, limit: Limit = 50, cursor: Cursor = None) -> Page[UserView]:
    """Every account, in order of username."""
    return await queries.users(caller, limit, cursor, users=gateway.stores.users, key=gateway.cursor_key)


@router.post("/users", tags=["administration"], status_code=201, responses=problems(409))
async def create_user(body: UserWrite, gateway: GatewayDep, caller: Admin) -> UserView:
    """Make an account. Without a password its owner signs in by a one-time link."""
    return await accounts.create_user(caller, body, stores=gateway.stores, hasher=gateway.hasher, clock=gateway.clock)


@router.get("/users/{user_id}", tags=["administration"], responses=problems(404))
async def read_user(user_id: str, gateway: GatewayDep, caller: Admin) -> UserView:
    """One account."""
    return await queries.user(caller, user_id, users=gateway.stores.users)


@router.put("/users/{user_id}", tags=["administration"], responses=problems(404, 409))
async def save_user(user_id: str, body: UserWrite, gateway: GatewayDep, caller: Admin) -> UserView:
    """Change an account. A new password, a lower role or deactivation ends its sessions."""
    return await accounts.save_user(
        caller, user_id, body, stores=gateway.stores, hasher=gateway.hasher, clock=gateway.clock
    )


@router.delete("/users/{user_id}", tags=["administration"], status_code=204, responses=problems(404, 409))
async def delete_user(user_id: str, gateway: GatewayDep, caller: Admin) -> None:
    """Delete an account with its sessions and tokens. Its name stays in the history."""
    await accounts.delete_user(caller, user_id, stores=gateway.stores, clock=gateway.clock)


@router.post("/users/{user_id}/sign-in-link", tags=["administration"], status_code=201, responses=problems(404, 409))
async def create_sign_in_link(user_id: str, gateway: GatewayDep, caller: Admin) -> SignInLink:
    """A link that signs this account in once, within 15 minutes; for a new or forgetful person."""
    return await accounts.create_link(caller, user_id, stores=gateway.stores, clock=gateway.clock)


@router.get("/tokens", tags=["tokens"], responses=problems())
async def list_tokens(
    gateway: GatewayDep, caller: TokenOwner, limit: Limit = 50, cursor: Cursor = None
) -> Page[TokenView]:
    """One's own tokens; what they are is shown only when they are made."""
    return await queries.tokens(caller, limit, cursor, credentials=gateway.stores.credentials, key=gateway.cursor_key)


@router.post("/tokens", tags=["tokens"], status_code=201, responses=problems())
async def create_token(body: TokenWrite, gateway: GatewayDep, caller: TokenOwner) -> TokenCreated:
    """Make a token for a program. The answer is the only place that shows it."""
    return await tokens.create(caller, body, credentials=gateway.stores.credentials, clock=gateway.clock)


@router.delete("/tokens/{token_id}", tags=["tokens"], status_code=204, responses=problems(404))
async def revoke_token(token_id: str, gateway: GatewayDep, caller: TokenOwner) -> None:
    """Revoke one of one's own tokens, at once."""
    await tokens.revoke(caller, token_id, credentials=gateway.stores.credentials, clock=gateway.clock)
    gateway.hub.close_of({token_id})


@router.get("/audit", tags=["administration"], responses=problems())
async def list_audit(
    gateway: GatewayDep,
    caller: Annotated[Caller, may("audit.read")],
    actor: Annotated[str | None, Query(max_length=200)] = None,
    action: Annotated[str | None, Query(max_length=100, description="Or its beginning, such as `run.`")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEntry]:
    """Who did what, newest first. Each line carries a hash over itself and the one before."""
    wanted = queries.AuditFilter(actor, action, since, until, limit, cursor)
    return await queries.audit(caller, wanted, log=gateway.stores.audit, key=gateway.cursor_key)


@router.get("/about", tags=["administration"], responses=problems())
async def read_about(gateway: GatewayDep, caller: Annotated[Caller, may("about.read")]) -> About:
    """Version and topology of this installation."""
    return gateway.about
