"""The page of a process and of one run: what people do there once a run has told them something."""

import json
import re
import zipfile
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pypdf import PdfReader

from .browsing import browsing
from .product import Product
from .screens import loaded

PROCESS: Final = "order-to-cash-demo"
PHONE: Final = {"width": 390, "height": 844}
RETRY: Final = {"count": 2, "interval": "4s", "backoff": "fixed", "on": ["http_status"]}

CHAIN_FIRST: Final = """() => document.querySelector('[data-step=release]').getBoundingClientRect().bottom
    < document.querySelector('[role=tablist]').getBoundingClientRect().top"""


def verdict(page: Page) -> Locator:
    return page.get_by_test_id("verdict")


def step(page: Page, step_id: str) -> Locator:
    return page.locator(f"[data-step={step_id}]")


def stuck(product: Product, page: Page) -> str:
    """Open the page of a run of order 4711; its id."""
    run = product.check(PROCESS, "4711")["run_id"]
    page.goto(f"/runs/{run}")
    expect(verdict(page)).to_contain_text("stuck at 5")
    return str(run)


def make(product: Product, document: dict[str, Any]) -> str:
    with product.client() as client:
        answer = client.post("/processes", json={"version": 1, **document})
        assert answer.status_code in (201, 409), answer.text
    return str(document["process"])


@pytest.mark.req("FR-010")
@pytest.mark.req("FR-015")
def test_a_step_tried_again_says_which_attempt_it_is_and_when_the_next_comes(product: Product, page: Page) -> None:
    """Order 4715 answers 503 twice: verdict and chain count down to the next attempt, the step behind it waits."""
    flaky = {"type": "api_call", "connection": "demo-order-service", "path": "/orders/4715"}
    fine = {"type": "web_crawl", "connection": "demo-shop", "path": "/"}
    steps = [{"id": "order", "name": "The order", "check": flaky, "retry": RETRY},
             {"id": "after", "name": "What follows", "check": fine}]  # fmt: skip
    process = make(product, {"process": "tries-again", "name": "Tries again", "steps": steps})
    page.goto(f"/processes/{process}")
    expect(page.get_by_text("Not checked yet").or_(page.get_by_test_id("verdict"))).to_be_visible()
    product.start(process)
    expect(verdict(page)).to_contain_text(re.compile(r"Checking 1 of 2 “The order”: next attempt in \d+\ss"))
    expect(step(page, "order")).to_contain_text("retry in")
    expect(step(page, "after")).to_contain_text("queued")
    expect(step(page, "order")).to_contain_text("2nd of 3 attempts")
    expect(verdict(page)).to_contain_text("Both steps passed")
    expect(step(page, "order")).to_contain_text("3rd of 3 attempts")


@pytest.mark.req("FR-007")
def test_a_stuck_run_is_continued_from_its_failed_step(product: Product, page: Page) -> None:
    """The new run is shown, says where it comes from, and keeps what had passed; the old one leads to it."""
    before = stuck(product, page)
    page.get_by_role("button", name="From step 5").click()
    expect(page).not_to_have_url(re.compile(before))
    expect(verdict(page)).to_contain_text("stuck at 5")
    expect(page.get_by_text("Continues from invoice_file")).to_be_visible()
    shown = page.url.rpartition("/")[2].partition("?")[0]
    column = page.locator(f"[data-run='{shown}']")
    expect(column).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("list", name="Legend")).to_contain_text("kept from the run before")
    expect(step(page, "payment")).to_contain_text("kept")
    step(page, "payment").click()
    page.get_by_role("region", name="Step 3").get_by_role("link", name="the run before").click()
    expect(page).to_have_url(re.compile(f"{before}.*step=payment"))
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("step.finished")
    expect(page.get_by_role("link", name="a later run")).to_be_visible()


@pytest.mark.req("FR-018")
def test_the_chain_opens_on_the_failing_step_and_folds_the_others(product: Product, page: Page) -> None:
    """What passed is one line, and so is what was not reached, with the reason; a click opens it."""
    stuck(product, page)
    expect(step(page, "invoice_file")).to_have_attribute("aria-current", "step")
    expect(step(page, "invoice_file")).to_contain_text("file · demo-bank-out")
    expect(step(page, "payment")).not_to_contain_text("API")
    expect(step(page, "bank_confirmed")).to_contain_text("step 5 is overdue")
    step(page, "payment").click()
    expect(step(page, "payment")).to_contain_text("API · demo-shop")
    expect(step(page, "payment")).to_have_attribute("aria-current", "step")
    page.keyboard.press("n")
    expect(step(page, "invoice_file")).to_have_attribute("aria-current", "step")


