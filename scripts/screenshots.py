"""Write pictures of every screen, light and dark, to docs/screenshots/: `make screenshots`.

Starts the embedded product with the demo in a folder of its own, checks the orders of the demo, and looks at every
screen in Chromium. `--url` takes a product that runs already, `--only NAME` one screen.
"""

import argparse
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page, sync_playwright
from steptrail_common.testing.process import free_port

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
PASSWORD = os.environ.get("STEPTRAIL_ADMIN_PASSWORD", "a long password for pictures")
DEMO = "order-to-cash-demo"
GOOD = "4712"
ORDERS = (*[GOOD] * 8, "4713", *[GOOD] * 5, "9999", *[GOOD] * 4, "4715", *[GOOD] * 3, "4711", GOOD, "4711")
"""Checked in this order: the last one is the run that the pictures show."""
START_SECONDS = 60
RUN_SECONDS = 60
DESK = {"width": 1440, "height": 1000}
PHONE = {"width": 390, "height": 844}

WIDE = {"width": 2560, "height": 1440}
SCHEDULED = "shop-watch-demo"

SCREENS: dict[str, str] = {
    "sign-in": "/sign-in",
    "overview": "/",
    "wall": "/?wall=1",
    "processes": "/processes",
    "process": f"/processes/{DEMO}",
    "replay": "/runs/{run}?time=1&at=13",
    "schedules": f"/processes/{SCHEDULED}",
    "last-good": "/runs/{run}?step=invoice_file&tab=good",
    "stuck-boards": "/stuck-boards",
    "stuck-board": f"/processes/{DEMO}/stuck-board?step=invoice_file",
    "trends": f"/history/trends?process_id={DEMO}&days=30",
    "incidents": "/incidents",
    "incident": "/incidents/{incident}",
    "notifications": "/notifications",
    "notification-rules": "/notifications?tab=rules",
    "delivery-log": "/notifications?tab=log",
    "connections": "/connections",
    "connection": "/connections/demo-order-service",
    "connection-kinds": "/connections/new",
    "workers": "/administration",
    "accounts": "/administration?tab=users",
    "tokens": "/administration?tab=account",
    "audit-log": "/administration?tab=audit",
    "about": "/administration?tab=about",
    "definition": f"/processes/{DEMO}/definition",
    "history": "/history",
    "editor-start": "/processes/new",
    "editor": f"/processes/{DEMO}/edit",
}
"""Names of the pictures and the addresses they show; `{run}` is the last run of the demo, `{incident}` its incident."""
PHONES = ("overview", "process", "editor")
"""Screens that are also shown on a phone."""

MORE_PHONES = (
    "incident",
    "stuck-boards",
    "stuck-board",
    "history",
    "trends",
    "connection",
    "notifications",
    "workers",
    "schedules",
)
WIDES = ("overview", "process", "stuck-board", "trends")
"""Screens that are also shown on a very wide screen, in the light theme alone."""


