"""Pages kept for conditional requests: a server that says `304 Not Modified` need not send the page again."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from steptrail_crawler.adapters.http import Answer
from steptrail_crawler.adapters.tls import TlsOptions

MAX_PAGES = 256
MAX_PAGE_BYTES = 1024 * 1024
MAX_BYTES = 16 * 1024 * 1024
_UPDATED = frozenset({"date", "expires", "cache-control", "etag", "last-modified", "vary", "content-location"})
"""Headers that a 304 brings up to date (RFC 9111, 3.2; those a 304 must send)."""


def key_of(url: str, headers: Mapping[str, str], tls: TlsOptions) -> str:
    """What a kept page belongs to: its address and everything that was sent, credentials included, as a digest."""
    sent = "\n".join(f"{name.lower()}: {value}" for name, value in sorted(headers.items()) if name != "traceparent")
    return hashlib.sha256(f"{url}\n{tls}\n{sent}".encode("utf-8", errors="replace")).hexdigest()


class PageCache:
    """In memory, bounded in pages and bytes; the page unused for longest goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._bytes = 0

    def conditions(self, key: str) -> dict[str, str]:
        """The headers that ask whether the kept page is still right; none if there is no such page."""
        kept = self._kept.get(key)
        if kept is None:
            return {}
        etag, modified = kept.header("etag"), kept.header("last-modified")
        return ({"If-None-Match": etag} if etag else {}) | ({"If-Modified-Since": modified} if modified else {})

    def revived(self, key: str, answer: Answer) -> Answer | None:
        """The kept page with the headers of the 304, or None if it is gone meanwhile."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        news = [pair for pair in answer.headers if pair[0].lower() in _UPDATED]
        names = {name.lower() for name, _ in news}
        headers = [pair for pair in kept.headers if pair[0].lower() not in names] + news
        return replace(answer, status=kept.status, reason=kept.reason, headers=headers, body=kept.body)

    def keep(self, key: str, answer: Answer) -> None:
        """Keep a page that can be asked for conditionally; anything else under its key is dropped."""
        self._drop(key)
        control = (answer.header("cache-control") or "").lower()
        validated = answer.header("etag") or answer.header("last-modified")
        if answer.status != 200 or answer.truncated or not validated or "no-store" in control:
            return
        if len(answer.body) > MAX_PAGE_BYTES or answer.header("set-cookie") or answer.header("vary") == "*":
            return
        self._kept[key] = answer
        self._bytes += len(answer.body)
        while len(self._kept) > MAX_PAGES or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        gone = self._kept.pop(key, None)
        self._bytes -= len(gone.body) if gone else 0
