"""Signing in and recognising who is signed in."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from steptrail_common.clock import Clock
from steptrail_common.errors import NotAuthenticated, TooManyRequests

from steptrail_gateway.domain import throttle
from steptrail_gateway.domain.audit import Deed
from steptrail_gateway.domain.people import (
    TOKEN_PREFIX,
    ApiToken,
    Caller,
    Session,
    SessionLimits,
    User,
    caller_by_session,
    caller_by_token,
    due_for_touch,
    hashed,
    known_form,
    session_over,
    token_over,
)
from steptrail_gateway.domain.permissions import allows
from steptrail_gateway.ports import CredentialStore, PasswordHasher, Stores

_OVER = "The sign-in is over. Sign in again."


@dataclass(frozen=True, slots=True)
class Circumstances:
    """From where somebody signs in. `presented`: the session cookie the browser already had; it is replaced."""

    address: str | None
    user_agent: str | None
    presented: str | None


@dataclass(frozen=True, slots=True)
class Started:
    """A new session; `cookie` is known to the browser alone."""

    cookie: str
    caller: Caller


async def by_password(
    username: str,
    password: str,
    circumstances: Circumstances,
    *,
    stores: Stores,
    hasher: PasswordHasher,
    clock: Clock,
    limits: SessionLimits,
) -> Started:
    """Raises `NotAuthenticated` without saying what was wrong, in the time a right password takes; `TooManyRequests`
    after too many attempts for the account or from the address, before the password is looked at."""
    name = known_form(username)
    await _count(name, circumstances, stores=stores, clock=clock)
    user = await stores.users.by_name(name) if name is not None else None
    stored = user.password_hash if user is not None and user.active else None
    right = await hasher.verify(stored, password)
    if user is None or stored is None or not right:
        deed = Deed(name or "?", "session.refused", detail={"by": "password"}, address=circumstances.address)
        await stores.audit.append(deed, clock.now())
        raise NotAuthenticated("Name or password is wrong.")
    if hasher.outdated(stored):
        await stores.users.replace_hash(user.user_id, stored, await hasher.hash(password))
    await stores.credentials.forget_attempts(throttle.account_subject(user.username.casefold()))
    return await _start(user, circumstances, "password", stores=stores, clock=clock, limits=limits)


async def by_link(
    code: str, circumstances: Circumstances, *, stores: Stores, clock: Clock, limits: SessionLimits
) -> Started:
    """Spend the code of a one-time link. Raises `NotAuthenticated` when it is unknown, spent or too old."""
    await _count(None, circumstances, stores=stores, clock=clock)
    user = await stores.credentials.use_code(hashed(code), clock.now())
    if user is None:
        deed = Deed("?", "session.refused", detail={"by": "link"}, address=circumstances.address)
        await stores.audit.append(deed, clock.now())
        raise NotAuthenticated("This link is not valid. It works once and for 15 minutes; ask for a new one.")
    return await _start(user, circumstances, "link", stores=stores, clock=clock, limits=limits)


async def end(caller: Caller, *, credentials: CredentialStore, clock: Clock) -> None:
    """Sign out: the session is gone at once. Means nothing for a token."""
    if caller.via == "session":
        deed = Deed(caller.username, "session.end", address=caller.address)
        await credentials.end_session(caller.credential_id, deed, clock.now())


async def by_cookie(cookie: str, *, credentials: CredentialStore, clock: Clock, limits: SessionLimits) -> Caller:
    """The caller behind a session cookie. Raises `NotAuthenticated`."""
    found = await credentials.session(hashed(cookie))
    now = clock.now()
    if found is None or session_over(found[0], now, limits):
        raise NotAuthenticated(_OVER)
    session, user = found
    if due_for_touch(session.last_seen_at, now):
        await credentials.touch_session(session.session_id, now)
    return caller_by_session(session, user)


async def by_bearer(header: str, *, credentials: CredentialStore, clock: Clock) -> Caller:
    """The caller behind `Authorization: Bearer stp_…`. Raises `NotAuthenticated`."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.startswith(TOKEN_PREFIX):
        raise NotAuthenticated(f"Send an API token as Authorization: Bearer {TOKEN_PREFIX}…")
    found = await credentials.token(hashed(token.strip()))
    now = clock.now()
    if found is None or token_over(found[0], now):
        raise NotAuthenticated("This API token is unknown, revoked or expired.")
    known, user = found
    if due_for_touch(known.last_used_at, now):
        await credentials.touch_token(known.token_id, now)
    return caller_by_token(known, user)


async def no_longer_valid(
    callers: Iterable[Caller],
    permission: str,
    *,
    credentials: CredentialStore,
    clock: Clock,
    limits: SessionLimits,
) -> set[str]:
    """Of the callers behind open streams, the credentials that do not carry this permission any more."""
    asked = {caller.credential_id for caller in callers}
    if not asked:
        return set()
    found = await credentials.alive(asked)
    now = clock.now()
    return {one for one in asked if one not in found or not _still(*found[one], permission, now, limits)}


def _still(credential: Session | ApiToken, user: User, permission: str, now: datetime, limits: SessionLimits) -> bool:
    if isinstance(credential, Session):
        return not session_over(credential, now, limits) and allows(user.role, permission)
    return not token_over(credential, now) and allows(caller_by_token(credential, user).role, permission)


async def _count(name: str | None, circumstances: Circumstances, *, stores: Stores, clock: Clock) -> None:
    now = clock.now()
    limits = throttle.subjects(name, circumstances.address)
    attempts = await stores.credentials.count_attempt(sorted(limits), now, throttle.WINDOW)
    wait = throttle.wait_seconds(attempts, limits, now)
    if wait is not None:
        raise TooManyRequests("Too many attempts to sign in. Wait, then try again.", retry_after_seconds=wait)


async def _start(
    user: User, circumstances: Circumstances, by: str, *, stores: Stores, clock: Clock, limits: SessionLimits
) -> Started:
    now = clock.now()
    cookie = secrets.token_urlsafe(32)
    session = Session(
        session_id=uuid4().hex,
        token_hash=hashed(cookie),
        user_id=user.user_id,
        created_at=now,
        last_seen_at=now,
        expires_at=now + limits.absolute,
        address=circumstances.address,
        user_agent=circumstances.user_agent,
    )
    deed = Deed(user.username, "session.begin", detail={"by": by}, address=circumstances.address)
    replaces = hashed(circumstances.presented) if circumstances.presented else None
    await stores.credentials.add_session(session, deed, replaces=replaces)
    await stores.users.signed_in(user.user_id, now)
    return Started(cookie, caller_by_session(session, user).at(circumstances.address))
