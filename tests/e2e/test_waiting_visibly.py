"""What people see before anything has failed: nobody does the work, or it takes longer than usual."""

import re
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from .product import Product, statuses

PROCESS = "order-to-cash-demo"
USUAL_RUNS = 5
"""As many good runs must be known before anything is called slow."""


@pytest.fixture
def deserted(product: Product) -> Iterator[Product]:
    """Nobody who crawls, calls or looks at files is running, until the end of the test at the latest."""
    crawlers = [process for name, process in product.processes.items() if name.startswith("crawler")]
    for crawler in crawlers:
        crawler.kill()
    yield product
    for crawler in crawlers:
        crawler.kill()  # the one that the test has started
        crawler.start()


@pytest.mark.req("FR-008")
@pytest.mark.req("FR-018")
@pytest.mark.parametrize("product", ["distributed"], indirect=True)
def test_a_run_without_a_worker_waits_visibly_and_goes_on_when_one_comes(deserted: Product, page: Page) -> None:
    """The workers' page is loud about it, a run says that no worker listens, and the next worker takes its step."""
    page.goto("/administration")
    expect(page.get_by_role("alert")).to_contain_text("No worker listens for web page", timeout=90_000)
    expect(page.get_by_role("row").filter(has_text="web page").first).to_contain_text("nobody")
    run = deserted.start(PROCESS, "4712")
    page.goto(f"/runs/{run}")
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text("no worker listens for web_crawl yet")
    expect(verdict).to_have_attribute("data-status", "running")
    expect(page.get_by_role("region", name="Steps")).to_contain_text("no worker listens")
    deserted.processes["crawler-1"].start()
    expect(verdict).to_contain_text("All 7 steps passed")
    assert deserted.wait(run)["status"] == "success"
    page.goto("/administration")
    expect(page.get_by_role("table", name="Queues")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


SLOW_AND_UNDER_WAY: Final = """() =>
    [...document.querySelectorAll('[aria-label=Steps] [role=status]')].some(
        (one) => /slower than usual, ≈ [\\d<]/.test(one.textContent)
    ) && document.querySelector('[data-testid=verdict]').textContent.includes('Checking 1 of 3')"""
"""Asked inside the page, both at once: the step is over a second after it is slow."""


@pytest.mark.req("FR-018")
@pytest.mark.parametrize("product", ["embedded"], indirect=True)
def test_slower_than_usual_is_said_before_the_end_and_after_it(product: Product, page: Page) -> None:
    """Order 4714's page takes 3 s: amber with words while it lasts; afterwards the page opens on that very step. The
    overview says it of a run that looks for a file that never comes."""
    process = copied_demo(product)
    for _ in range(USUAL_RUNS):  # one after the other: together they would be slow, and that would be usual
        assert set(statuses(product.wait(product.start(process, "4712"))).values()) == {"success"}
    page.goto(f"/processes/{process}")
    expect(page.get_by_test_id("verdict")).to_contain_text("All 3 steps passed")
    chain = page.get_by_role("region", name="Steps")
    for patience in (10_000, 10_000, 30_000):  # on a loaded machine the run may be over before the page has drawn it
        run = product.start(process, "4714")
        try:
            page.wait_for_function(SLOW_AND_UNDER_WAY, timeout=patience)
            break
        except PlaywrightTimeout:
            product.wait(run)
    else:
        usual = [(one["duration_seconds"], one["slow_after_seconds"]) for one in product.wait(run)["steps"]]
        said = (page.get_by_test_id("verdict").inner_text(), chain.inner_text())
        pytest.fail(f"never shown of a step under way; seconds and limits: {usual}; the page says {said}")
    assert product.wait(run)["status"] == "success"
    expect(page.get_by_test_id("verdict")).to_contain_text("All 3 steps passed")
    step = chain.get_by_role("button").filter(has_text="The order's page is there")
    expect(step).to_contain_text("slower than usual")
    expect(step).to_have_attribute("aria-current", "step")
    expect(page.get_by_role("heading", name="The order's page is there")).to_be_visible()
    waiting = product.start(process, "4712", file="never-there.csv")
    page.get_by_role("link", name="Overview", exact=True).click()
    processes = page.get_by_role("region", name="Processes")
    expect(processes).to_contain_text(re.compile(r"Slow\s*1 running\s*▲ slower than usual"))
    with product.client() as client:
        assert client.post(f"/runs/{waiting}/cancel").status_code == 202
    expect(processes).not_to_contain_text("slower than usual")


def copied_demo(product: Product) -> str:
    """A process of its own, so that what is usual there is known: the demo's slow page, a quick one,
    and a file that may be waited for."""
    process = f"slow-{uuid4().hex[:8]}"
    where = {"type": "web_crawl", "connection": "demo-shop"}
    steps = [
        {
            "id": "page",
            "name": "The order's page is there",
            "check": {**where, "path": "/orders/${{ inputs.order_id }}"},
        },
        {"id": "shop", "name": "The shop answers", "check": {**where, "path": "/"}},
        {
            "id": "file",
            "name": "The file is there",
            "check": {"type": "file_check", "connection": "demo-bank-out", "path": "${{ inputs.file }}"},
            "wait_until": {"interval": "1s", "timeout": "2m"},
            "assert": [{"count": {"eq": 1}}],
        },
    ]
    inputs = {"order_id": {"type": "string"}, "file": {"type": "string", "default": "stock.csv"}}
    document = {"version": 1, "process": process, "name": "Slow", "inputs": inputs}
    with product.client() as client:
        answer = client.post("/processes", json={**document, "steps": steps})
        assert answer.status_code == 201, answer.text
    return process
