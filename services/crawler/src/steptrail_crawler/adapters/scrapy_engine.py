"""Crawls by Scrapy on our own event loop: its scheduler, slots and engine; our fetcher is its only door to the network.

Scrapy runs without a Twisted reactor (`TWISTED_REACTOR_ENABLED` off), so any number of crawls live in one process, each
on the loop it was started in. Its download handler asks `PageFetcher`: one egress policy, one robots.txt, one body
limit, one way to name failures for single pages and crawls. Imported lazily: Scrapy takes half a second to import.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from scrapy import Request, Spider
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.crawler import AsyncCrawlerRunner
from scrapy.http import Response
from scrapy.utils.gz import gunzip, gzip_magic_number
from scrapy.utils.sitemap import Sitemap
from steptrail_checks.pages import PageSubject
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass
from w3lib.url import canonicalize_url

from steptrail_crawler.adapters.http import MAX_BODY_BYTES, USER_AGENT
from steptrail_crawler.adapters.pages import Page, PageFetcher, Visit
from steptrail_crawler.domain.address import origin
from steptrail_crawler.domain.site import MAX_LINKS, CrawlReport, CrawlRules, PageFact, absolute

MAX_SITEMAPS = 50
_LARGE_BYTES = 256 * 1024
"""Pages above this are parsed in a thread, so that other checks go on."""
_STOP_SECONDS = 2.0
_HEAD_UNKNOWN = frozenset({400, 403, 404, 405, 500, 501, 503})
"""Answers to HEAD that do not say what a GET would be answered."""
_SETTINGS: dict[str, Any] = {
    "TWISTED_REACTOR_ENABLED": False,
    "LOG_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
    "EXTENSIONS_BASE": {},
    "DOWNLOAD_VERIFY_CERTIFICATES": True,
    "DOWNLOAD_HANDLERS_BASE": {},
    "DOWNLOAD_HANDLERS": {scheme: f"{__name__}.FetcherDownloadHandler" for scheme in ("http", "https")},
    "DOWNLOAD_MAXSIZE": MAX_BODY_BYTES,
    "DOWNLOADER_MIDDLEWARES_BASE": {},
    "SPIDER_MIDDLEWARES_BASE": {},
    "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
    "ROBOTSTXT_OBEY": False,  # the fetcher does, on every hop
    "DOWNLOAD_DELAY": 0,
    "USER_AGENT": USER_AGENT,
    "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
    "WARN_ON_GENERATOR_RETURN_VALUE": False,
}


@dataclass(slots=True)
class CrawlResult:
    """The start page and the report of its site."""

    start: Page
    report: CrawlReport


class FetcherDownloadHandler(BaseDownloadHandler):
    """Scrapy's door to the network. Failures are answers too: they travel in `request.meta["failed"]`."""

    lazy = False

    async def download_request(self, request: Request) -> Response:
        spider: Any = self.crawler.spider
        try:
            request.meta["page"] = page = await spider.fetch(request)
        except CheckFailed as error:
            request.meta["failed"] = error
            return Response(request.url, status=599)
        return Response(page.answer.url, status=page.answer.status)


