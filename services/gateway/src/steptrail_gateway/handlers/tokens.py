"""API tokens: credentials for programs."""

import secrets
from datetime import timedelta
from uuid import uuid4

from steptrail_common.clock import Clock
from steptrail_common.contracts.gateway import TokenCreated, TokenWrite
from steptrail_common.errors import Forbidden

from steptrail_gateway.domain.audit import Deed
from steptrail_gateway.domain.people import TOKEN_PREFIX, ApiToken, Caller, User, hashed, token_view
from steptrail_gateway.domain.permissions import lower
from steptrail_gateway.ports import CredentialStore

_PAGE = 200


async def create(caller: Caller, wanted: TokenWrite, *, credentials: CredentialStore, clock: Clock) -> TokenCreated:
    """A token of the caller's own. It has at most the caller's role, and one made by a token does not outlive it."""
    caller.require("tokens.own")
    if lower(wanted.role, caller.role) != wanted.role:
        raise Forbidden(f"A token can have at most your own role, {caller.role}; you asked for {wanted.role}.")
    token, secret = new_token(caller.user_id, wanted, clock)
    if (
        caller.via == "token"
        and caller.expires_at is not None
        and (token.expires_at is None or token.expires_at > caller.expires_at)
    ):
        raise Forbidden(f"A token made by a token must end no later than it, at {caller.expires_at.isoformat()}.")
    deed = Deed(caller.username, "token.create", token.name, {"role": token.role}, caller.address)
    await credentials.add_token(token, deed)
    return TokenCreated(**token_view(token).model_dump(), token=secret)


async def create_for(user: User, wanted: TokenWrite, actor: str, *, credentials: CredentialStore, clock: Clock) -> str:
    """A token made by whoever runs the installation; returns the secret."""
    token, secret = new_token(user.user_id, wanted, clock)
    await credentials.add_token(token, Deed(actor, "token.create", token.name, {"role": token.role}))
    return secret


async def revoke_named(user: User, name: str, actor: str, *, credentials: CredentialStore, clock: Clock) -> None:
    """Revoke an account's tokens of this name, so that making one again does not leave the old ones behind."""
    after: str | None = None
    while found := await credentials.tokens(user.user_id, after=after, limit=_PAGE):
        for token in found:
            if token.name == name:
                deed = Deed(actor, "token.revoke", token.token_id)
                await credentials.revoke_token(user.user_id, token.token_id, deed, clock.now())
        after = found[-1].token_id


async def revoke(caller: Caller, token_id: str, *, credentials: CredentialStore, clock: Clock) -> None:
    """Raises `NotFound`, also for a token of somebody else."""
    caller.require("tokens.own")
    deed = Deed(caller.username, "token.revoke", token_id[:100], address=caller.address)
    await credentials.revoke_token(caller.user_id, token_id, deed, clock.now())


def new_token(user_id: str, wanted: TokenWrite, clock: Clock) -> tuple[ApiToken, str]:
    """The token as kept, and the secret that only its owner learns. Ids grow with time."""
    now = clock.now()
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    lifetime = timedelta(days=wanted.expires_in_days) if wanted.expires_in_days is not None else None
    token = ApiToken(
        token_id=f"{int(now.timestamp() * 1000):012x}{uuid4().hex[:12]}",
        token_hash=hashed(secret),
        user_id=user_id,
        name=wanted.name,
        role=wanted.role,
        created_at=now,
        expires_at=now + lifetime if lifetime is not None else None,
    )
    return token, secret
