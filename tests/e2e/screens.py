"""Every screen of the page, as the tests of its quality visit them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from playwright.sync_api import Page

from .product import Product, eventually

PROCESS: Final = "order-to-cash-demo"
HOSTILE: Final = "<img src=x onerror=\"window.owned='yes'\"><script>window.owned='yes'</script>"
"""Text that takes a page over when it is read as markup."""

NOWHERE: Final = "/no-such-place"
TABS: Final = ("data", "request", "good", "log", "aid")


@dataclass(frozen=True)
class Screen:
    """A screen by its address, and what is pressed there before one looks."""

    name: str
    path: str
    press: Callable[[Page], None] | None = None


def button(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name).first.click()


def key(name: str) -> Callable[[Page], None]:
    return lambda page: page.keyboard.press(name)


def screens(run: str, scheduled: str, incident: str) -> list[Screen]:
    """All of them. `run` is a stuck run, `scheduled` a process with schedules, `incident` one of hostile text."""
    return [
        Screen("sign-in", "/sign-in"),
        Screen("overview", "/"),
        Screen("wall screen", "/?wall=1"),
        Screen("help", "/", key("?")),
        Screen("processes", "/processes"),
        Screen("no process matches", "/processes?q=nothing-is-called-so"),
        Screen("process", f"/processes/{PROCESS}"),
        Screen("form of a check", f"/processes/{PROCESS}", button("Check")),
        Screen("schedules", f"/processes/{scheduled}"),
        Screen("run", f"/runs/{run}"),
        *(Screen(f"run, {tab}", f"/runs/{run}?step=invoice_row&tab={tab}") for tab in TABS),
        Screen("timeline", f"/runs/{run}?time=1"),
        Screen("unknown run", "/runs/unknown"),
        Screen("definition", f"/processes/{PROCESS}/definition"),
        Screen("new process", "/processes/new"),
        Screen("editor", f"/processes/{PROCESS}/edit"),
        Screen("editor of hostile text", "/processes/hostile/edit"),
        Screen("stuck boards", "/stuck-boards"),
        Screen("stuck board", f"/processes/{PROCESS}/stuck-board"),
        Screen("keys of a step", f"/processes/{PROCESS}/stuck-board?step=invoice_file"),
        Screen("history", "/history"),
        Screen("trends", f"/history/trends?process_id={PROCESS}"),
        Screen("incidents", "/incidents"),
        Screen("incident", f"/incidents/{incident}"),
        Screen("acknowledge an incident", f"/incidents/{incident}", button("Acknowledge")),
        Screen("resolved incidents", "/incidents?state=resolved"),
        Screen("no incident", "/incidents?process_id=nothing-is-called-so"),
        Screen("unknown incident", "/incidents/0"),
        Screen("channels", "/notifications"),
        Screen("new channel", "/notifications", button("New channel")),
        Screen("rules", "/notifications?tab=rules"),
        Screen("new rule", "/notifications?tab=rules", button("New rule")),
        Screen("delivery log", "/notifications?tab=log"),
        Screen("connections", "/connections"),
        Screen("connection", "/connections/demo-order-service"),
        Screen("kinds of connections", "/connections/new"),
        Screen("new connection", "/connections/new?kind=sftp"),
        Screen("question before deleting", "/connections/demo-order-service", button("Delete")),
        Screen("workers", "/administration"),
        Screen("accounts", "/administration?tab=users"),
        Screen("new account", "/administration?tab=users", button("New account")),
        Screen("tokens and password", "/administration?tab=account"),
        Screen("audit log", "/administration?tab=audit"),
        Screen("about", "/administration?tab=about"),
        Screen("nothing here", NOWHERE),
    ]  # fmt: skip


def furnish(product: Product, webhook: str) -> list[Screen]:
    """Put something on every screen, with hostile text wherever people may write; the screens."""
    with product.client() as client:

        def put(path: str, body: dict[str, Any]) -> None:
            answer = client.post(path, json=body)
            assert answer.status_code in (200, 201, 202, 409), answer.text

        put(
            "/connections",
            {
                "connection_id": "hostile",
                "name": HOSTILE,
                "description": HOSTILE,
                "settings": {"kind": "http", "base_url": "https://example.com", "headers": {"X-A": HOSTILE}},
            },
        )
        put("/channels", {"channel_id": "hostile", "name": HOSTILE, "url": webhook})
        put("/channels/hostile/test", {})
        put("/rules", {"rule_id": "hostile", "channel_id": "hostile", "on": ["failed"], "category": HOSTILE})
        put("/tokens", {"name": HOSTILE, "role": "viewer"})
        put("/processes", hostile_process())
        put(f"/processes/{PROCESS}/stuck-board", {})
    for order in ("4712", "9999", "4713"):
        product.check(PROCESS, order)
    product.check("hostile", text=HOSTILE)
    run = product.check(PROCESS, "4711")
    with product.client() as client:
        params = {"process_id": "hostile"}
        (incident, *_) = eventually(lambda: client.get("/incidents", params=params).json()["items"])
    return screens(run["run_id"], "hostile", incident["incident_id"])


def hostile_process() -> dict[str, Any]:
    """A process in which everything that people write is hostile."""
    step = {
        "id": "page",
        "name": HOSTILE,
        "description": HOSTILE,
        "owner": HOSTILE,
        "check": {"type": "web_crawl", "connection": "demo-shop", "path": "/orders/${{ inputs.text }}"},
        "assert": [{"text": {"contains": HOSTILE}}],
    }
    text = {"type": "string", "label": HOSTILE, "description": HOSTILE, "example": HOSTILE}
    return {
        "version": 1,
        "process": "hostile",
        "name": HOSTILE,
        "description": HOSTILE,
        "category": HOSTILE,
        "tags": ["hostile"],
        "owner": HOSTILE,
        "inputs": {"text": text},
        "schedule": [{"cron": "0 6 1 1 *", "inputs": {"text": HOSTILE}}],
        "maintenance": [{"cron": "30 2 * * 0", "duration": "2h", "reason": HOSTILE}],
        "steps": [step],
    }


def waiting_process(product: Product) -> str:
    """A process whose runs look for a file that never comes, for two minutes; its id."""
    check = {"type": "file_check", "connection": "demo-bank-out", "path": "never-there.csv"}
    wait = {"interval": "1s", "timeout": "2m"}
    step = {"id": "file", "name": "The file", "check": check, "wait_until": wait, "assert": [{"count": {"eq": 1}}]}
    document = {"version": 1, "process": "waits-long", "name": "Waits long", "steps": [step]}
    with product.client() as client:
        answer = client.post("/processes", json=document)
        assert answer.status_code in (201, 409), answer.text
    return "waits-long"


def visit(page: Page, screens: list[Screen], *, anew: bool = True) -> Iterator[Screen]:
    """Open one after the other, wait until each is there, press what is to be pressed. `anew`: the page is loaded for
    each; else one goes from screen to screen within it."""
    for screen in screens:
        if anew:
            page.goto(screen.path)
        else:
            go(page, screen.path)
        loaded(page)
        if screen.press:
            screen.press(page)
            page.locator("dialog[open]").wait_for()
        yield screen


def go(page: Page, path: str) -> None:
    """To another screen as a link of the page leads there. By way of an address at which nothing is: when its heading
    is gone, the screen has come, even if it is the one that was there before."""
    page.evaluate("path => history.pushState(null, '', path)", NOWHERE)
    page.get_by_role("heading", name="Not found").wait_for()
    if path == NOWHERE:
        return
    page.evaluate("() => { for (const one of document.querySelectorAll('h1, h2')) one.dataset.left = 'yes'; }")
    page.evaluate("path => history.pushState(null, '', path)", path)
    page.wait_for_function("() => !document.querySelector('[data-left]')")


def loaded(page: Page) -> None:
    """Until the page shows something and waits for nothing."""
    page.locator("main h1, main h2").first.wait_for(state="attached")
    page.wait_for_function(
        """() => !document.querySelector('[role="status"][aria-label^="Loading"], main > [aria-busy="true"]')"""
    )


def painted(page: Page, theme: Literal["light", "dark"]) -> None:
    """The system's theme becomes this one, and the page follows."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
