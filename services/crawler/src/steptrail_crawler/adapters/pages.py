"""Fetching pages politely: each hop through the egress policy, robots.txt and the page cache; cookies for one visit.

The light path of `web_crawl`: one warm client, no machinery of a crawler. A crawl fetches its pages here too, so
policy, limits and failure names are the same on every path.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.exchange import joined, judge
from steptrail_crawler.adapters.http import Answer, CookieJar, Credentials, Hop, HttpClient
from steptrail_crawler.adapters.page_cache import PageCache, key_of
from steptrail_crawler.adapters.robots import Robots
from steptrail_crawler.adapters.tls import TlsOptions
from steptrail_crawler.domain.address import MAX_REDIRECTS, origin

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Visit:
    """For whom pages are fetched: what is sent where, and until when (`deadline` by the monotonic clock).

    `headers` go to the origin `own` only, and `own_tls` (a connection's authority and client certificate) is for it
    alone. Cookies live as long as the visit.
    """

    own: tuple[str, str, int]
    headers: Mapping[str, str]
    credentials: Credentials | None
    deadline: float
    verify_tls: bool = True
    own_tls: TlsOptions | None = field(default=None, repr=False)
    obey_robots: bool = True
    conditional: bool = True
    everywhere: Mapping[str, str] = field(default_factory=dict)
    cookies: CookieJar = field(default_factory=CookieJar)

    def tls_for(self, url: str) -> TlsOptions:
        """How the server of an address is met."""
        if self.own_tls is not None and origin(url) == self.own:
            return self.own_tls
        return _STRICT if self.verify_tls else _RELAXED


@dataclass(slots=True)
class Page:
    """A page, where it was redirected from, and how it came. `waited`: seconds for politeness."""

    answer: Answer
    redirects: list[str]
    unchanged: bool = False
    waited: float = 0.0


class PageFetcher:
    """One per worker."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self.robots = Robots(client)
        self._cache = PageCache()

    async def fetch(self, visit: Visit, url: str, *, method: str = "GET", form: bytes | None = None) -> Page:
        """The page behind an address, redirects followed. Raises `CheckFailed`.

        `form`: an encoded form to post; as in browsers a redirect after it is followed by a GET without it.
        """
        judge(self.client.policy, url)
        page = Page(_NOTHING, [])
        timings: dict[str, float] = {}
        started = time.monotonic()
        while True:
            if visit.obey_robots:
                page.waited += await self.robots.admit(
                    url, deadline=visit.deadline, tls=visit.tls_for(url), timings=timings
                )
            page.answer, page.unchanged = await self._one(visit, url, method, form)
            page.waited += page.answer.waited
            for phase, seconds in page.answer.timings.items():
                timings[phase] = timings.get(phase, 0.0) + seconds
            visit.cookies.keep(page.answer)
            location = page.answer.header("location") if page.answer.status in _REDIRECTS else None
            if location is None:
                timings["total"] = time.monotonic() - started - page.waited
                page.answer = replace(page.answer, timings=timings)
                return page
            page.redirects.append(url)
            if len(page.redirects) > MAX_REDIRECTS:
                raise CheckFailed(
                    FailureClass.PROTOCOL, f"more than {MAX_REDIRECTS} redirects", reason="too_many_redirects"
                )
            following = joined(self.client.policy, url, location)
            if form is not None and page.answer.status in (307, 308) and origin(following) != origin(url):
                raise CheckFailed(
                    FailureClass.PROTOCOL, f"the form is redirected to another host, {origin(following)[1]}",
                    reason="redirect_refused",
                )  # fmt: skip
            if form is not None and page.answer.status not in (307, 308):
                method, form = "GET", None
            url = following

    async def _one(self, visit: Visit, url: str, method: str, form: bytes | None) -> tuple[Answer, bool]:
        """(one answer, whether it is a kept page that the server says is unchanged)."""
        headers = {**visit.everywhere}
        if origin(url) == visit.own:
            headers.update(visit.headers)
        if visit.credentials is not None:
            headers.update(visit.credentials.for_url(url))
        cookies = visit.cookies.for_url(url)
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        tls = visit.tls_for(url)
        hop = Hop(method, url, {**headers, **cookies}, form, visit.deadline, tls=tls)
        if not visit.conditional or cookies or method != "GET" or form is not None:
            return await self.client.send(hop), False
        key = key_of(url, headers, tls)
        conditions = self._cache.conditions(key)
        answer = await self.client.send(replace(hop, headers={**hop.headers, **conditions}) if conditions else hop)
        if answer.status == 304 and conditions and (kept := self._cache.revived(key, answer)) is not None:
            return replace(kept, waited=answer.waited), True
        self._cache.keep(key, answer)
        return answer, False


_STRICT, _RELAXED = TlsOptions(), TlsOptions(verify=False)
_NOTHING = Answer(0, "", "", "", [], b"", False)
