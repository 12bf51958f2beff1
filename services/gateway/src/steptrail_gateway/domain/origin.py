"""Whether a request comes from our own page, and from which address."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from steptrail_common.errors import Forbidden

REQUEST_HEADER: Final = "X-Steptrail-Request"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_foreign(*, origin: str | None, fetch_site: str | None, own_origin: str) -> None:
    """Raise `Forbidden` when the browser says that another site sent this.

    `own_origin`: scheme, host and port under which the page is reached, e.g. `https://steptrail.example.com`. Programs
    that send neither header are not browsers and pass.
    """
    if fetch_site is not None and fetch_site.strip().lower() not in ("same-origin", "none"):
        raise Forbidden("This request was sent by another site.")
    if origin is not None and _canonical(origin) != _canonical(own_origin):
        raise Forbidden(f"This request was sent by {origin[:200]!r}, not by the page at {own_origin}.")


def refuse_forged(*, header: str | None, origin: str | None, fetch_site: str | None, own_origin: str) -> None:
    """Raise `Forbidden` unless a request that rides on a cookie was made by our own page on purpose."""
    if header != "1":
        raise Forbidden(f"Send the header {REQUEST_HEADER}: 1 with every request that changes something.")
    refuse_foreign(origin=origin, fetch_site=fetch_site, own_origin=own_origin)


def _canonical(origin: str) -> tuple[str, str, int] | None:
    """(scheme, host, port), or None for `null` and everything that is no web origin."""
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def spelled(address: str | None) -> str | None:
    """One spelling per address; an IPv4 address in IPv6 dress is the IPv4 address."""
    if address is None:
        return None
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)