@pytest.mark.req("FR-018")
def test_a_long_chain_shows_its_failing_step_without_scrolling(product: Product, page: Page) -> None:
    """Thirty quiet steps are two lines, one before and one after it; a click shows them all."""
    check = {"type": "file_check", "connection": "demo-bank-out", "path": "stock.csv"}
    steps: list[dict[str, Any]] = [{"id": f"s{n}", "name": f"Part {n}", "check": check} for n in range(1, 31)]
    steps[19]["assert"] = [{"size": {"gt": 1_000_000_000}}]
    process = make(product, {"process": "thirty-steps", "name": "Thirty steps", "steps": steps})
    product.check(process)
    page.goto(f"/processes/{process}")
    expect(step(page, "s20")).to_be_in_viewport()
    expect(page.locator("[data-fold='1-19']")).to_contain_text("19 steps passed")
    expect(page.locator("[data-fold='21-30']")).to_contain_text("step 20 failed")
    page.locator("[data-fold='1-19']").click()
    step(page, "s3").click()
    expect(page.get_by_role("heading", name="3 · Part 3")).to_be_visible()
    page.get_by_role("button", name="Fold what passed").click()
    expect(page.locator("[data-step]")).to_have_count(4)


@pytest.mark.req("FR-020")
def test_every_tab_of_the_evidence_answers_its_question(product: Product, page: Page) -> None:
    """What was asked and found, what the last good run had, what happened when, and whom to ask: never in a dialog."""
    product.check(PROCESS, "4712")
    run = stuck(product, page)
    words = {
        "Expected / Actual": "not met",
        "Data": "Found",
        "Request": "Target",
        "Last good": "the last good run",
        "Log": "step.finished",
        "First aid": "team-billing",
    }
    for name, told in words.items():
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.get_by_role("tabpanel")).to_contain_text(told)
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"/runs/{run}?step=invoice_row&tab=data")
    expect(page.get_by_role("tabpanel")).to_contain_text("R-20931")
    page.get_by_role("tab", name="Log").click()
    page.get_by_label("of the whole run").check()
    expect(page.get_by_role("tabpanel")).to_contain_text("run.queued")


@pytest.mark.req("FR-019")
def test_the_grid_compares_by_pointing_and_swaps_the_run_in_place(product: Product, page: Page) -> None:
    """The page stays where it is, and so does the chosen step; arrow keys and Enter do the same."""
    good = product.check(PROCESS, "4712")["run_id"]
    bad = product.check(PROCESS, "4711")["run_id"]
    page.goto(f"/processes/{PROCESS}")
    expect(verdict(page)).to_contain_text("stuck at 5")
    step(page, "payment").click()
    expect(page.locator(f"[data-run='{bad}']")).to_have_attribute("aria-current", "true")
    page.locator(f"[data-run='{good}']").hover()
    expect(page.get_by_role("region", name="Last runs").or_(page.get_by_label("Last runs")).first).to_contain_text(
        "against"
    )
    page.locator(f"[data-run='{good}']").click()
    expect(verdict(page)).to_contain_text("All 7 steps passed")
    expect(step(page, "payment")).to_have_attribute("aria-current", "step")
    expect(page).to_have_url(re.compile(rf"/processes/{PROCESS}\?.*run={good}"))
    page.keyboard.press("g")
    expect(page.locator(f"[data-run='{good}']")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(f"[data-run='{bad}']")).to_be_focused()
    page.keyboard.press("Enter")
    expect(verdict(page)).to_contain_text("stuck at 5")


@pytest.mark.req("FR-018")
@pytest.mark.req("FR-019")
def test_a_run_is_gone_through_again_event_by_event(product: Product, page: Page) -> None:
    """At the first event nothing has passed yet; at the last the verdict stands. The moment is in the address."""
    stuck(product, page)
    page.get_by_text("Timeline and replay").click()
    slider = page.get_by_role("slider", name="Event of the run")
    slider.press("Home")
    expect(page).to_have_url(re.compile("at=1"))
    expect(page.locator("[data-step][data-status=success]")).to_have_count(0)
    expect(verdict(page)).to_contain_text("Waiting to start")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name="From step 5")).to_be_enabled()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"Event 3 of \d+: step"))
    page.reload()
    expect(slider).to_have_value("3")
    slider.press("End")
    expect(verdict(page)).to_contain_text("stuck at 5")
    expect(page.get_by_label("Timeline").get_by_role("listitem")).to_have_count(7)