class SiteSpider(Spider):
    """Walks one site breadth first, within its rules."""

    name = "steptrail"

    def __init__(self, fetcher: PageFetcher, visit: Visit, rules: CrawlRules, **named: Any) -> None:
        super().__init__(**named)
        self.fetcher = fetcher
        self.visit = visit
        self.rules = rules
        self.report = CrawlReport()
        self.first: Page | None = None
        self.failed: CheckFailed | None = None
        self._known: set[str] = set()
        self._pages = 0
        self._sitemaps = 0

    async def start(self) -> AsyncIterator[Any]:
        for request in self._page(self.rules.start, 0):
            yield request
        for request in await self._sitemap_requests():
            yield request

    async def fetch(self, request: Request) -> Page:
        """The page of a request; for links that are only tried HEAD first. Raises `CheckFailed`."""
        if self.report.bytes > self.rules.crawl.max_bytes:
            self._stop("max_bytes")
            raise CheckFailed(FailureClass.TOO_LARGE, "the crawl has ended", reason="stopped")
        page = await self.fetcher.fetch(self.visit, request.url, method=request.method)
        if request.method == "HEAD" and page.answer.status in _HEAD_UNKNOWN:
            page = await self.fetcher.fetch(self.visit, request.url)
        self.report.bytes += len(page.answer.body)
        return page

    async def parse(self, response: Response) -> AsyncIterator[Any]:
        """A page that belongs to the crawl: its facts, and its links."""
        request: Any = response.request
        url, depth = request.url, request.meta["depth"]
        page, failed = request.meta.get("page"), request.meta.get("failed")
        if page is None:
            self._missed(url, depth, failed)
            return
        if depth == 0 and self.first is None and url == self.rules.start:
            self.first = page
        self._known.add(canonicalize_url(page.answer.url))
        subject = PageSubject(page.answer.status, page.answer.url, page.answer.headers, page.answer.body, 0.0)
        large = len(page.answer.body) > _LARGE_BYTES
        links = await asyncio.to_thread(_links, subject) if large else _links(subject)
        self._note(url, depth, page, subject)
        if page.answer.status < 400 and self.rules.of_site(page.answer.url):
            for link, is_page in links:
                for following in self._followed(link, url, depth + 1, is_page):
                    yield following

    async def parse_link(self, response: Response) -> None:
        """A link that is only tried."""
        request: Any = response.request
        failed = request.meta.get("failed")
        self.report.links_tried += 1
        if failed is not None and failed.reason in _NOT_BROKEN:
            self.report.skipped[failed.reason] += 1
        else:
            self.report.outcome(request.url, None if failed else response.status, failed.message if failed else None)

    async def parse_sitemap(self, response: Response) -> AsyncIterator[Any]:
        request: Any = response.request
        page = request.meta.get("page")
        if page is None or page.answer.status != 200:
            self.report.skipped["sitemap_missing"] += 1
            return
        body = page.answer.body
        if gzip_magic_number(Response(response.url, body=body)):
            body = gunzip(body, max_size=MAX_BODY_BYTES)
        try:
            sitemap = Sitemap(body)
            links = [absolute(response.url, str(entry.get("loc", ""))) for entry in sitemap]
        except Exception:  # (lxml and Scrapy raise what they like for what is no sitemap)
            self.report.skipped["sitemap_unreadable"] += 1
            return
        for link in filter(None, links):
            of_index = sitemap.type == "sitemapindex"
            for following in self._sitemap(link) if of_index else self._followed(link, response.url, 0, True):
                yield following

    # --- what to ask next --------------------------------------------------------------------------------------------

    async def _sitemap_requests(self) -> list[Request]:
        wanted = self.rules.crawl.sitemap
        if isinstance(wanted, str):
            return self._sitemap(wanted)
        if not wanted:
            return []
        rules = await self.fetcher.robots.rules(
            self.rules.start, deadline=self.visit.deadline, tls=self.visit.tls_for(self.rules.start)
        )
        found = list(rules.sitemaps) if rules is not None else []
        links = [absolute(self.rules.start, link) for link in found or ["/sitemap.xml"]]
        return [request for link in links if link for request in self._sitemap(link)]

    def _sitemap(self, url: str) -> list[Request]:
        if self._sitemaps >= MAX_SITEMAPS or not self.rules.of_site(url) or not self._new(f"sitemap {url}"):
            return []
        self._sitemaps += 1
        return [self._request(url, 0, self.parse_sitemap)]

    def _followed(self, link: str, source: str, depth: int, is_page: bool) -> list[Request]:
        """The requests a link leads to: its page, a try whether it works, or none."""
        self.report.linked(link, source)
        if is_page and self.rules.followed(link, depth):
            if self._pages < self.rules.crawl.max_pages:
                return self._page(link, depth)
            if canonicalize_url(link) not in self._known:
                self._stop("max_pages")
        if not self.rules.tried(link) or len(self._known) >= MAX_LINKS or not self._new(link):
            return []
        return [self._request(link, depth, self.parse_link, method="HEAD")]

    def _page(self, url: str, depth: int) -> list[Request]:
        if not self._new(url):
            return []
        self._pages += 1
        return [self._request(url, depth, self.parse)]

    def _new(self, url: str) -> bool:
        key = canonicalize_url(url)
        if key in self._known:
            return False
        self._known.add(key)
        return True

    def _request(self, url: str, depth: int, callback: Any, method: str = "GET") -> Request:
        return Request(url, method=method, callback=callback, meta={"depth": depth}, dont_filter=True)

    # --- what was seen -----------------------------------------------------------------------------------------------

    def _note(self, url: str, depth: int, page: Page, subject: PageSubject) -> None:
        answer, report = page.answer, self.report
        report.outcome(url, answer.status, None)
        title = None
        if subject.is_html and answer.status < 400:
            title = subject.title
            if not title:
                report.untitled.append(answer.url)
            report.mixed += [(answer.url, address) for address in subject.mixed_content]
        seconds = answer.timings.get("total", 0.0)
        report.pages.append(
            PageFact(url, depth, answer.status, title, len(answer.body), seconds, tuple(page.redirects))
        )

    def _missed(self, url: str, depth: int, failed: CheckFailed | None) -> None:
        reason = failed.reason if failed is not None else None
        if url == self.rules.start:
            self.failed = failed
        if failed is not None and reason in _NOT_BROKEN:
            self.report.skipped[str(reason)] += 1
            return
        problem = failed.message if failed is not None else "no answer"
        self.report.outcome(url, None, problem)
        self.report.pages.append(PageFact(url, depth, problem=problem))

    def _stop(self, limit: str) -> None:
        self.report.stopped = self.report.stopped or limit


