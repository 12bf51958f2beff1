"""Many tabs, many processes, many steps, and a server that restarts under an open page."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing
from .product import Product, eventually
from .screens import loaded
from .topologies import embedded

PROCESS = "order-to-cash-demo"
TABS = 8
PROCESSES = int(os.environ.get("STEPTRAIL_CROWD", "1000"))
"""Making them takes longer than looking at them: `make e2e` makes 5,000."""
STEPS = 100
MOST_HEAP_BYTES = 400_000_000
MOST_NODES = 20_000
"""Elements on a page that shows only what fits its window, however long its list."""

SCROLL: Final = """async () => {
    let frames = 0, longest = 0, before = performance.now();
    const start = before, end = start + 3000;
    while (performance.now() < end) {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        longest = Math.max(longest, now - before);
        before = now;
        frames += 1;
        window.scrollBy(0, 120);
    }
    return { per_second: frames / ((performance.now() - start) / 1000), longest_ms: longest,
             heap_bytes: performance.memory.usedJSHeapSize, nodes: document.querySelectorAll('*').length };
}"""
"""Scroll down for three seconds as a wheel does, and count what is drawn."""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """An installation of its own with thousands of processes, one of them with a hundred steps."""
    with embedded(tmp_path_factory.mktemp("crowded")) as product:
        with product.client() as client, ThreadPoolExecutor(4) as pool:

            def make(document: dict[str, Any]) -> None:
                answer = client.post("/processes", json=document)
                assert answer.status_code == 201, answer.text

            list(pool.map(make, (small(number) for number in range(PROCESSES))))
            make(long())
        yield product


def small(number: int) -> dict[str, Any]:
    step = {
        "id": "page",
        "name": "The shop answers",
        "check": {"type": "web_crawl", "connection": "demo-shop", "path": "/"},
    }
    return {
        "version": 1,
        "process": f"process-{number:04}",
        "name": f"Process {number:04}",
        "category": f"category {number % 20}",
        "tags": ["crowd"],
        "steps": [step],
    }


def long() -> dict[str, Any]:
    check = {"type": "file_check", "connection": "demo-bank-out", "path": "stock.csv"}
    steps = [{"id": f"step_{number}", "name": f"Step number {number}", "check": check} for number in range(STEPS)]
    return {"version": 1, "process": "long-chain", "name": "A hundred steps", "steps": steps}


def smooth(page: Page, record: Any, name: str) -> None:
    """Scroll, write down the figures, and fail when the page grows without bound.

    How many frames are drawn depends on the machine and is only told: see docs/performance.md.
    """
    figures = page.evaluate(SCROLL)
    record(name, json.dumps(figures))
    print(f"{name}: {figures['per_second']:.0f} frames/s, longest {figures['longest_ms']:.0f} ms, "
          f"heap {figures['heap_bytes'] / 1e6:.0f} MB, {figures['nodes']} elements")  # fmt: skip
    assert figures["heap_bytes"] <= MOST_HEAP_BYTES, figures
    assert figures["nodes"] <= MOST_NODES, figures


@pytest.mark.timeout(900)
@pytest.mark.req("FR-001")
@pytest.mark.req("FR-017")
def test_thousands_of_processes_stay_smooth(crowded: Product, browser: Browser, record_property: Any) -> None:
    """Overview and list scroll, and the last process is found by its name."""
    with browsing(crowded, browser) as page:
        for name, path in (("overview", "/"), ("processes", "/processes")):
            page.goto(path)
            loaded(page)
            expect(page.get_by_role("link", name="Process 0001", exact=True).first).to_be_attached()
            smooth(page, record_property, name)
        page.goto("/processes")
        last = f"Process {PROCESSES - 1:04}"
        page.get_by_label("Search processes").fill(last)
        expect(page.get_by_role("link", name=last, exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="Process 0001", exact=True)).to_have_count(0)


@pytest.mark.timeout(900)
@pytest.mark.req("FR-018")
def test_a_chain_of_a_hundred_steps_stays_smooth(crowded: Product, browser: Browser, record_property: Any) -> None:
    """A run of it is watched to its end, and its page scrolls."""
    with browsing(crowded, browser) as page:
        page.goto("/processes/long-chain")
        loaded(page)
        run = crowded.start("long-chain")
        assert crowded.wait(run, 120)["status"] == "success"
        expect(page.get_by_test_id("verdict")).to_contain_text("All 100 steps passed")
        smooth(page, record_property, "a hundred steps")


@pytest.mark.req("NFR-006")
def test_a_server_that_restarts_under_an_open_page(tmp_path: Path, browser: Browser) -> None:
    """The page says that it is not live, mends itself, and shows the run that was started afterwards."""
    with embedded(tmp_path) as product, browsing(product, browser) as page:
        scheduled = hourly(product)
        page.goto(f"/processes/{PROCESS}")
        live = page.get_by_test_id("live")
        expect(live).to_have_text("live")
        product.processes["steptrail"].kill()
        expect(page.get_by_text("The live connection is lost")).to_be_visible()
        stay_away(product, minutes=90)
        product.processes["steptrail"].start()
        expect(live).to_have_text("live", timeout=90_000)
        expect(page.get_by_text("The live connection is lost")).to_have_count(0)
        assert product.check(PROCESS, "4711")["status"] == "stuck"
        expect(page.get_by_test_id("verdict")).to_contain_text("stuck at 5")
        page.goto(f"/processes/{scheduled}")
        page.get_by_text("Next and past ticks").click()
        missed = page.get_by_role("table", name="Ticks").get_by_role("row").filter(has_text="missed")
        expect(missed.first).to_be_visible()
        with product.client() as client:
            (schedule,) = client.get("/schedules", params={"process_id": scheduled}).json()["items"]
            ticks = client.get(f"/schedules/{schedule['schedule_id']}/ticks").json()["items"]
            count = sum(tick["count"] for tick in ticks if tick["outcome"] == "missed")
            assert count in (2, 3)  # in 90 minutes, by the clock
            figures = f"/metrics/processes/{scheduled}"
            eventually(lambda: client.get(figures).json()["missed_starts"] == count, 30)
        page.goto(f"/history/trends?process_id={scheduled}")
        expect(page.get_by_text(f"{count} scheduled starts were missed")).to_be_visible()


def hourly(product: Product) -> str:
    """A process that runs by itself every hour; its id."""
    document = small(0) | {"process": "by-itself", "name": "By itself", "schedule": [{"every": "1h"}]}
    with product.client() as client:
        answer = client.post("/processes", json=document)
        assert answer.status_code == 201, answer.text
        eventually(lambda: client.get("/schedules", params={"process_id": "by-itself"}).json()["items"])
    return "by-itself"


def stay_away(product: Product, *, minutes: int) -> None:
    """Nothing runs; what was due next became due so long ago. Times are kept as microseconds since 1970."""
    due = int((time.time() - minutes * 60) * 1_000_000)
    with closing(sqlite3.connect(product.folder / "data" / "orchestrator.sqlite")) as store, store:
        moved = store.execute("update schedules set tick_at = ?, fire_at = ?", (due, due)).rowcount
    assert moved == 1


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize("product", ["distributed"], indirect=True)
def test_a_gateway_that_restarts_under_an_open_page(product: Product, page: Page) -> None:
    """The same where the gateway is one of many services: what ended while it was away is there when it is back."""
    page.goto(f"/processes/{PROCESS}")
    live = page.get_by_test_id("live")
    expect(live).to_have_text("live")
    product.processes["gateway-1"].kill()
    expect(page.get_by_text("The live connection is lost")).to_be_visible()
    with product.client(gateway=1) as client:
        body = {"process_id": PROCESS, "inputs": {"order_id": "4711"}}
        run = client.post("/runs", json=body).json()["run_id"]
        eventually(lambda: client.get(f"/runs/{run}").json()["status"] == "stuck", 60)
    product.processes["gateway-1"].start()
    expect(live).to_have_text("live", timeout=90_000)
    expect(page.get_by_text("The live connection is lost")).to_have_count(0)
    expect(page.get_by_test_id("verdict")).to_contain_text("stuck at 5")
    expect(page.locator(f"[data-run='{run}']")).to_have_attribute("aria-current", "true")


@pytest.mark.req("FR-009")
def test_eight_tabs_share_one_stream(product: Product, browser: Browser) -> None:
    """One browser asks for events once, and every tab shows the run; the next tab takes over when the first closes."""
    with browsing(product, browser, reduced_motion="reduce") as first:
        expect(first.get_by_test_id("live")).to_have_text("live")
        asked: list[Page] = []
        first.context.on(
            "request", lambda request: asked.append(request.frame.page) if is_stream(request.url) else None
        )
        tabs = [first.context.new_page() for _ in range(TABS)]
        for tab in tabs:
            tab.goto(f"/processes/{PROCESS}")
        for tab in tabs:
            expect(tab.get_by_test_id("live")).to_have_text("live")
        assert asked == [], "the tab that was there reads for all"
        product.check(PROCESS, "4712")
        for tab in tabs:
            expect(tab.get_by_test_id("verdict")).to_contain_text("passed", ignore_case=True)
        first.close()
        eventually(lambda: tabs[0].wait_for_timeout(50) or len(asked) == 1, 30)
        product.check(PROCESS, "4711")
        for tab in tabs:
            expect(tab.get_by_test_id("verdict")).to_contain_text("stuck at 5")
        assert len(asked) == 1


def is_stream(url: str) -> bool:
    return url.split("?")[0].endswith("/api/v1/events")
