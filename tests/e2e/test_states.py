"""Every list while it loads, when it is refused, and when there is nothing."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .browsing import browsing
from .product import Product
from .screens import PROCESS, loaded

pytestmark = pytest.mark.parametrize("product", ["embedded"], indirect=True)

SLOW = {"offline": False, "latency": 1500, "downloadThroughput": 60_000, "uploadThroughput": 30_000}
"""A bad mobile network: latency in ms, bytes per second."""
REFUSAL = "Somebody took this away for a moment"
LISTS = [
    ("/", "overview"),
    ("/?wall=1", "overview"),
    ("/incidents", "incidents"),
    ("/processes", "processes"),
    ("/history", "runs"),
    (f"/history/trends?process_id={PROCESS}", f"metrics/processes/{PROCESS}"),
    (f"/history/trends?process_id={PROCESS}", f"metrics/processes/{PROCESS}/trend"),
    ("/stuck-boards", "processes"),
    (f"/processes/{PROCESS}/stuck-board", f"processes/{PROCESS}/stuck-board"),
    ("/notifications", "channels"),
    ("/notifications?tab=rules", "rules"),
    ("/notifications?tab=log", "deliveries"),
    ("/connections", "connections"),
    ("/connections/demo-shop", "connections/demo-shop"),
    ("/administration", "workers"),
    ("/administration?tab=users", "users"),
    ("/administration?tab=account", "tokens"),
    ("/administration?tab=audit", "audit"),
]
"""Screens with the resource they show."""
EMPTY = [
    ("/processes", "processes", "There are no processes yet"),
    ("/history", "runs", "Nothing has been checked yet"),
    ("/incidents", "incidents", "Nothing is wrong"),
    ("/incidents?process_id=other", "incidents", "No incident of this process"),
    ("/stuck-boards", "processes", "No process has a stuck board yet"),
    ("/notifications", "channels", "Nobody is told yet"),
    ("/notifications?tab=rules", "rules", "There are no rules yet"),
    ("/notifications?tab=log", "deliveries", "Nothing was sent yet"),
    ("/connections", "connections", "There are no connections yet"),
    ("/administration?tab=account", "tokens", "You have no tokens"),
    ("/administration?tab=audit&actor=nobody", "audit", "No line matches"),
]


def reads_of(resource: str) -> re.Pattern[str]:
    return re.compile(rf"/api/v1/{resource}(\?|$)")


@pytest.fixture
def quiet(product: Product, browser: Browser) -> Iterator[Page]:
    """A page without the rest of the product's worries."""
    with browsing(product, browser) as page:
        yield page


@pytest.mark.req("FR-016")
def test_what_cannot_be_read_says_why_and_is_tried_again(quiet: Page) -> None:
    """The reason stands where the list would be, with a button that brings the list back."""
    refusal = {"type": "about:blank", "title": "Not now", "status": 403, "detail": REFUSAL}
    for path, resource in LISTS:
        quiet.route(reads_of(resource), lambda route: route.fulfill(status=403, json=refusal))
        quiet.goto(path)
        expect(quiet.get_by_role("alert").filter(has_text=REFUSAL).first).to_be_visible()
        quiet.unroute(reads_of(resource))
        quiet.get_by_role("alert").get_by_role("button", name="Try again").first.click()
        expect(quiet.get_by_text(REFUSAL)).to_have_count(0)
        loaded(quiet)


def test_what_is_empty_says_what_to_do(quiet: Page) -> None:
    """An empty list is a sentence, not a blank card."""
    for path, resource, words in EMPTY:
        quiet.route(reads_of(resource), lambda route: route.fulfill(json={"items": [], "next_cursor": None}))
        quiet.goto(path)
        expect(quiet.get_by_text(words)).to_be_visible()
        quiet.unroute(reads_of(resource))


@pytest.mark.req("FR-016")
def test_a_process_that_is_not_active_says_why_it_cannot_be_checked(product: Product, quiet: Page) -> None:
    """Nothing is offered that the server would refuse, and the page says what to do instead."""
    step = {"id": "page", "name": "Page", "check": {"type": "web_crawl", "connection": "demo-shop", "path": "/"}}
    document = {"version": 1, "process": "out-of-use", "name": "Out of use", "active": False, "steps": [step]}
    with product.client() as client:
        assert client.post("/processes", json=document).status_code in (201, 409)
    quiet.goto("/processes/out-of-use")
    expect(quiet.get_by_test_id("verdict")).to_have_text("This process is not active.")
    check = quiet.get_by_role("button", name="Check").first
    expect(check).to_be_disabled()
    expect(check).to_have_attribute("title", re.compile("Switch it on in its editor"))
    quiet.keyboard.press("c")
    expect(quiet.get_by_role("dialog")).to_have_count(0)


@pytest.mark.req("NFR-004")
def test_a_slow_network_shows_that_it_loads(quiet: Page) -> None:
    """Grey shapes stand where rows will be, and the rows come."""
    network = quiet.context.new_cdp_session(quiet)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW)
    quiet.get_by_role("link", name="Connections", exact=True).click()
    expect(quiet.get_by_role("status", name="Loading connections")).to_be_visible()
    expect(quiet.get_by_role("link", name="Demo shop", exact=True)).to_be_visible()
    expect(quiet.get_by_role("status", name="Loading connections")).to_have_count(0)
