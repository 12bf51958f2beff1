"""Access tokens by OAuth 2 client credentials: fetched through the policy, kept until shortly before they end."""

import asyncio
import base64
import hashlib
import json
import time
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.http import Answer, Hop, HttpClient

MAX_TOKENS = 500
LEEWAY_SECONDS = 30.0
DEFAULT_SECONDS = 300.0
"""For issuers that do not say how long a token lives."""
MAX_TOKEN_CHARACTERS = 16_384
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A form to post to an issuer. `identity` tells apart whose token it is: connection, client, scope, secret."""

    token_url: str
    form: tuple[tuple[str, str], ...]
    basic: tuple[str, str] | None = None
    verify_tls: bool = True

    @property
    def identity(self) -> str:
        """A digest, so that no secret is kept as a key."""
        return hashlib.sha256(repr((self.token_url, self.form, self.basic, self.verify_tls)).encode()).hexdigest()


class Tokens:
    """Tokens of all connections of one worker, each fetched once however many checks ask at the same moment."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._known: dict[str, tuple[str, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def token(self, wanted: TokenRequest, deadline: float, *, identity: str | None = None) -> str:
        """A token that is still good. `identity`: for forms that differ each time, such as signed ones.

        Raises `CheckFailed` (`auth`, ours) when the issuer refuses.
        """
        key = identity or wanted.identity
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._known.get(key)
            if known is not None and known[1] > time.monotonic():
                return known[0]
            if len(self._known) >= MAX_TOKENS:
                self._known.clear()
            token, seconds = await self._fetched(wanted, deadline)
            self._known[key] = (token, time.monotonic() + max(seconds - LEEWAY_SECONDS, seconds / 2))
            return token

    def forget(self, wanted: TokenRequest) -> None:
        """The token was refused: the next one is fetched."""
        self._known.pop(wanted.identity, None)

    async def _fetched(self, wanted: TokenRequest, deadline: float) -> tuple[str, float]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if wanted.basic is not None:
            pair = ":".join(quote(part, safe="") for part in wanted.basic)  # RFC 6749, section 2.3.1
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        content = urlencode(wanted.form).encode()
        answer = await self._client.send(Hop("POST", wanted.token_url, headers, content, deadline, wanted.verify_tls))
        return _read(answer)


def _read(answer: Answer) -> tuple[str, float]:
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    if answer.status >= 500 or answer.status == 429:
        failure_class = FailureClass.RATE_LIMITED if answer.status == 429 else FailureClass.HTTP_STATUS
        raise CheckFailed(failure_class, f"the token issuer answers with HTTP status {answer.status}", ours=True)
    token = said.get("access_token")
    if answer.status >= 400 or not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        why = str(said.get("error_description") or said.get("error") or f"HTTP status {answer.status}, no access_token")
        raise CheckFailed(
            FailureClass.AUTH, f"the token issuer gives no token: {why[:_SHOWN]}", reason="token_refused", ours=True
        )
    if not token.isascii() or not token.isprintable():
        raise CheckFailed(
            FailureClass.AUTH, "the token issuer gives no usable token", reason="token_refused", ours=True
        )
    seconds = said.get("expires_in")
    try:
        return token, max(float(seconds), 1.0) if seconds is not None else DEFAULT_SECONDS
    except (TypeError, ValueError):
        return token, DEFAULT_SECONDS
