"""What people see before anything has failed: nobody does the work, or it takes longer than usual."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from .conftest import WebhookSink
from .product import Product, eventually, statuses

PROCESS = "order-to-cash-demo"
USUAL_RUNS = 5
"""As many good runs must be known before anything is called slow."""
TELLING_SECONDS = 1.0
"""A step that took so much longer than usual is what one wants to see of its run."""
USUAL_SECONDS = 6
"""Long enough that one sees what is left of it."""


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


@pytest.fixture
def held(webhook_sink: WebhookSink) -> Iterator[WebhookSink]:
    """A page that can be held back: it is answered at the end of the test at the latest."""
    yield webhook_sink
    webhook_sink.open.set()


@pytest.mark.req("FR-018")
@pytest.mark.parametrize("product", ["embedded"], indirect=True)
def test_slower_than_usual_is_said_before_the_end_and_after_it(product: Product, held: WebhookSink, page: Page) -> None:
    """A page is not answered until people were told: amber with words while it lasts; afterwards the page opens on that
    very step. The overview says it of a run that looks for a file that never comes."""
    process = three_steps(product, held.page)
    for _ in range(USUAL_RUNS):  # one after the other: together they would be slow, and that would be usual
        assert set(statuses(product.wait(product.start(process))).values()) == {"success"}
    page.goto(f"/processes/{process}")
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text("All 3 steps passed")
    chain = page.get_by_role("region", name="Steps")
    held.open.clear()
    run = product.start(process)
    expect(verdict).to_contain_text("Checking 1 of 3")
    expect(chain.get_by_role("status").filter(has_text=re.compile(r"slower than usual, ≈ [\d<]")).first).to_be_visible()
    expect(verdict).to_contain_text("Checking 1 of 3")
    eventually(lambda: seconds_late(product, run) > TELLING_SECONDS)
    held.open.set()
    assert product.wait(run)["status"] == "success"
    expect(verdict).to_contain_text("All 3 steps passed")
    step = chain.get_by_role("button").filter(has_text="The page is there")
    expect(step).to_contain_text("slower than usual")
    expect(step).to_have_attribute("aria-current", "step")
    expect(page.get_by_role("heading", name="The page is there")).to_be_visible()
    waiting = product.start(process, file="never-there.csv")
    page.get_by_role("link", name="Overview", exact=True).click()
    processes = page.get_by_role("region", name="Processes")
    expect(processes).to_contain_text(re.compile(r"Slow\s*1 running\s*▲ slower than usual"))
    with product.client() as client:
        assert client.post(f"/runs/{waiting}/cancel").status_code == 202
    expect(processes).not_to_contain_text("slower than usual")


@pytest.mark.req("FR-018")
@pytest.mark.req("NFR-001")
@pytest.mark.parametrize("product", ["embedded"], indirect=True)
def test_no_end_is_promised_to_a_run_that_waits_for_its_turn(product: Product, held: WebhookSink, page: Page) -> None:
    """Its own history does not know how long others take: what is left is said of the run under way alone."""
    process = three_steps(product, held.page, concurrency=1)
    held.open.clear()
    first = product.start(process)
    time.sleep(USUAL_SECONDS)  # what is usual has to be known, and to be long enough to count down
    held.open.set()
    assert product.wait(first)["status"] == "success"
    held.open.clear()
    page.goto(f"/runs/{product.start(process)}")
    facts = page.locator("dl").filter(has_text="Elapsed")
    expect(facts).to_contain_text(re.compile(r"about [\d.]+\ss left"))
    page.goto(f"/runs/{product.start(process)}")
    expect(page.get_by_test_id("verdict")).to_contain_text("waits for its turn")
    expect(facts).to_contain_text("≈")
    assert "left" not in facts.inner_text()


def seconds_late(product: Product, run: str) -> float:
    """By how much the first step, which is under way, takes longer than usual already."""
    with product.client() as client:
        first = client.get(f"/runs/{run}").json()["steps"][0]
    taken = datetime.now(UTC) - datetime.fromisoformat(first["started_at"])
    return taken.total_seconds() - float(first["expected_duration_seconds"])


def three_steps(product: Product, url: str, **more: int) -> str:
    """A process of its own, so that what is usual there is known: the page that can be held back, a quick one, and a
    file that may be waited for."""
    process = f"slow-{uuid4().hex[:8]}"
    shop = {"type": "web_crawl", "connection": "demo-shop", "path": "/"}
    file = {"type": "file_check", "connection": "demo-bank-out", "path": "${{ inputs.file }}"}
    wait = {"interval": "1s", "timeout": "2m"}
    document = {
        **more,
        "version": 1,
        "process": process,
        "name": "Slow",
        "inputs": {"file": {"type": "string", "default": "stock.csv"}},
        "steps": [
            {"id": "page", "name": "The page is there", "check": {"type": "web_crawl", "url": url}, "timeout": "2m"},
            {"id": "shop", "name": "The shop answers", "check": shop},
            {
                "id": "file",
                "name": "The file is there",
                "check": file,
                "wait_until": wait,
                "assert": [{"count": {"eq": 1}}],
            },
        ],
    }
    with product.client() as client:
        answer = client.post("/processes", json=document)
        assert answer.status_code == 201, answer.text
    return process
