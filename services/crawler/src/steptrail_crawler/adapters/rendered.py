"""`web_crawl` with `render` or `browser`: the page as Chromium shows it, after what is to be done on it."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from steptrail_checks.port import CheckContext, CheckFailed, Observation, OpenedConnection
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import WebCrawl
from steptrail_common.contracts.checks.web_crawl import RENDERED, Browser

from steptrail_crawler.adapters.api_call import ApiCallKind
from steptrail_crawler.adapters.browser import BrowserPool, Lease, unavailable
from steptrail_crawler.adapters.exchange import http_settings, judge, masker_of
from steptrail_crawler.adapters.filter_proxy import FilterProxy
from steptrail_crawler.adapters.http import USER_AGENT
from steptrail_crawler.adapters.page_attempt import PageAttempt, page_module
from steptrail_crawler.adapters.pages import PageFetcher, Visit
from steptrail_crawler.adapters.robots import forbidden
from steptrail_crawler.adapters.web_crawl import visit_of
from steptrail_crawler.domain.address import invalid, origin, target

if TYPE_CHECKING:
    from steptrail_crawler.adapters.browser_page import PageSession

log = structlog.get_logger()
_LAG_SECONDS = 0.5
"""Of the step's time, left for telling how it went: a page that keeps every processor busy slows this worker too."""


class RenderedKind:
    """Shows pages in a browser. `concurrency`: pages open at once."""

    type = RENDERED

    def __init__(self, fetcher: PageFetcher, pool: BrowserPool, *, concurrency: int) -> None:
        self._fetcher = fetcher
        self._pool = pool
        self.concurrency = concurrency
        self._closing: set[asyncio.Task[None]] = set()

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        if not isinstance(check, WebCrawl):
            raise TypeError(check)
        settings = http_settings(context.connection)
        if settings is not None and (misfit := check.misfit(settings)) is not None:
            raise invalid(f"{misfit[0]}: {misfit[1]}")
        url = target(check.url, settings.base_url if settings else None, check.path)
        judge(self._fetcher.client.policy, url)
        visit = visit_of(check, context, url)
        visit = replace(visit, deadline=visit.deadline - min(_LAG_SECONDS, context.timeout_seconds * 0.1))
        if visit.obey_robots:
            await self._fetcher.robots.admit(url, deadline=visit.deadline, tls=visit.tls_for(url))
        wishes = check.browser or Browser()
        attempt = PageAttempt(context, visit, wishes, url, masker_of(context.connection))
        recorded = await self._visited(attempt, visit, wishes)
        await self._final_rules(attempt, visit)
        return await attempt.observation(recorded)

    async def _visited(self, attempt: PageAttempt, visit: Visit, wishes: Browser) -> bytes | None:
        """The page opened, looked at and closed; the log of its requests, if it is wanted."""
        module = await asyncio.to_thread(page_module)
        recorded: list[bytes] = []
        stack, leases = AsyncExitStack(), list[Lease]()
        try:
            har = _recording(stack, recorded) if wishes.har != "never" else None
            try:
                async with asyncio.timeout(attempt.left()):
                    session = await self._opened(stack, leases, visit, wishes, har)
            except TimeoutError:
                attempt.failed = _late(self._pool, leases)
            else:
                await attempt.run(session)
                attempt.failed = _lost(leases) or attempt.failed
        except module.PlaywrightError as error:
            attempt.failed = _lost(leases) or _disobedient(error)
        finally:
            if not await self._left(stack, visit.deadline):
                for lease in leases:
                    self._pool.doubt(lease.browser)
        return recorded[0] if recorded else None

    async def _opened(
        self, stack: AsyncExitStack, leases: list[Lease], visit: Visit, wishes: Browser, har: Path | None
    ) -> "PageSession":
        """An empty page. `leases`: gets the use of its browser, also if there is no page in the end."""
        proxy = await stack.enter_async_context(FilterProxy(self._fetcher.client.policy))
        leases.append(await stack.enter_async_context(self._pool.lease()))
        session: PageSession = await page_module().page_in(
            stack,
            leases[0].browser,
            proxy,
            wishes,
            headers=_own_headers(visit),
            verify_tls=visit.verify_tls,
            har=har,
            kill=self._pool.kill,
        )
        return session

    async def _left(self, stack: AsyncExitStack, deadline: float) -> bool:
        """Close everything; whether that is done. What a page holds up goes on without the step, whose time is over."""
        closing = asyncio.create_task(stack.aclose(), name="page-close")
        self._closing.add(closing)
        closing.add_done_callback(self._closed)
        await asyncio.wait({closing}, timeout=max(deadline - time.monotonic(), 0.0))
        return closing.done()

    def _closed(self, closing: asyncio.Task[None]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled() and (error := closing.exception()) is not None:
            log.warning("page.not_closed", detail=str(error)[:500])

    async def _final_rules(self, attempt: PageAttempt, visit: Visit) -> None:
        """The place a page redirected to may not want us either."""
        if attempt.failed is not None or attempt.shown is None:
            return
        if not visit.obey_robots or not attempt.shown.redirects:
            return
        rules = await self._fetcher.robots.rules(
            attempt.shown.url, deadline=visit.deadline, tls=visit.tls_for(attempt.shown.url)
        )
        if rules is not None and not rules.can_fetch(attempt.shown.url, USER_AGENT):
            raise forbidden(attempt.shown.url)

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        return await ApiCallKind(self._fetcher.client).test(connection)

    async def close(self) -> None:
        if self._closing:
            await asyncio.wait(self._closing)
        await self._pool.close()


def _recording(stack: AsyncExitStack, recorded: list[bytes]) -> Path:
    """Where a browser writes its log when the page is closed; what it wrote is put into `recorded` then."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="steptrail-page-"))
    path = Path(folder) / "requests.har"

    async def read() -> None:
        if path.exists():
            recorded.append(await asyncio.to_thread(path.read_bytes))

    stack.push_async_callback(read)
    return path


def _own_headers(visit: Visit) -> Callable[[str], dict[str, str]] | None:
    """What a step and its connection send, at their own host only; None if that is nothing."""
    if not visit.headers and (visit.credentials is None or not visit.credentials.headers):
        return None

    def headers(url: str) -> dict[str, str]:
        own = visit.headers if origin(url) == visit.own else {}
        more = visit.credentials.for_url(url) if visit.credentials is not None else {}
        return {name.lower(): value for name, value in {**own, **more}.items()}

    return headers


def _late(pool: BrowserPool, leases: list[Lease]) -> CheckFailed:
    """There is no page yet, so it is not to blame: the browser does not start in time, or is busy with another page."""
    for lease in leases:
        pool.doubt(lease.browser)
    what = "opened no page in time: it may be busy with another one" if leases else "did not start in time"
    return unavailable(f"the browser {what}")


def _lost(leases: list[Lease]) -> CheckFailed | None:
    """The browser went away under the page. Whose fault it was is known only of a page that was alone in it."""
    if not any(lease.lost for lease in leases):
        return None
    if all(lease.alone for lease in leases):
        crashed: CheckFailed = page_module().crashed()
        return crashed
    return unavailable("the browser ended while it showed this page and others, one of which may have broken it")


def _disobedient(error: Exception) -> CheckFailed:
    text = str(error)
    if "crash" in text.lower():
        crashed: CheckFailed = page_module().crashed()
        return crashed
    return unavailable(
        f"the browser does not do what it is told: {text.splitlines()[0][:200] if text else 'no reason'}"
    )
