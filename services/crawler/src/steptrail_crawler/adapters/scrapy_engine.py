"""A warm Scrapy engine on our own event loop: requests go through Scrapy's downloader and its middlewares.

Scrapy runs without a Twisted reactor (`TWISTED_REACTOR_ENABLED` off), so any number of engines live in one process,
each on the loop it was started in. The only thing that connects is `PolicyDownloadHandler`, over `HttpClient`: one
egress policy, one body limit, one way to name failures for pages, APIs and files. Imported lazily: Scrapy takes
half a second to import.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from scrapy import Request, Spider, signals
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.crawler import AsyncCrawlerRunner, Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import DontCloseSpider, IgnoreRequest
from scrapy.http import Headers, Response
from scrapy.http.request import NO_CALLBACK
from scrapy.responsetypes import responsetypes
from scrapy.robotstxt import RobotParser

from steptrail_crawler.adapters.http import MAX_BODY_BYTES, USER_AGENT, Answer, CookieJar, Credentials, Hop, HttpClient
from steptrail_crawler.domain.address import MAX_REDIRECTS, origin

ROBOTS_SECONDS = 300.0
"""How long a robots.txt is remembered."""
_MAX_ROBOTS = 1000
_START_SECONDS = 10.0
_SETTINGS: dict[str, Any] = {
    "TWISTED_REACTOR_ENABLED": False,
    "LOG_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
    "EXTENSIONS_BASE": {},
    "DOWNLOAD_VERIFY_CERTIFICATES": True,
    "DOWNLOAD_HANDLERS_BASE": {},
    "DOWNLOAD_HANDLERS": {scheme: f"{__name__}.PolicyDownloadHandler" for scheme in ("http", "https")},
    "DOWNLOAD_MAXSIZE": MAX_BODY_BYTES,
    "DOWNLOADER_MIDDLEWARES_BASE": {
        f"{__name__}.RobotsMiddleware": 100,
        "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware": 500,
        "scrapy.downloadermiddlewares.redirect.RedirectMiddleware": 600,
    },
    "ROBOTSTXT_OBEY": True,
    "REFERER_ENABLED": False,
    "REDIRECT_MAX_TIMES": MAX_REDIRECTS,
    "CONCURRENT_REQUESTS": 0,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
    "DOWNLOAD_DELAY": 0,
    "USER_AGENT": USER_AGENT,
    "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
    "WARN_ON_GENERATOR_RETURN_VALUE": False,
}


class PolicyDownloadHandler(BaseDownloadHandler):
    """Scrapy's door to the network: the request as one hop of `HttpClient`."""

    lazy = False

    async def download_request(self, request: Request) -> Response:
        """The answer decoded. Raises `CheckFailed`. The whole answer is kept with the visit."""
        visit: _Visit = request.meta["visit"]
        headers = {name.decode("latin-1"): _joined(values) for name, values in request.headers.items()}
        if origin(request.url) == visit.origin:
            headers = {**headers, **visit.headers}
        if visit.credentials is not None:
            headers = {**headers, **visit.credentials.for_url(request.url)}
        headers = {**headers, **visit.cookies.for_url(request.url)}
        answer = await visit.client.send(
            Hop(request.method, request.url, headers, request.body or None, visit.deadline, visit.verify_tls)
        )
        for phase, seconds in answer.timings.items():
            visit.timings[phase] = visit.timings.get(phase, 0.0) + seconds
        if not request.meta.get("dont_obey_robotstxt"):
            visit.page = answer
            visit.cookies.keep(answer)
        kept = [(name, value) for name, value in answer.headers if name.lower() != "content-encoding"]
        answered = Headers([(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in kept])
        kind = responsetypes.from_args(headers=answered, url=request.url, body=answer.body)
        return kind(request.url, status=answer.status, headers=answered, body=answer.body)


def _joined(values: list[bytes]) -> str:
    return ", ".join(value.decode("latin-1") for value in values)


class RobotsMiddleware(RobotsTxtMiddleware):
    """Scrapy's robots.txt middleware with rules that age, fetched the way the page itself is."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._rules: dict[tuple[tuple[str, str, int], bool], tuple[float, RobotParser]] = {}

    async def robot_parser(self, request: Request) -> RobotParser | None:
        visit: _Visit = request.meta["visit"]
        key = (origin(request.url), visit.verify_tls)
        known = self._rules.get(key)
        if known is not None and time.monotonic() - known[0] < ROBOTS_SECONDS:
            return known[1]
        if len(self._rules) >= _MAX_ROBOTS:
            self._rules.clear()
        parser = await self._fetched(request, visit)
        if parser is not None:
            self._rules[key] = (time.monotonic(), parser)
        return parser

    async def _fetched(self, request: Request, visit: "_Visit") -> RobotParser | None:
        """None for trouble that the page itself will show as well; a site without the file has no rules."""
        scheme, host, port = origin(request.url)
        name = f"[{host}]" if ":" in host else host
        robots = Request(
            f"{scheme}://{name}:{port}/robots.txt",
            meta={"dont_obey_robotstxt": True, "visit": visit},
            callback=NO_CALLBACK,
        )
        try:
            response = await self.crawler.engine.download_async(robots)
        except Exception:
            return None
        if response.status != 200:
            return self._parserimpl.from_crawler(self.crawler, b"")
        return self._parserimpl.from_crawler(self.crawler, response.body)


class _Visit:
    """What the download handler needs of one page visit."""

    def __init__(
        self,
        client: HttpClient,
        url: str,
        *,
        headers: dict[str, str],
        credentials: Credentials | None,
        deadline: float,
        verify_tls: bool,
    ) -> None:
        self.client = client
        self.origin = origin(url)
        self.headers = headers
        self.credentials = credentials
        self.deadline = deadline
        self.verify_tls = verify_tls
        self.cookies = CookieJar()
        self.page: Answer | None = None
        self.timings: dict[str, float] = {}


class _Doorman(Spider):
    """Keeps the engine open; requests come from outside."""

    name = "steptrail"

    async def start(self) -> AsyncIterator[Any]:
        nothing: tuple[Any, ...] = ()
        for item in nothing:
            yield item


class TooManyRedirects(Exception):
    """More than `MAX_REDIRECTS`."""


class ForbiddenByRobots(Exception):
    """The site's robots.txt asks us to stay away."""


class ScrapyEngine:
    """Started by the first visit, closed with the worker. All visits share it."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._starting = asyncio.Lock()
        self._runner: AsyncCrawlerRunner | None = None
        self._crawler: Crawler | None = None

    async def visit(
        self,
        url: str,
        *,
        headers: dict[str, str],
        credentials: Credentials | None,
        deadline: float,
        verify_tls: bool,
    ) -> tuple[Answer, list[str]]:
        """(the page, the addresses that redirected to it).

        Raises `CheckFailed`, `ForbiddenByRobots`, `TooManyRedirects`.
        """
        crawler = await self._started()
        visit = _Visit(
            self._client, url, headers=headers, credentials=credentials, deadline=deadline, verify_tls=verify_tls
        )
        request = Request(url, meta={"visit": visit}, dont_filter=True, callback=NO_CALLBACK)
        try:
            response = await crawler.engine.download_async(request)
        except IgnoreRequest as error:
            if "robots" in str(error):
                raise ForbiddenByRobots from error
            raise TooManyRedirects from error
        if visit.page is None:
            raise RuntimeError("Scrapy made up a response")
        visited = list(response.request.meta.get("redirect_urls", [])) if response.request else []
        return replace(visit.page, timings=visit.timings), visited

    async def close(self) -> None:
        """Stop the engine; nothing of it stays behind."""
        if self._runner is not None:
            await self._runner.stop()
            await self._runner.join()
            self._runner = self._crawler = None

    async def _started(self) -> Crawler:
        async with self._starting:
            if self._crawler is None:
                self._runner, self._crawler = await self._start()
            return self._crawler

    async def _start(self) -> tuple[AsyncCrawlerRunner, Crawler]:
        logging.getLogger("scrapy").setLevel(logging.CRITICAL)  # failures of sites are results, not log lines
        runner = AsyncCrawlerRunner(_SETTINGS)
        crawler = runner.create_crawler(_Doorman)
        opened = asyncio.get_running_loop().create_future()
        crawler.signals.connect(_stay_open, signals.spider_idle)

        def on_started() -> None:
            if not opened.done():
                opened.set_result(None)

        crawler.signals.connect(on_started, signals.engine_started, weak=False)
        task = runner.crawl(crawler)
        async with asyncio.timeout(_START_SECONDS):
            await asyncio.wait({task, opened}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            raise RuntimeError("the crawl engine ended at once")
        return runner, crawler


def _stay_open() -> None:
    raise DontCloseSpider
