"""What sites ask of robots: robots.txt and its crawl-delay, fetched through the egress policy and remembered."""

import asyncio
import time
from collections import defaultdict

from protego import Protego
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.exchange import follow
from steptrail_crawler.adapters.http import USER_AGENT, Hop, HttpClient
from steptrail_crawler.adapters.tls import TlsOptions
from steptrail_crawler.domain.address import origin

ROBOTS_SECONDS = 300.0
"""How long a robots.txt is remembered."""
FETCH_SECONDS = 10.0
MAX_ROBOTS_BYTES = 500 * 1024
"""RFC 9309, 2.5: what lies behind this limit need not be read."""
_MAX_SITES = 1000
_CONNECTING = ("dns", "connect", "tls")
_NAME = USER_AGENT.split("/", maxsplit=1)[0]
_STRICT = TlsOptions()
_Site = tuple[tuple[str, str, int], TlsOptions]


class Robots:
    """One per worker, shared by all checks: the rules of each site, and when its next request is due."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._rules: dict[_Site, tuple[float, Protego]] = {}
        self._locks: defaultdict[_Site, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._next: dict[tuple[str, str, int], float] = {}

    async def admit(
        self, url: str, *, deadline: float, tls: TlsOptions = _STRICT, timings: dict[str, float] | None = None
    ) -> float:
        """Wait until the site's crawl-delay lets us ask; returns the seconds waited. `timings` gets what the connection
        cost if the rules had to be fetched first: the page comes over the same one.

        Raises `CheckFailed`: `robots_txt` when the rules forbid the page, `crawl_delay` when our turn comes after
        `deadline` (by the monotonic clock).
        """
        rules = await self.rules(url, deadline=deadline, tls=tls, timings=timings)
        if rules is None:
            return 0.0
        if not rules.can_fetch(url, USER_AGENT):
            raise forbidden(url)
        delay = _delay(rules)
        return await self._turn(url, delay, deadline) if delay else 0.0

    async def rules(
        self, url: str, *, deadline: float, tls: TlsOptions = _STRICT, timings: dict[str, float] | None = None
    ) -> Protego | None:
        """The rules of the site of an address; None for trouble that the page itself will show as well."""
        site = (origin(url), tls)
        known = self._rules.get(site)
        if known is not None and time.monotonic() - known[0] < ROBOTS_SECONDS:
            return known[1]
        async with self._locks[site]:
            known = self._rules.get(site)
            if known is not None and time.monotonic() - known[0] < ROBOTS_SECONDS:
                return known[1]
            return await self._fetched(site, deadline, {} if timings is None else timings)

    async def _fetched(self, site: _Site, deadline: float, timings: dict[str, float]) -> Protego | None:
        """A site without the file has no rules."""
        (scheme, host, port), tls = site
        name = f"[{host}]" if ":" in host else host
        limit = min(deadline, time.monotonic() + FETCH_SECONDS)
        hop = Hop("GET", f"{scheme}://{name}:{port}/robots.txt", {}, None, limit, tls=tls, counted=False)
        try:
            answer, _ = await follow(self._client, hop, None)
        except CheckFailed:
            return None
        timings.update({phase: answer.timings[phase] for phase in _CONNECTING if phase in answer.timings})
        text = answer.body[:MAX_ROBOTS_BYTES].decode("utf-8", errors="replace") if answer.status == 200 else ""
        rules = Protego.parse(text)
        if len(self._rules) >= _MAX_SITES:
            self._rules.clear()
            self._locks = _unused(self._locks)
            self._next.clear()
        self._rules[site] = (time.monotonic(), rules)
        return rules

    async def _turn(self, url: str, delay: float, deadline: float) -> float:
        now = time.monotonic()
        due = max(self._next.get(origin(url), 0.0), now)
        if due > deadline:
            raise CheckFailed(
                FailureClass.RATE_LIMITED,
                f"robots.txt of {origin(url)[1]} asks for {delay:g} s between requests, and others of ours come first; "
                "check it less often, give the step more time, or write `robots: ignore` if the site is your own",
                reason="crawl_delay",
                ours=True,
            )
        self._next[origin(url)] = due + delay
        if due > now:
            await asyncio.sleep(due - now)
        return due - now


def _unused(locks: "defaultdict[_Site, asyncio.Lock]") -> "defaultdict[_Site, asyncio.Lock]":
    """Only the locks that somebody holds or waits for."""
    return defaultdict(asyncio.Lock, {site: lock for site, lock in locks.items() if lock.locked()})


def _delay(rules: Protego) -> float:
    """Seconds between two requests that the site asks for: its crawl-delay, or its request rate."""
    delay = rules.crawl_delay(USER_AGENT)
    if delay:
        return float(delay)
    rate = rules.request_rate(USER_AGENT)
    return rate.seconds / rate.requests if rate is not None and rate.requests else 0.0


def forbidden(url: str) -> CheckFailed:
    """The site's rules ask us to stay away from a page."""
    return CheckFailed(
        FailureClass.BLOCKED_BY_POLICY,
        f"robots.txt of {origin(url)[1]} asks {_NAME} not to fetch this page: allow it there "
        f"(`User-agent: {_NAME}`), or write `robots: ignore` in the check if the site is your own",
        reason="robots_txt",
        ours=True,
    )
