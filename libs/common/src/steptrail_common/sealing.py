"""Sealing of secrets: anyone may seal with the public key, only workers and the notifier open.

A sealed text is a libsodium sealed box (X25519, XSalsa20-Poly1305) around a JSON document that names the
connection, the field and the host it was saved for. Ciphertext moved to another connection or host is refused.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from nacl.encoding import Base64Encoder
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import SecretStr

from steptrail_common.contracts.connections import ConnectionSettings, DatabaseServer
from steptrail_common.errors import ConfigurationError, SteptrailError

LOCAL_HOST = "local"
"""The host of connections that never leave the worker's machine (SQLite files, folders)."""

_PAD_BYTES = 64
"""Plaintexts are padded to a multiple of this, so that the length of a ciphertext does not tell that of a secret."""


class SealRefused(SteptrailError):
    """The sealed secret cannot be used here: no key opens it, or it was sealed for elsewhere."""

    title, slug = "Secret refused", "secret-refused"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both halves as base64 text. `public` goes to the catalog, `private` to workers and notifier only."""

    public: str
    private: str = field(repr=False)


def generate_keys() -> KeyPair:
    """A fresh key pair."""
    private = PrivateKey.generate()
    return KeyPair(
        public=private.public_key.encode(Base64Encoder).decode(), private=private.encode(Base64Encoder).decode()
    )


def seal(public_key: str, value: str, *, connection_id: str, field: str, host: str) -> str:
    """Base64 of the sealed box. The same value sealed twice gives two different texts."""
    document = {"connection": connection_id, "field": field, "host": host, "value": value}
    text = json.dumps(document)
    padded = text + " " * (-len(text) % _PAD_BYTES)  # JSON ignores blanks behind it
    return SealedBox(_public_key(public_key)).encrypt(padded.encode(), Base64Encoder).decode()


def open_sealed(private_keys: Sequence[str], sealed: str, *, connection_id: str, field: str, host: str) -> str:
    """The secret inside. Tries every key (rotation keeps old ones for a while). Raises `SealRefused`."""
    for key in private_keys:
        try:
            inside = json.loads(SealedBox(_private_key(key)).decrypt(sealed.encode(), Base64Encoder))
        except (CryptoError, ValueError):
            continue
        expected = {"connection": connection_id, "field": field, "host": host}
        for name, value in expected.items():
            if inside.get(name) != value:
                raise SealRefused(f"the secret `{field}` was saved for another {name}: enter it again")
        return str(inside["value"])
    raise SealRefused(f"no key of this worker opens the secret `{field}`: give it the private key or enter it again")


def target_host(settings: ConnectionSettings) -> str:
    """Which `host:port` the secrets of a connection belong to; a change of it asks for the secrets again.

    The port stands for the scheme too, so that moving from https to http also asks.
    """
    if settings.kind == "http":
        issuers = [settings.oauth2.token_url] if settings.oauth2 else []
        return "+".join(_origin(url) for url in (settings.base_url, *issuers))
    if settings.kind == "s3":
        return _origin(settings.endpoint_url or f"https://s3.{settings.region}.amazonaws.com")
    if settings.kind == "gcs":
        return _origin(settings.endpoint_url or "https://storage.googleapis.com")
    if settings.kind == "azure_blob":
        return _origin(settings.endpoint_url or f"https://{settings.account}.blob.core.windows.net")
    if settings.kind == "sftp":
        return f"{settings.host.lower()}:{settings.port}"
    if isinstance(settings, DatabaseServer):
        return f"{settings.host.lower()}:{settings.port}"
    if settings.kind == "files" and settings.root.lower().startswith(("http://", "https://")):
        return _origin(settings.root)
    return LOCAL_HOST


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{(parts.hostname or '').lower()}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


@dataclass(frozen=True, slots=True)
class SecretsKeyring:
    """The private keys of one worker, newest first."""

    private_keys: tuple[str, ...] = field(repr=False)

    @classmethod
    def of_settings(cls, keys: Iterable[SecretStr], files: Iterable[Path | str]) -> "SecretsKeyring":
        """The keys a service was given, by value and by file. Raises `ConfigurationError` when there is none."""
        found = (*(key.get_secret_value() for key in keys), *cls.from_files(files).private_keys)
        for key in found:
            _private_key(key)
        if not found:
            raise ConfigurationError(
                "PRIVATE_KEY_FILES: name the file with the private key that opens secrets (`steptrail keys` makes one)"
            )
        return cls(found)

    @classmethod
    def from_files(cls, paths: Iterable[Path | str]) -> "SecretsKeyring":
        """Reads key files: one base64 key per line, `#` starts a comment. Raises `ConfigurationError`."""
        keys: list[str] = []
        for path in paths:
            try:
                lines = Path(path).read_text(encoding="ascii").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"the private key file {path} cannot be read: {error}") from error
            keys += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        for key in keys:
            _private_key(key)
        return cls(tuple(keys))

    def open(self, sealed: str, *, connection_id: str, field: str, host: str) -> str:
        """See `open_sealed`."""
        return open_sealed(self.private_keys, sealed, connection_id=connection_id, field=field, host=host)


def _public_key(text: str) -> PublicKey:
    try:
        return PublicKey(text.encode(), Base64Encoder)
    except (CryptoError, ValueError, TypeError) as error:
        raise ConfigurationError(
            "the public key is not 32 bytes in base64; make a pair with `steptrail keys`"
        ) from error


@lru_cache(maxsize=16)
def _private_key(text: str) -> PrivateKey:
    try:
        return PrivateKey(text.encode(), Base64Encoder)
    except (CryptoError, ValueError, TypeError) as error:
        raise ConfigurationError(
            "a private key is not 32 bytes in base64; make a pair with `steptrail keys`"
        ) from error