@contextmanager
def running() -> Iterator[tuple[str, str]]:
    """The embedded product on a free port; its address and its data folder."""
    folder, port = tempfile.mkdtemp(prefix="steptrail-pictures-"), free_port()
    command = [sys.executable, "-m", "steptrail_embedded", "up", "--demo", "--port", str(port), "--data", folder]
    environment = os.environ | {"STEPTRAIL_ADMIN_PASSWORD": PASSWORD}
    with (Path(folder) / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own command
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_ready(url)
            yield url, folder
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            if httpx2.get(f"{url}/readyz").is_success:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("Steptrail did not become ready")


def check_orders(page: Page) -> None:
    """Start the checks of the demo as the signed-in person and wait for their ends."""
    for order in ORDERS:
        answer = send(page, "/runs", {"process_id": DEMO, "inputs": {"order_id": order}})
        run = f"/api/v1/runs/{answer['run_id']}"
        end = time.monotonic() + RUN_SECONDS
        while page.request.get(run).json()["ended_at"] is None and time.monotonic() < end:
            page.wait_for_timeout(200)


def furnish(page: Page) -> None:
    """What an installation in use has: people, a schedule, channels with rules, tested connections, a board."""
    for username, role in (("olga", "operator"), ("mira", "editor"), ("vera", "viewer")):
        send(page, "/users", {"username": username, "role": role})
    desk = {"channel_id": "operations-desk", "name": "Operations desk", "url": "https://hooks.example.com/steptrail"}
    billing = {"channel_id": "billing", "name": "Billing", "url": "https://billing.example.com/hooks/steptrail"}
    email = {"host": "smtp.example.com", "username": "steptrail", "sender": "Steptrail <steptrail@example.com>",
             "recipients": ["night-shift@example.com", "olga@example.com"]}  # fmt: skip
    people = {"channel_id": "night-shift", "name": "Night shift", "kind": "email", "secret": "none", "email": email}
    for channel in (desk, billing, people):
        send(page, "/channels", channel)
    trouble = ["failed", "stuck", "recovered"]
    send(page, "/rules", {"rule_id": "sales-trouble", "channel_id": "billing", "on": trouble, "category": "sales"})
    send(page, "/rules", {"rule_id": "errors", "channel_id": "operations-desk", "on": ["error"], "after_failures": 3,
                          "remind_every": "2h"})  # fmt: skip
    send(page, "/channels/operations-desk/test", {})
    for connection in ("demo-erp", "demo-bank-out", "demo-shop"):
        send(page, f"/connections/{connection}/test", {})
    check = {"type": "web_crawl", "connection": "demo-shop", "path": "/"}
    send(page, "/processes", {
        "version": 1, "process": SCHEDULED, "name": "Shop front is open (demo)", "category": "sales",
        "steps": [{"id": "page", "name": "The shop answers", "check": check, "assert": [{"status": {"eq": 200}}]}],
        "schedule": [{"every": "10s"}, {"cron": "0 6 * * 1-5", "timezone": "Europe/Berlin", "catch_up": "once"}],
        "maintenance": [{"cron": "30 2 * * 0", "duration": "2h", "reason": "Backup of the shop"}]})  # fmt: skip
    send(page, f"/processes/{DEMO}/stuck-board", {})


def give_past(folder: str) -> None:
    """Repeat today's counts on earlier days, a little different each: the charts of a demo of today would be empty."""
    with closing(sqlite3.connect(Path(folder) / "reporting.sqlite", timeout=30)) as reporting, reporting:
        for ago in (day for day in range(1, 29) if day % 7 not in (3, 4)):
            reporting.execute(
                "insert or ignore into counters select process_id, date(day, ?), scope, measure,"
                " bucket + case when measure = 'duration' then ? else 0 end,"
                " case when measure like 'status:success' then count * ? else count end"
                " from counters where process_id = ? and day = (select max(day) from counters)",
                (f"-{ago} days", (ago * ago) % 11 - 3, 4 + (ago * 5) % 9, DEMO),
            )


def send(page: Page, path: str, body: dict[str, Any]) -> Any:
    """Write through the API as the signed-in person."""
    answer = page.request.post(f"/api/v1{path}", data=body, headers={"X-Steptrail-Request": "1"})
    if not answer.ok:
        raise SystemExit(f"{path}: {answer.status} {answer.text()}")
    return answer.json()


def latest_run(page: Page) -> str:
    """The run that the pictures show."""
    found = page.request.get(f"/api/v1/runs?process_id={DEMO}&limit=1").json()["items"]
    return str(found[0]["run_id"]) if found else "none"


def latest_incident(page: Page) -> str:
    """The incident that the last run of the demo stands in; pictures wait until it is there."""
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        found = page.request.get(f"/api/v1/incidents?process_id={DEMO}&limit=1").json()["items"]
        if found:
            return str(found[0]["incident_id"])
        page.wait_for_timeout(200)
    return "none"


def address(page: Page, path: str) -> str:
    """A path with the names of what is shown there."""
    for name, found in (("{run}", latest_run), ("{incident}", latest_incident)):
        if name in path:
            path = path.replace(name, found(page))
    return path


def sign_in(page: Page) -> None:
    page.goto("/sign-in")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview").wait_for()


def settle(page: Page) -> None:
    """Until nothing is being loaded any more."""
    page.locator("main").wait_for()
    page.locator('[role="status"][aria-label^="Loading"]').first.wait_for(state="detached")
    page.wait_for_timeout(500)


def try_a_step(page: Page) -> None:
    """Open a step of the editor, try it, and click a value of its answer."""
    page.get_by_role("button", name="Order service knows the order", expanded=False).click()
    page.get_by_role("button", name="Try this step").click()
    page.get_by_test_id("tried").wait_for()
    page.get_by_role("button", name=re.compile("^SHIPPED|^PAID")).first.click()
    page.get_by_role("button", name="Try again").scroll_into_view_if_needed()


BEFORE: dict[str, Callable[[Page], None]] = {"editor": try_a_step}
"""What is done on a screen before its picture is taken."""


def take(browser: Browser, url: str, only: str | None, folder: str | None = None) -> None:
    """Every picture, in both themes."""
    checked = folder is None and only is not None
    for theme in ("light", "dark"):
        context = browser.new_context(
            base_url=url, viewport=DESK, color_scheme=theme, reduced_motion="reduce", timezone_id="UTC", locale="en-GB"
        )
        page = context.new_page()
        for name, path in SCREENS.items():
            if name != "sign-in" and page.url.endswith(("/sign-in", "blank")):
                sign_in(page)
                if not checked:
                    check_orders(page)
                    furnish(page)
                    if folder:
                        give_past(folder)
                    checked = True
            if only is not None and not re.fullmatch(only, name):
                continue
            page.set_viewport_size(DESK)
            page.goto(address(page, path))
            settle(page)
            if name in BEFORE:
                BEFORE[name](page)
            page.screenshot(path=FOLDER / f"{name}-{theme}.png")
            if name in (*PHONES, *MORE_PHONES):
                page.set_viewport_size(PHONE)
                page.wait_for_timeout(200)
                page.screenshot(path=FOLDER / f"{name}-phone-{theme}.png")
            if name in WIDES and theme == "light":
                page.set_viewport_size(WIDE)
                page.wait_for_timeout(200)
                page.screenshot(path=FOLDER / f"{name}-wide.png")
        context.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", help="a product that runs already")
    arguments.add_argument("--only", help="names of screens, as a regular expression")
    chosen = arguments.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        if chosen.url:
            take(browser, chosen.url, chosen.only)
        else:
            with running() as (url, folder):
                take(browser, url, chosen.only, folder)
        browser.close()


if __name__ == "__main__":
    main()