_NOT_BROKEN = frozenset(
    {"robots_txt", "crawl_delay", "stopped", "egress_denied", "port_denied", "bad_url", "target_rate"}
)
"""Failures that say something about us, not about the link."""


def _links(subject: PageSubject) -> list[tuple[str, bool]]:
    """(address, whether it leads to a page) of every link, in order; also warms what is asked of the page later."""
    if not subject.is_html or subject.status >= 400:
        return []
    try:
        tree = subject.tree
    except CheckFailed:
        return []
    base = absolute(subject.url, next(iter(tree.xpath("//base/@href").getall()), "")) or subject.url
    pages = tree.xpath("//a/@href | //area/@href").getall()
    parts = tree.xpath("//img/@src | //script/@src | //iframe/@src | //link[@rel='stylesheet']/@href").getall()
    found = [(absolute(base, link), True) for link in pages] + [(absolute(base, link), False) for link in parts]
    return list(dict.fromkeys((link, is_page) for link, is_page in found if link is not None))


async def crawl(fetcher: PageFetcher, visit: Visit, rules: CrawlRules) -> CrawlResult:
    """The site around the start. Ends at the visit's deadline with what it has. Raises `CheckFailed` when the start
    itself cannot be fetched; cancelling it stops the crawl."""
    logging.getLogger("scrapy").setLevel(logging.CRITICAL)  # failures of sites are results, not log lines
    limits = {"CONCURRENT_REQUESTS": rules.crawl.concurrency, "CONCURRENT_REQUESTS_PER_DOMAIN": rules.crawl.concurrency}
    runner = AsyncCrawlerRunner({**_SETTINGS, **limits})
    crawler = runner.create_crawler(SiteSpider)
    task = asyncio.ensure_future(runner.crawl(crawler, fetcher=fetcher, visit=visit, rules=rules))
    try:
        await asyncio.wait({task}, timeout=max(visit.deadline - time.monotonic(), 0.0))
    except asyncio.CancelledError:
        await _stopped(runner, task)
        raise
    in_time = task.done()
    if not in_time:
        await _stopped_in_spite(runner, task)
    if in_time:
        task.result()
    spider: Any = crawler.spider
    if spider.first is None:
        raise spider.failed or _out_of_time(visit, rules)
    if not in_time:
        spider.report.stopped = "timeout"
    return CrawlResult(spider.first, spider.report)


async def _stopped(runner: AsyncCrawlerRunner, task: "asyncio.Future[Any]") -> None:
    await asyncio.wait({asyncio.ensure_future(runner.stop()), task}, timeout=_STOP_SECONDS)


async def _stopped_in_spite(runner: AsyncCrawlerRunner, task: "asyncio.Future[Any]") -> None:
    """Stopped, even if the step's hard limit comes meanwhile: the crawl's own time had passed before, and what was seen
    in it is told. On a busy machine stopping takes longer than the little time between the two."""
    stopping = asyncio.ensure_future(_stopped(runner, task))
    try:
        await asyncio.shield(stopping)
    except asyncio.CancelledError:
        await stopping


def _out_of_time(visit: Visit, rules: CrawlRules) -> CheckFailed:
    return CheckFailed(FailureClass.TIMEOUT, f"{origin(rules.start)[1]} did not answer in time", reason="read")
