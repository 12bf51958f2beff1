"""Pages of a list: which request comes next, when it is enough, and all entries as one document."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from steptrail_checks import documents
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.checks.api_call import Pagination
from steptrail_common.contracts.model import FailureClass, Json

from steptrail_crawler.adapters.http import MAX_BODY_BYTES, Answer
from steptrail_crawler.domain.address import origin

_LINK = re.compile(r"<([^<>]{1,8192})>((?:\s*;\s*[^;,\"]+(?:\"[^\"]*\")?)*)")
_REL_NEXT = re.compile(r"(?i);\s*rel\s*=\s*\"?(?:[^\";]*\s)?next(?:\s[^\";]*)?\"?\s*(?:;|$)")


@dataclass(slots=True)
class Pages:
    """The pages seen so far. `take` each answer in turn; it tells the next address, or None at the end."""

    rules: Pagination
    items: list[Json] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    size: int = 0
    last: Json = None

    def begin(self, url: str) -> str:
        """The address of the first page."""
        if self.rules.by in ("page", "offset") and self.rules.parameter is not None:
            url = with_parameter(url, self.rules.parameter, str(self.rules.first))
        self.seen.add(url)
        return url

    def take(self, url: str, answer: Answer) -> str | None:
        """Raises `CheckFailed`: `too_many`, `too_large`, `pagination_loop`, `bad_json`, another host."""
        self.last = documents.parse_json(answer.body, answer.header("content-type"))
        found = documents.find_json(self.last, self.rules.items)
        self.items += found
        self.addresses.append(url)
        self.size += len(answer.body)
        following = None if self._enough() else self._next(url, answer, bool(found))
        if len(self.items) > self.rules.max_items:
            raise _too_many(f"the list has more than {self.rules.max_items} entries")
        if following is None:
            return None
        if len(self.addresses) >= self.rules.max_pages:
            raise _too_many(f"the list has more than {self.rules.max_pages} pages")
        if self.size > MAX_BODY_BYTES:
            raise CheckFailed(FailureClass.TOO_LARGE, f"the pages together are above {MAX_BODY_BYTES // 2**20} MiB")
        if origin(following) != origin(url):
            raise _protocol(f"the next page is at another host, {origin(following)[1]}", "pagination_refused")
        if following in self.seen:
            raise _protocol("the next page was seen already: the list goes in a circle", "pagination_loop")
        self.seen.add(following)
        return following

    def document(self) -> bytes:
        """What assertions see."""
        pages = {"items": self.items, "pages": len(self.addresses), "last": self.last}
        return json.dumps(pages, ensure_ascii=False).encode("utf-8", errors="replace")

    def _enough(self) -> bool:
        return self.rules.until is not None and bool(documents.find_json(self.last, self.rules.until))

    def _next(self, url: str, answer: Answer, any_items: bool) -> str | None:
        return _NEXT[self.rules.by](self, url, answer) if any_items or self.rules.by in ("link", "url") else None

    def _by_link(self, url: str, answer: Answer) -> str | None:
        for name, value in answer.headers:
            if name.lower() == "link":
                for match in _LINK.finditer(value[:65_536]):
                    if _REL_NEXT.search(match[2]):
                        return str(urljoin(url, match[1]))
        return None

    def _by_url(self, url: str, answer: Answer) -> str | None:
        value = self._value()
        return urljoin(url, value) if value else None

    def _by_cursor(self, url: str, answer: Answer) -> str | None:
        value = self._value()
        return with_parameter(url, self.rules.parameter or "cursor", value) if value else None

    def _by_number(self, url: str, answer: Answer) -> str | None:
        number = self.rules.first + self.rules.step * len(self.addresses)
        return with_parameter(url, self.rules.parameter or "page", str(number))

    def _value(self) -> str | None:
        found = [value for value in documents.find_json(self.last, self.rules.next or "$") if value not in (None, "")]
        if not found or found[0] is False:
            return None
        if isinstance(found[0], dict | list | bool):
            raise _protocol("what leads to the next page is neither text nor a number", "pagination_refused")
        return str(found[0])


_NEXT: dict[str, Callable[[Pages, str, Answer], str | None]] = {
    "link": Pages._by_link,
    "url": Pages._by_url,
    "cursor": Pages._by_cursor,
    "page": Pages._by_number,
    "offset": Pages._by_number,
}


def with_parameter(url: str, name: str, value: str) -> str:
    """The address with a query parameter set once, whatever it was before."""
    parts = urlsplit(url)
    pairs: list[tuple[str, Any]] = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*pairs, (name, value)])))


def _too_many(message: str) -> CheckFailed:
    return CheckFailed(
        FailureClass.TOO_MANY, f"{message}: narrow it down or raise the limit", reason="pagination_limit"
    )


def _protocol(message: str, reason: str) -> CheckFailed:
    return CheckFailed(FailureClass.PROTOCOL, message, reason=reason)
