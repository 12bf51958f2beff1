"""Addresses and paths that a definition or connection may name. Where they lead is the egress policy's matter."""

import re
from urllib.parse import urlsplit

from steptrail_common.contracts.definition import MAX_URL
from steptrail_common.contracts.expressions import OPEN

_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]")
"""Blanks, control, invisible and direction characters: none belongs into an address."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
MAX_HEADER = 8192
PLACEHOLDER = "x"
"""Stands for an expression whose value is not known yet."""


def fault_of_url(url: str) -> str | None:
    """What is wrong with an address, or None. Expressions must have been replaced before."""
    if len(url) > MAX_URL:
        return f"may have at most {MAX_URL} characters"
    if _UNSEEN.search(url):
        return "must not hold blanks, line breaks, control or invisible characters"
    if "\\" in url:
        return "must not hold a backslash"
    if not url.lower().startswith(("http://", "https://")):
        return "must begin with http:// or https://"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address: check its host and port"
    if "@" in parts.netloc:
        return "must not hold a user name or password: they belong into the secrets of a connection"
    if not parts.hostname or port == 0:
        return "needs a host: https://shop.example.com/…"
    return None


def fault_of_path(path: str) -> str | None:
    """What is wrong with a path below the base address of a connection, or None."""
    if len(path) > MAX_URL:
        return f"may have at most {MAX_URL} characters"
    if _UNSEEN.search(path) or "\\" in path:
        return "must not hold blanks, line breaks, control or invisible characters, or a backslash"
    if path.startswith("//") or _SCHEME.match(path):
        return "is the part behind the connection's base address: write /orders/…; for a whole address use url"
    return _climbing(path)


def fault_of_file_path(path: str) -> str | None:
    """What is wrong with a path below the folder of a connection, or None. `*` and `?` stand for names."""
    if len(path) > 1000:
        return "may have at most 1000 characters"
    if _CONTROL.search(path) or "\t" in path or path != path.strip():
        return "must not hold line breaks, control characters or outer blanks"
    if "\\" in path or re.match(r"[A-Za-z]:", path):
        return "is relative to the connection's folder and written with /"
    if path.startswith(("/", "~")) or _SCHEME.match(path) or "::" in path:
        return "is relative to the connection's folder: invoices/*.xml"
    return _climbing(path)


def _climbing(path: str) -> str | None:
    plain = path.split("?", 1)[0].replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/")
    if ".." in plain.split("/"):
        return "must not step up with .."
    return None


def fault_of_header(name: str, value: str) -> str | None:
    """What is wrong with a header of a request, or None."""
    if not _HEADER_NAME.match(name):
        return "is no header name: letters, digits and dashes"
    if name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
        return "is set by Steptrail"
    if _CONTROL.search(value) or len(value) > MAX_HEADER:
        return f"must not hold line breaks or control characters, and at most {MAX_HEADER} characters"
    if OPEN not in value and not value.isprintable():
        return "must not hold characters that cannot be printed"
    return None
