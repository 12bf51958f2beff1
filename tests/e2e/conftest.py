"""The product in both topologies, a browser, and places that take webhooks and mail."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from steptrail_common.testing.mail import MailServer, mail_server
from steptrail_common.testing.plugin import Servers
from steptrail_common.testing.targets import certificate, public_part

from .browsing import ANSWER_MS, browsing
from .product import Product
from .topologies import distributed, embedded

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-precise-memory-info",  # else the heap is told in coarse steps
]


STORY_SECONDS = 300
"""Limit of one end-to-end test that names none, with the start of the product it may be the first to need."""


expect.set_options(timeout=ANSWER_MS)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories take longer than other tests, and come last: the browser's event loop stays in the main thread.

    With several test processes the longest begin first, so that none waits long for another at the end.
    """
    here = Path(__file__).parent
    stories = [item for item in items if item.path.is_relative_to(here)]
    for item in stories:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(STORY_SECONDS))
    stories.sort(key=_lateness)
    items[:] = [item for item in items if not item.path.is_relative_to(here)] + stories


def _lateness(item: pytest.Item) -> int:
    """The stories of each topology stay together and are many; the crowd of processes takes minutes to make."""
    if "product" in getattr(item, "fixturenames", ()):
        return 0 if item.callspec.params["product"] == "distributed" else 1  # type: ignore[attr-defined]
    return 2 if item.path.name == "test_scale.py" else 3


@dataclass(frozen=True)
class Hit:
    body: str
    headers: dict[str, str]


@dataclass
class WebhookSink:
    """A receiver of webhooks that remembers every message, and a page. `refusals` first answers are 500; the page is
    answered while `open` is set."""

    url: str = ""
    hits: list[Hit] = field(default_factory=list)
    refusals: int = 0
    open: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def page(self) -> str:
        return f"http://{self.address}/page"


@pytest.fixture(scope="session")
def webhook_sink() -> Iterator[WebhookSink]:
    """Listens on loopback; the product is told that this one address is allowed."""
    sink = WebhookSink()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            sink.hits.append(Hit(body, {name.lower(): value for name, value in self.headers.items()}))
            sink.refusals -= 1
            self.send_response(500 if sink.refusals >= 0 else 204)
            self.end_headers()

        def do_GET(self) -> None:
            found = self.path == "/page"
            if found:
                sink.open.wait()
            self.send_response(200 if found else 404)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    sink.open.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    sink.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield sink
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class MailSink:
    """A mail server with STARTTLS and an account; `authority` is the certificate that vouches for it."""

    server: MailServer
    authority: str


@pytest.fixture(scope="session")
def mail_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    """Listens on loopback, as `localhost`; the product is told that this one address is allowed."""
    pem = certificate(tmp_path_factory.mktemp("mail"), "localhost")
    with mail_server("starttls", certificate=pem, account=("steptrail", "mail-password")) as server:
        yield MailSink(server, public_part(pem))


@pytest.fixture(scope="session", params=["embedded", "distributed"])
def product(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    webhook_sink: WebhookSink,
    mail_sink: MailSink,
) -> Iterator[Product]:
    """Steptrail with the demo, in each topology in turn."""
    exceptions = [webhook_sink.address, mail_sink.server.address]
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        with embedded(folder, exceptions=exceptions) as running:
            yield running
        return
    servers: Servers = request.getfixturevalue("servers")
    with distributed(folder, servers, exceptions=exceptions) as running:
        yield running


class Chromium:
    """One headless browser for the stories of a test process, begun when the first asks for it.

    While it is open, Playwright's own event loop counts as running in this thread: no asynchronous test can run.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._browser: Browser | None = None

    def browser(self, path: str) -> Browser:
        if self._browser is None:
            playwright = self._open.enter_context(sync_playwright())
            self._browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
            self._open.callback(self._browser.close)
        return self._browser

    def close(self) -> None:
        self._browser = None
        self._open.close()


_chromium = Chromium()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """The browser ends before a test that is no story, and before one that has an event loop of its own."""
    stays = nextitem is not None and nextitem.path.is_relative_to(Path(__file__).parent)
    if not stays or nextitem.get_closest_marker("asyncio") is not None:  # type: ignore[union-attr]
        _chromium.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """After a run that was broken off as well."""
    _chromium.close()


@pytest.fixture(scope="module")
def browser(headless_chromium_path: str) -> Iterator[Browser]:
    """Headless Chromium of this machine; what a story that failed left open in it is closed."""
    browser = _chromium.browser(headless_chromium_path)
    yield browser
    for context in browser.contexts:
        context.close()


@pytest.fixture
def page(product: Product, browser: Browser) -> Iterator[Page]:
    """A page of the administrator, who is signed in and has opened no screen yet."""
    with browsing(product, browser, overview=False) as page:
        yield page
