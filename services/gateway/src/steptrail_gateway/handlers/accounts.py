"""Accounts: making, changing, deleting them; the administrator of a first start; one-time links."""

import secrets
from dataclasses import replace
from typing import Final
from uuid import uuid4

from steptrail_common.clock import Clock
from steptrail_common.contracts.gateway import SignInLink, UserView, UserWrite
from steptrail_common.errors import Conflict, InvalidInput, NotFound, TooManyRequests

from steptrail_gateway.domain import throttle
from steptrail_gateway.domain.audit import Deed
from steptrail_gateway.domain.people import (
    LINK_LIFETIME,
    Caller,
    SignInCode,
    User,
    hashed,
    known_form,
    user_view,
)
from steptrail_gateway.domain.permissions import rank
from steptrail_gateway.ports import PasswordHasher, Stores

ADMIN: Final = "admin"
SYSTEM: Final = "system"


async def create_user(
    caller: Caller, wanted: UserWrite, *, stores: Stores, hasher: PasswordHasher, clock: Clock
) -> UserView:
    """Raises `Conflict` when the username is taken."""
    caller.require("users.manage")
    password_hash = await hasher.hash(wanted.password) if wanted.password is not None else None
    user = User(uuid4().hex, _folded(wanted.username), wanted.role, wanted.active, password_hash, clock.now())
    deed = Deed(caller.username, "user.create", user.username, {"role": user.role}, caller.address)
    await stores.users.add(user, deed)
    return user_view(user)


async def save_user(
    caller: Caller, user_id: str, wanted: UserWrite, *, stores: Stores, hasher: PasswordHasher, clock: Clock
) -> UserView:
    """A password left out stays. Less power or a new password ends the account's sessions."""
    caller.require("users.manage")
    before = await _existing(user_id, stores)
    after = replace(before, username=_folded(wanted.username), role=wanted.role, active=wanted.active)
    if wanted.password is not None:
        after = replace(after, password_hash=await hasher.hash(wanted.password))
    weaker = rank(after.role) < rank(before.role) or not after.active
    changed = {
        "username": after.username,
        "role": after.role,
        "active": after.active,
        "password_changed": wanted.password is not None,
    }
    deed = Deed(caller.username, "user.save", before.username, changed, caller.address)
    await stores.users.save(after, deed, clock.now(), end_sessions=weaker or wanted.password is not None)
    return user_view(after)


async def delete_user(caller: Caller, user_id: str, *, stores: Stores, clock: Clock) -> None:
    caller.require("users.manage")
    before = await _existing(user_id, stores)
    deed = Deed(caller.username, "user.delete", before.username, address=caller.address)
    await stores.users.delete(user_id, deed, clock.now())


async def change_password(
    caller: Caller, current: str, new: str, *, stores: Stores, hasher: PasswordHasher, clock: Clock
) -> None:
    """One's own. The current one is asked for, counted like a sign-in; a token cannot change passwords."""
    caller.require("self")
    if caller.via != "session":
        raise Conflict("Sign in with the browser to change the password; a token cannot.")
    user = await _existing(caller.user_id, stores)
    now = clock.now()
    limits = throttle.subjects(user.username, caller.address)
    attempts = await stores.credentials.count_attempt(sorted(limits), now, throttle.WINDOW)
    if (wait := throttle.wait_seconds(attempts, limits, now)) is not None:
        raise TooManyRequests("Too many attempts. Wait, then try again.", retry_after_seconds=wait)
    if not await hasher.verify(user.password_hash, current):
        raise InvalidInput.field("body.current_password", "is wrong")
    deed = Deed(caller.username, "user.password", user.username, address=caller.address)
    changed = replace(user, password_hash=await hasher.hash(new))
    await stores.users.save(changed, deed, now, end_sessions=True, keep=caller.credential_id)
    await stores.credentials.forget_attempts(throttle.account_subject(user.username))


async def create_link(caller: Caller, user_id: str, *, stores: Stores, clock: Clock) -> SignInLink:
    """A one-time link for an account. Raises `Conflict` for one that is not active."""
    caller.require("users.manage")
    return await link_for(await _existing(user_id, stores), caller.username, stores=stores, clock=clock)


async def link_for(user: User, actor: str, *, stores: Stores, clock: Clock) -> SignInLink:
    """Made by whoever runs the installation, too: the caller has checked that `actor` may."""
    if not user.active:
        raise Conflict(f"The account {user.username} is not active.")
    now = clock.now()
    secret = secrets.token_urlsafe(32)
    code = SignInCode(hashed(secret), user.user_id, now, now + LINK_LIFETIME)
    await stores.credentials.add_code(code, Deed(actor, "user.link", user.username))
    return SignInLink(path=f"/sign-in#code={secret}", expires_at=code.expires_at)


async def ensure_administrator(password: str | None, *, stores: Stores, hasher: PasswordHasher, clock: Clock) -> None:
    """On a first start make the account `admin`; a password given by the settings is set at every start.

    Without one the account has none: its first sign-in is by a one-time link.
    """
    user = await stores.users.by_name(ADMIN)
    if user is None:
        if await stores.users.count() > 0:
            return
        password_hash = await hasher.hash(password) if password is not None else None
        made = User(uuid4().hex, ADMIN, "admin", True, password_hash, clock.now())
        try:
            await stores.users.add(made, Deed(SYSTEM, "user.create", ADMIN, {"role": "admin"}))
        except Conflict:
            return  # another replica of the first start was faster
    elif password is not None and not await hasher.verify(user.password_hash, password):
        changed = replace(user, password_hash=await hasher.hash(password))
        deed = Deed(SYSTEM, "user.password", ADMIN, {"by": "settings"})
        await stores.users.save(changed, deed, clock.now(), end_sessions=True)


async def named(username: str, *, stores: Stores) -> User:
    """The account of this name. Raises `NotFound`."""
    name = known_form(username)
    user = await stores.users.by_name(name) if name is not None else None
    if user is None:
        raise NotFound(f"There is no user {username[:200]!r}.")
    return user


async def _existing(user_id: str, stores: Stores) -> User:
    user = await stores.users.by_id(user_id)
    if user is None:
        raise NotFound("There is no user with this id.")
    return user


def _folded(username: str) -> str:
    name = known_form(username)
    if name is None:
        raise InvalidInput.field("body.username", "may hold letters, digits and . _ @ - only")
    return name
