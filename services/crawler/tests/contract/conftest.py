"""A real Chromium and two sites, for the tests of rendered pages."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from steptrail_common.contracts.workers import StepResult
from steptrail_crawler.adapters import processes
from steptrail_crawler.adapters.browser import BrowserPool
from steptrail_crawler.adapters.pages import PageFetcher
from steptrail_crawler.adapters.rendered import RenderedKind

from ..conftest import Checks, Site, _served, answer

MEMORY_BYTES = 1_500_000_000


class Shop:
    """Two sites and one browser for all tests of this module."""

    def __init__(self, checks: Checks, site: Site, other: Site, pool: BrowserPool) -> None:
        self.checks, self.site, self.other, self.pool = checks, site, other, pool

    def page(self, path: str, body: str, **headers: str) -> str:
        self.site.routes[path] = answer(f"<title>T</title>{body}", content_type="text/html", **headers)
        return f"{self.site.url}{path}"

    async def show(self, url: str, *, asserts: Any = None, seconds: float = 20.0, **browser: Any) -> StepResult:
        check = {"type": "web_crawl", "url": url, "browser": {"screenshot": "never", **browser}}
        return await self.checks.run(check, asserts=asserts, timeout_seconds=seconds)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _shop(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> AsyncIterator[Shop]:
    folder = tmp_path_factory.mktemp("rendered")
    async for site in _served("127.0.0.1"):
        async for other in _served("127.0.0.2"):
            checks = Checks(folder, [f"127.0.0.1:{site.port}", f"127.0.0.2:{other.port}"])
            pool = BrowserPool(executable=Path(chromium_path), sandbox=None, max_memory_bytes=MEMORY_BYTES)
            checks.kinds["web_crawl"] = RenderedKind(PageFetcher(checks.client), pool, concurrency=4)
            yield Shop(checks, site, other, pool)
            groups = [running.group for running in pool._all]
            await checks.close()
            assert not [group for group in groups if processes.alive(group)]


@pytest.fixture
def shop(_shop: Shop) -> Shop:
    for site in (_shop.site, _shop.other):
        site.routes.clear()
        site.asked.clear()
    return _shop