@pytest.mark.req("FR-023")
def test_a_run_is_taken_along_on_paper_as_json_and_as_an_archive(product: Product, page: Page) -> None:
    """All hold this run; the report says its verdict, the archive has its evidence in it."""
    run = stuck(product, page)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=re.compile("^Run JSON")).click()
    assert json.loads(download.value.path().read_text())["run_id"] == run
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=re.compile("^Run with evidence")).click()
    archive = download.value.path()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=re.compile("^Report PDF")).click()
    page.get_by_role("tab", name="Log").click()
    page.get_by_label("as JSON").check()
    events = json.loads(page.get_by_role("region", name="Events as JSON").inner_text())
    assert {event["step_id"] for event in events} == {"invoice_file"}
    paper = " ".join("".join(sheet.extract_text() for sheet in PdfReader(download.value.path()).pages).split())
    assert "stuck at 5" in paper
    assert f"{product.url}/runs/{run}"[:40] in paper
    names = zipfile.ZipFile(archive).namelist()
    assert len(names) > 5
    assert any(name.endswith("run.json") for name in names), names


def test_on_paper_the_run_is_there_and_what_can_be_pressed_is_not(product: Product, page: Page) -> None:
    """The buttons under the thumb of a phone would lie over every sheet."""
    stuck(product, page)
    page.set_viewport_size({"width": 794, "height": 1123})
    page.emulate_media(media="print")
    expect(verdict(page)).to_be_visible()
    expect(page.get_by_text("First aid · ")).to_be_visible()
    for name in ("Check", "Share", "Export"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("navigation", name="More about this process")).to_be_hidden()


def test_a_shared_link_shows_the_same_step_of_the_same_run(product: Product, page: Page) -> None:
    """To whoever opens it later, also after newer runs."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    run = stuck(product, page)
    step(page, "invoice_row").click()
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    link = page.evaluate("() => navigator.clipboard.readText()")
    assert link == f"{product.url}/runs/{run}?step=invoice_row"
    product.check(PROCESS, "4712")
    page.goto(link)
    expect(verdict(page)).to_contain_text("stuck at 5")
    expect(step(page, "invoice_row")).to_have_attribute("aria-current", "step")


@pytest.mark.req("FR-006")
def test_the_form_of_a_check_remembers_what_was_typed_last(page: Page) -> None:
    """The next check of the same process begins with the order of the one before."""
    page.goto(f"/processes/{PROCESS}")
    page.get_by_role("button", name="Check").first.click()
    page.get_by_label("Order number").fill("9999")
    page.get_by_role("button", name="Start check").click()
    expect(verdict(page)).to_contain_text("ailed at 1")
    page.reload()
    loaded(page)
    page.keyboard.press("c")
    expect(page.get_by_label("Order number")).to_have_value("9999")


@pytest.mark.req("FR-016")
def test_on_a_phone_the_chain_comes_first_and_check_lies_under_the_thumb(product: Product, browser: Browser) -> None:
    """The evidence follows below the chain; Check stays at the foot of the screen however far one has scrolled."""
    product.check(PROCESS, "4711")
    with browsing(product, browser, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        page.goto(f"/processes/{PROCESS}")
        expect(verdict(page)).to_contain_text("stuck at 5")
        button = page.get_by_role("button", name="Check", exact=True).first
        for _ in range(2):
            box = button.bounding_box()
            assert box is not None
            assert box["y"] > PHONE["height"] * 0.8
            assert box["height"] >= 40
            page.mouse.wheel(0, 900)
        assert page.evaluate(CHAIN_FIRST)
        button.tap()
        expect(page.get_by_label("Order number")).to_be_visible()


def test_a_run_that_was_forgotten_says_so_and_leads_to_the_history(product: Product, page: Page) -> None:
    """Trying again would not bring it back, so that is not offered."""
    page.goto("/runs/019aaaaa-0000-7000-8000-000000000000")
    expect(page.get_by_role("heading", name="This run is not here")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("main").get_by_role("link", name="Open the history").click()
    expect(page).to_have_url(re.compile("/history"))


@pytest.mark.req("FR-017")
def test_a_run_that_cannot_be_read_is_not_called_never_checked(product: Product, page: Page) -> None:
    """While the service that knows the runs is away, the page must not say that there was none."""
    product.check(PROCESS, "4712")
    page.route(re.compile(r"/api/v1/runs[/?]"), lambda route: route.fulfill(status=503, json={"title": "away"}))
    page.goto(f"/processes/{PROCESS}")
    expect(verdict(page)).to_have_text("Its last run cannot be read now.")
    page.unroute_all()
    page.reload()
    expect(verdict(page)).to_contain_text("All 7 steps passed")
