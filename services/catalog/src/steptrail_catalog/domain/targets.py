"""Rules of a connection that the shape of its settings does not tell."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter
from steptrail_common.contracts.catalog import ConnectionWrite
from steptrail_common.contracts.connections import (
    AzureBlobSettings,
    ConnectionSettings,
    FilesSettings,
    GcsSettings,
    HttpSettings,
    S3Settings,
    SftpSettings,
    SqliteSettings,
)
from steptrail_common.contracts.model import FieldError

from steptrail_catalog.domain import addresses, words

SECRET_FIELDS: Mapping[str, tuple[str, ...]] = {
    "http": ("password", "token", "api_key", "client_secret", "client_key"),
    "postgresql": ("password", "client_key"),
    "mysql": ("password", "client_key"),
    "mssql": ("password",),
    "oracle": ("password",),
    "mongodb": ("password", "client_key"),
    "sqlite": (),
    "files": (),
    "s3": ("secret_access_key", "session_token"),
    "gcs": ("service_account_key",),
    "azure_blob": ("sas_token", "account_key"),
    "sftp": ("password", "private_key", "passphrase"),
}
"""Which secrets each kind of connection has."""
ANY_SECRET = frozenset(name for names in SECRET_FIELDS.values() for name in names)
SECRET_OF_SIGN_IN = {
    "basic": "password",
    "bearer": "token",
    "api_key": "api_key",
    "form": "password",
    "oauth2": "client_secret",
    "password": "password",
    "private_key": "private_key",
    "service_account": "service_account_key",
    "sas": "sas_token",
    "account_key": "account_key",
}
"""The secret that each way of signing in needs."""
_SEVERAL_LINES = frozenset({"client_key", "private_key", "service_account_key"})
"""Secrets that are files: keys in PEM form or as JSON."""
MAX_SECRET_CHARACTERS = 10_000
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})

_SETTINGS: TypeAdapter[ConnectionSettings] = TypeAdapter(ConnectionSettings)

Fault = tuple[str, str]


def faults_of(given: ConnectionWrite, kept: frozenset[str]) -> list[FieldError]:
    """Everything wrong with a connection. `kept`: names of the stored secrets that stay."""
    found = [*_of_words(given), *_of_settings(given.settings), *_of_secrets(given), *_of_sign_in(given, kept)]
    return [FieldError(path=f"body.{path}", message=message) for path, message in found]


def _of_words(given: ConnectionWrite) -> Iterator[Fault]:
    if fault := words.fault_of(given.name):
        yield "name", fault
    if given.description and (fault := words.fault_of(given.description, several_lines=True)):
        yield "description", fault


def _of_settings(settings: ConnectionSettings) -> Iterator[Fault]:
    if isinstance(settings, HttpSettings):
        yield from _of_http(settings)
    elif isinstance(settings, SqliteSettings):
        yield from _of_place("settings.path", settings.path)
    elif isinstance(settings, FilesSettings):
        yield from _of_root(settings.root)
    elif isinstance(settings, S3Settings | GcsSettings | AzureBlobSettings):
        yield from _of_store(settings)
    elif isinstance(settings, SftpSettings):
        yield from _of_place("settings.root", settings.root)


def _of_store(settings: S3Settings | GcsSettings | AzureBlobSettings) -> Iterator[Fault]:
    """A bucket: its own address, if it has one, and what its names begin with."""
    if settings.endpoint_url and (fault := _fault_of_base(settings.endpoint_url)):
        yield "settings.endpoint_url", fault
    if settings.prefix and (fault := addresses.fault_of_file_path(settings.prefix)):
        yield "settings.prefix", fault.replace("the connection's folder", "the bucket")
    elif any(character in settings.prefix for character in "*?["):
        yield "settings.prefix", "must not hold * ? or [: patterns belong into the paths of steps"


def _of_http(settings: HttpSettings) -> Iterator[Fault]:
    if fault := _fault_of_base(settings.base_url):
        yield "settings.base_url", fault
    if settings.auth == "basic" and not (settings.username or "").strip():
        yield "settings.username", "is required for basic sign-in"
    if settings.username is not None and (":" in settings.username or not settings.username.isprintable()):
        yield "settings.username", "must not hold a colon or characters that cannot be printed"
    if settings.oauth2 is not None and (fault := addresses.fault_of_url(settings.oauth2.token_url)):
        yield "settings.oauth2.token_url", fault
    if fault := addresses.fault_of_header(settings.api_key_header, ""):
        yield "settings.api_key_header", fault
    for name, value in settings.headers.items():
        if name.lower() in _CREDENTIAL_HEADERS or name.lower() == settings.api_key_header.lower():
            yield f"settings.headers.{name}", "carries a credential: use auth and secrets, which are never shown"
        elif fault := addresses.fault_of_header(name, value):
            yield f"settings.headers.{name[:80]}", fault


def _fault_of_base(url: str) -> str | None:
    if "?" in url or "#" in url:
        return "is a base address: leave away what begins with ? or #"
    return addresses.fault_of_url(url)


def _of_root(root: str) -> Iterator[Fault]:
    if root.lower().startswith(("http://", "https://")):
        if fault := _fault_of_base(root):
            yield "settings.root", fault
    else:
        yield from _of_place("settings.root", root)


def _of_place(path: str, place: str) -> Iterator[Fault]:
    """A folder or file. Whether it lies below a folder the installation allows is for the worker to say."""
    if not place.isprintable() or place != place.strip():
        yield path, "must not hold control characters or outer blanks"
    elif "::" in place or "://" in place:
        yield path, "must be a path; chained and other addresses are not read"
    elif not place.startswith("/"):
        yield path, "must be an absolute path"
    elif ".." in place.split("/"):
        yield path, "must not step up with .."


def _of_secrets(given: ConnectionWrite) -> Iterator[Fault]:
    known = SECRET_FIELDS[given.settings.kind]
    for name, value in given.secrets.items():
        path = f"secrets.{name[:80]}"
        if value is None and name in ANY_SECRET:
            continue
        if name not in known:
            possible = ", ".join(known) or "none"
            yield path, f"a connection of kind {given.settings.kind} has no such secret; possible: {possible}"
        elif value is None or not 0 < len(value) <= MAX_SECRET_CHARACTERS:
            yield path, f"must have 1 to {MAX_SECRET_CHARACTERS} characters; send null to remove it"
        elif (
            "\x00" in value or words.damaged(value) or (name not in _SEVERAL_LINES and ("\r" in value or "\n" in value))
        ):
            yield path, "must not hold line breaks or the character NUL"
        elif name in _FORMS and (fault := _FORMS[name](value)):
            yield path, fault


def _fault_of_service_account(value: str) -> str | None:
    try:
        key = json.loads(value)
    except (ValueError, RecursionError):
        key = None
    if not isinstance(key, dict) or key.get("type") != "service_account":
        return 'must be the JSON file of a service account\'s key, with "type": "service_account"'
    absent = [name for name in ("client_email", "private_key", "token_uri") if not isinstance(key.get(name), str)]
    if absent:
        return f"lacks {', '.join(absent)}: paste the whole file"
    return f"token_uri {fault}" if (fault := addresses.fault_of_url(key["token_uri"])) else None


def _fault_of_account_key(value: str) -> str | None:
    try:
        base64.b64decode(value, validate=True)
    except ValueError:
        return "must be the account's key in base64, as Azure shows it"
    return None


_FORMS: Mapping[str, Callable[[str], str | None]] = {
    "service_account_key": _fault_of_service_account,
    "account_key": _fault_of_account_key,
}
"""Secrets whose form can be seen at once."""


def _forbidden(secret: str) -> str:
    return "\x00" if secret in _SEVERAL_LINES else "\r\n\x00"


def _of_sign_in(given: ConnectionWrite, kept: frozenset[str]) -> Iterator[Fault]:
    settings = given.settings
    auth = getattr(settings, "auth", "none")
    used = used_secrets(settings)
    for wanted in sorted(_required_secrets(settings)):
        if given.secrets.get(wanted) is None and wanted not in kept:
            why = "with a client certificate" if wanted == "client_key" else f"for auth: {auth}"
            yield f"secrets.{wanted}", f"is required {why}" if auth != "none" or why[0] == "w" else "is required"
    for name, value in given.secrets.items():
        if value is not None and name in SECRET_FIELDS[settings.kind] and name not in used:
            why = "without a client_certificate" if name == "client_key" else f"with auth: {auth}"
            yield f"secrets.{name}", f"is not used {why}"


def _required_secrets(settings: ConnectionSettings) -> frozenset[str]:
    """What settings cannot do without. Databases may be open to everybody."""
    if isinstance(settings, S3Settings):
        return frozenset({"secret_access_key"} if settings.access_key_id else ())
    wanted = SECRET_OF_SIGN_IN.get(getattr(settings, "auth", "none"))
    key = {"client_key"} if getattr(settings, "client_certificate", None) else set()
    return frozenset({wanted} if wanted else ()) | key


def used_secrets(settings: ConnectionSettings) -> frozenset[str]:
    """The secrets that settings make use of; others are not kept."""
    required = _required_secrets(settings)
    if isinstance(settings, S3Settings):
        return required | frozenset({"session_token"} if settings.access_key_id else ())
    if isinstance(settings, SftpSettings):
        return required | frozenset({"passphrase"} if settings.auth == "private_key" else ())
    if isinstance(settings, HttpSettings | GcsSettings | AzureBlobSettings):
        return required
    return frozenset(SECRET_FIELDS[settings.kind]) - {"client_key"} | required


def settings_of(stored: Mapping[str, Any]) -> ConnectionSettings:
    """The typed settings of a stored connection."""
    return _SETTINGS.validate_python(stored)
