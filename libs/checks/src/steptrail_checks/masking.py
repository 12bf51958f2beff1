"""What must not be seen: secrets of connections, sensitive headers and keys, and the keys a step hides.

Applied before anything is stored or sent; nothing behind it gets the real value.
"""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic_core import from_json, to_json
from steptrail_common.contracts.model import Json

MASK = "•••"
SENSITIVE_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "api-key"}
)
SENSITIVE_KEYS = frozenset(
    {"password", "passwd", "secret", "client_secret", "access_token", "refresh_token", "id_token", "api_key", "apikey"}
    | {"private_key", "authorization"}
)
MIN_SECRET_CHARACTERS = 4
"""Shorter secrets would blacken every text that happens to hold the same letters."""


@dataclass(frozen=True, slots=True)
class Masker:
    """Hides the given secret values wherever they appear, and the values of the given keys."""

    secrets: tuple[str, ...] = ()
    keys: frozenset[str] = SENSITIVE_KEYS

    @classmethod
    def of(cls, secrets: Iterable[str] = (), keys: Sequence[str] = (), *, username: str | None = None) -> "Masker":
        """`username`: of basic authentication, whose encoded pair is hidden too."""
        spellings: set[str] = set()
        for secret in secrets:
            if len(secret) >= MIN_SECRET_CHARACTERS:
                spellings |= _spellings(secret)
            if username is not None:
                spellings.add(base64.b64encode(f"{username}:{secret}".encode()).decode())
        longest_first = tuple(sorted(spellings, key=len, reverse=True))
        return cls(longest_first, SENSITIVE_KEYS | {key.lower() for key in keys})

    def also(self, *secrets: str) -> "Masker":
        """The same, hiding more secrets: such as a token that was just issued."""
        return Masker((*self.secrets, *Masker.of(secrets).secrets), self.keys)

    def text(self, text: str) -> str:
        """Any text without the secret values."""
        for secret in self.secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def json(self, value: Json) -> Json:
        """A JSON value: values of hidden keys at any depth, and secret values in every text."""
        if isinstance(value, dict):
            return {self.text(str(key)): self._item(str(key), item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _item(self, key: str, value: Json) -> Json:
        return MASK if key.lower() in self.keys and value is not None else self.json(value)

    def header(self, name: str, value: str) -> str:
        """The value of a header, or the mask where it carries credentials."""
        hidden = name.lower() in SENSITIVE_HEADERS or name.lower() in self.keys
        return MASK if hidden else self.text(value)

    def body(self, body: bytes, media_type: str) -> bytes:
        """A body for evidence: JSON and forms by key, any text by secret value; other bytes by secret value."""
        if "json" in media_type:
            try:
                value = _parsed(body)
                return to_json(self.json(value) if self._may_hide(body) else value, indent=2)
            except (ValueError, RecursionError):
                pass  # not JSON after all: by patterns below
        text = body.decode("utf-8", errors="surrogateescape")
        return self._by_pattern(self.text(text)).encode("utf-8", errors="surrogateescape")

    def _may_hide(self, body: bytes) -> bool:
        """Whether JSON may hold anything to hide. Without escapes its texts stand there as they are. Keys are looked
        for without their quotes, which JSON is full of: that is quicker, and finding too much only costs the walk."""
        if body.isascii() and all(map(str.isascii, self.keys)):
            lowered_bytes = body.lower()
            return (
                b"\\" in body
                or b"\x00" in body
                or any(secret.encode() in body for secret in self.secrets)
                or any(key in lowered_bytes for key in _encoded(self.keys))
            )
        text = body.decode("utf-8", errors="surrogateescape")
        if "\\" in text or "\x00" in text or any(secret in text for secret in self.secrets):
            return True
        lowered = text.lower()
        return any(f'"{key}"' in lowered for key in self.keys)

    def url(self, url: str) -> str:
        """An address without secret values and without the values of hidden query keys."""
        return self._by_pattern(self.text(url))

    def _by_pattern(self, text: str) -> str:
        if "=" not in text and '"' not in text:
            return text
        pairs, quoted = _patterns(self.keys)
        return quoted.sub(rf'\g<key>"{MASK}"', pairs.sub(rf"\g<key>{MASK}", text))


def _parsed(body: bytes) -> Any:
    """The compiled reader knows UTF-8 only and is stricter. Raises ValueError, RecursionError."""
    try:
        return from_json(body)
    except ValueError:
        return json.loads(body)


@lru_cache(maxsize=64)
def _encoded(keys: frozenset[str]) -> tuple[bytes, ...]:
    return tuple(key.encode() for key in keys)


@lru_cache(maxsize=64)
def _patterns(keys: frozenset[str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(`key=value` of queries, forms and text; `"key": value` of JSON that does not parse)."""
    names = "|".join(re.escape(key) for key in sorted(keys))
    pairs = re.compile(rf"(?i)(?P<key>(?:^|[?&;\s])(?:{names})=)[^&;\s#]+")
    quoted = re.compile(rf'(?i)(?P<key>"(?:{names})"\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|[0-9.eE+-]+|true|false)')
    return pairs, quoted


def _spellings(secret: str) -> set[str]:
    """The secret as it may come back: bare, percent-encoded, inside JSON, base64."""
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    }
