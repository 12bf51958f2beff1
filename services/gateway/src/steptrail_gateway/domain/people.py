"""People and the credentials they show: users, sessions, tokens, one-time links. Only hashes of secrets are kept."""

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal

from steptrail_common.contracts.gateway import Me, Role, TokenView, UserView

from steptrail_gateway.domain.permissions import lower, permissions_of, require

TOKEN_PREFIX: Final = "stp_"  # noqa: S105  (a prefix, no password)
LINK_LIFETIME: Final = timedelta(minutes=15)
SEEN_INTERVAL: Final = timedelta(minutes=1)
"""How exact "last seen" and "last used" are: more would be one write per request."""
_USERNAME = re.compile(r"^[A-Za-z0-9._@-]{1,200}$")


@dataclass(frozen=True, slots=True)
class User:
    """An account. `password_hash` None: no password signs in; only a one-time link does."""

    user_id: str
    username: str
    role: Role
    active: bool
    password_hash: str | None
    created_at: datetime
    last_sign_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in of a browser; found by the hash of its cookie."""

    session_id: str
    token_hash: str
    user_id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A credential for programs; found by its hash."""

    token_id: str
    token_hash: str
    user_id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignInCode:
    """The one-time code of a link, as kept."""

    code_hash: str
    user_id: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and by which credential (`credential_id` is a session's or a token's id)."""

    user_id: str
    username: str
    role: Role
    via: Literal["session", "token"]
    credential_id: str
    expires_at: datetime | None = None
    address: str | None = None

    def require(self, permission: str) -> None:
        """Raise `Forbidden` unless the caller's role has the permission."""
        require(self.role, permission)

    @property
    def permissions(self) -> list[str]:
        return permissions_of(self.role)

    def at(self, address: str | None) -> "Caller":
        """The same caller with the address the request came from."""
        return replace(self, address=address)


def hashed(secret: str) -> str:
    """SHA-256 in hex. Enough for our own secrets of 256 random bits; passwords go through Argon2id."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def known_form(username: str) -> str | None:
    """The one spelling an account is looked up by, or None when no account can have this name."""
    folded = unicodedata.normalize("NFKC", username).casefold()
    return folded if _USERNAME.match(folded) else None


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a sign-in lasts without use, and at most."""

    idle: timedelta = timedelta(hours=12)
    absolute: timedelta = timedelta(days=14)


def session_over(session: Session, now: datetime, limits: SessionLimits) -> bool:
    """Whether a session has ended, by age or by disuse."""
    return now >= session.expires_at or now - session.last_seen_at >= limits.idle


def caller_by_session(session: Session, user: User) -> Caller:
    return Caller(user.user_id, user.username, user.role, "session", session.session_id, expires_at=session.expires_at)


def caller_by_token(token: ApiToken, user: User) -> Caller:
    """A token can do what it was made for, but never more than its owner can do now."""
    role = lower(token.role, user.role)
    return Caller(user.user_id, user.username, role, "token", token.token_id, expires_at=token.expires_at)


def token_over(token: ApiToken, now: datetime) -> bool:
    return token.expires_at is not None and now >= token.expires_at


def due_for_touch(last: datetime | None, now: datetime) -> bool:
    """Whether "last seen" is old enough to be written again."""
    return last is None or now - last >= SEEN_INTERVAL


def me(caller: Caller) -> Me:
    return Me(
        user_id=caller.user_id,
        username=caller.username,
        role=caller.role,
        permissions=caller.permissions,
        via=caller.via,
    )


def user_view(user: User) -> UserView:
    return UserView(
        user_id=user.user_id,
        username=user.username,
        role=user.role,
        active=user.active,
        created_at=user.created_at,
        last_sign_in_at=user.last_sign_in_at,
    )


def token_view(token: ApiToken) -> TokenView:
    return TokenView(
        token_id=token.token_id,
        name=token.name,
        role=token.role,
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )
