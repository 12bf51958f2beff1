"""One page in a browser: opened in a context of its own, acted upon, listened to, photographed, closed."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
)
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout
from steptrail_checks.masking import MIN_SECRET_CHARACTERS
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.checks.web_crawl import Action
from steptrail_common.contracts.checks.web_crawl import Browser as Wishes
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.browser_headers import Headers, OwnHeaders
from steptrail_crawler.adapters.filter_proxy import REFUSAL_HEADER, FilterProxy
from steptrail_crawler.adapters.http import MAX_BODY_BYTES, USER_AGENT
from steptrail_crawler.domain.address import origin

MAX_TABS = 5
MAX_NOTES = 200
"""Console errors and failed requests remembered, each."""
ELEMENT_SECONDS = 5.0
"""How long an action looks for its element."""
PICTURE_SECONDS = 3.0
CLOSE_SECONDS = 2.0
MAX_PICTURE_BYTES = 2 * 1024 * 1024
MAX_PICTURE_PIXELS = 16_000
MAX_COVERED_FRAMES = 10
_NOT_FAILED = ("net::ERR_ABORTED",)
"""Requests the page itself gave up, by leaving or by script."""


@dataclass(slots=True)
class Heard:
    """What the browser said while the page was open."""

    console_errors: list[str] = field(default_factory=list)
    failed_requests: list[str] = field(default_factory=list)
    closed_tabs: int = 0
    crashed: bool = False


@dataclass(slots=True)
class Shown:
    """A page as it is after everything that was to be done. `seconds`: from the request until it was there."""

    html: str
    url: str
    status: int
    headers: list[tuple[str, str]]
    redirects: list[str]
    seconds: float


async def page_in(
    stack: AsyncExitStack,
    browser: Browser,
    proxy: FilterProxy,
    wishes: Wishes,
    *,
    headers: Headers | None,
    verify_tls: bool,
    har: Path | None,
    kill: Callable[[Browser], None],
) -> "PageSession":
    """A page of its own, which is closed with `stack`, also when it did not get ready in time. `headers`: more that is
    sent with a request, by its address. `kill`: for a browser that does not close the page in time. `har`: where the
    log of requests is written when the page is closed."""
    width, height = (int(part) for part in wishes.viewport.split("x"))
    agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{browser.version} Safari/537.36 {USER_AGENT}"
    recording: dict[str, Any] = {"record_har_path": har, "record_har_content": "omit"} if har is not None else {}
    context = await browser.new_context(
        proxy={"server": f"http://127.0.0.1:{proxy.port}"},
        viewport={"width": width, "height": height},
        user_agent=agent,
        accept_downloads=False,
        ignore_https_errors=not verify_tls,
        service_workers="block",
        **recording,
    )
    session = PageSession(context, proxy, wishes)
    own = OwnHeaders(headers) if headers is not None else None
    stack.push_async_callback(_closed, context, browser, kill, own)
    await session.prepare()
    if own is not None:
        await own.start(browser, context, session.page)
    return session


async def _closed(
    context: BrowserContext, browser: Browser, kill: Callable[[Browser], None], own: OwnHeaders | None
) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await context.close()
            if own is not None:
                await own.stop()
    except (PlaywrightError, TimeoutError):
        kill(browser)


class PageSession:
    """The page of one check."""

    def __init__(self, context: BrowserContext, proxy: FilterProxy, wishes: Wishes) -> None:
        self._context = context
        self._proxy = proxy
        self._wishes = wishes
        self.heard = Heard()
        self.page: Page
        self._secret_fields: list[Locator] = []
        self._secret_texts: list[str] = []
        self._response: Response | None = None
        self._seconds = 0.0

    async def prepare(self) -> None:
        self._context.on("page", self._on_tab)
        self.page = await self._context.new_page()
        self.page.on("crash", self._on_crash)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self._note(self.heard.console_errors, f"Uncaught {error.message}"))
        self.page.on("requestfailed", self._on_failed)
        self.page.on("response", self._on_response)

    async def open(self, url: str, *, timeout_seconds: float) -> None:
        """Go there, as the step wants to wait. Raises `CheckFailed`."""
        began = time.monotonic()
        try:
            self._response = await self.page.goto(
                url, wait_until=self._wishes.wait_until, timeout=max(timeout_seconds, 0.001) * 1000
            )
        except PlaywrightTimeout as error:
            raise self._trouble(url) or CheckFailed(
                FailureClass.TIMEOUT, f"{origin(url)[1]} did not show the page in time", reason="read"
            ) from error
        except PlaywrightError as error:
            raise self._trouble(url) or _navigation_failure(error, url) from error
        finally:
            self._seconds = time.monotonic() - began
        if self._response is not None and REFUSAL_HEADER in self._response.headers:
            raise self._trouble(self._response.url) or CheckFailed(FailureClass.CONNECT, "the page cannot be reached")

    @property
    def opened(self) -> bool:
        """Whether the page of the step is there, so that it can be looked at."""
        return self._response is not None and REFUSAL_HEADER not in self._response.headers

    async def act(self, action: Action, number: int, *, secret: str | None, timeout_seconds: float) -> None:
        """Do one thing. Raises `CheckFailed` that names it."""
        limit = max(timeout_seconds if action.verb == "wait" else min(ELEMENT_SECONDS, timeout_seconds), 0.001) * 1000
        try:
            await self._do(action, secret, limit)
        except PlaywrightError as error:
            raise self.element_failure(error, f"action {number} ({action.verb})", _selector_of(action)) from error

    async def _do(self, action: Action, secret: str | None, limit: float) -> None:
        if action.click is not None:
            await self.page.locator(action.click).first.click(timeout=limit)
        elif action.fill is not None:
            field_ = self.page.locator(action.fill).first
            if secret is not None:
                self.hide(field_)
            await field_.fill(secret if secret is not None else action.value or "", timeout=limit)
        elif action.press is not None and action.on is not None:
            await self.page.locator(action.on).first.press(action.press, timeout=limit)
        elif action.press is not None:
            await self.page.keyboard.press(action.press)
        elif action.select is not None:
            await self.page.locator(action.select).first.select_option(action.value, timeout=limit)
        elif action.wait is not None:
            await self.page.locator(action.wait).first.wait_for(timeout=limit)
        elif action.pause is not None:
            await asyncio.sleep(action.pause)
        elif action.scroll in ("top", "bottom"):
            end = "document.documentElement.scrollHeight" if action.scroll == "bottom" else "0"
            await self.page.evaluate(f"window.scrollTo(0, {end})")
        else:
            await self.page.locator(action.scroll or "").first.scroll_into_view_if_needed(timeout=limit)

    async def wait_for(self, selector: str, *, timeout_seconds: float) -> None:
        """Until the element the step waits for is visible. Raises `CheckFailed`."""
        try:
            await self.page.locator(selector).first.wait_for(timeout=max(timeout_seconds, 0.001) * 1000)
        except PlaywrightError as error:
            raise self.element_failure(error, "wait_for", selector) from error

    def hide(self, field_: Locator) -> None:
        """A field that pictures never show."""
        self._secret_fields.append(field_)

    def hide_texts(self, secrets: Iterable[str]) -> None:
        """Texts that pictures never show, wherever a page puts them."""
        self._secret_texts += [secret for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS]

    async def shown(self) -> Shown:
        """The page as it is now. Raises `CheckFailed`."""
        async with asyncio.timeout(ELEMENT_SECONDS):
            html = await self.page.content()
        if len(html) > MAX_BODY_BYTES:
            raise CheckFailed(
                FailureClass.TOO_LARGE, f"the page is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB as rendered"
            )
        response = self._response
        headers = await response.headers_array() if response is not None else []
        return Shown(
            html=html.replace("\x00", ""),
            url=self.page.url,
            status=response.status if response is not None else 200,
            headers=[(pair["name"], pair["value"]) for pair in headers],
            redirects=_redirects(response.request) if response is not None else [],
            seconds=self._seconds,
        )

    async def picture(self, *, timeout_seconds: float) -> tuple[bytes, str] | None:
        """(a picture of the page, its media type), secrets covered; None if there is none to be had in time."""
        with suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(min(PICTURE_SECONDS, timeout_seconds)):
                body = await self._picture("png", None)
                if len(body) <= MAX_PICTURE_BYTES:
                    return body, "image/png"
                body = await self._picture("jpeg", 60)
                return (body, "image/jpeg") if len(body) <= MAX_PICTURE_BYTES else None
        return None

    async def _picture(self, kind: Literal["png", "jpeg"], quality: int | None) -> bytes:
        return await self.page.screenshot(
            type=kind,
            quality=quality,
            full_page=self._wishes.full_page and await self._of_bearable_size(),
            mask=self._covered(),
            animations="disabled",
            timeout=PICTURE_SECONDS * 1000,
        )

    def _covered(self) -> list[Locator]:
        """What is painted over. Texts are looked for in a world of Playwright's own, where no script of the page is."""
        frames = self.page.frames[:MAX_COVERED_FRAMES]
        texts = [frame.get_by_text(secret) for secret in self._secret_texts for frame in frames]
        return [*self._secret_fields, *texts]

    async def _of_bearable_size(self) -> bool:
        return int(await self.page.evaluate("document.documentElement.scrollHeight")) <= MAX_PICTURE_PIXELS

    def element_failure(self, error: PlaywrightError, where: str, selector: str) -> CheckFailed:
        """Why an element could not be found or used."""
        if self.heard.crashed:
            return crashed()
        if isinstance(error, PlaywrightTimeout):
            return CheckFailed(
                FailureClass.NOT_FOUND,
                f"{where}: no element {selector!r} could be used in time",
                reason="selector_error",
            )
        text = _first_line(error)
        wrong = "selector" in text.lower() or "xpath" in text.lower() or "key" in text.lower()
        failure_class = FailureClass.INVALID_DEFINITION if wrong else FailureClass.ASSERTION
        return CheckFailed(failure_class, f"{where}: {text[:200]}", reason="selector_error" if wrong else "action")

    def _trouble(self, url: str) -> CheckFailed | None:
        """What the proxy knows about a page that did not come."""
        if self.heard.crashed:
            return crashed()
        addresses = [self.page.url] if self.page.url.startswith("http") else []
        known = [self._proxy.trouble_of(one) for one in (*addresses, self._asked or url, url)]
        found = next((one for one in known if one is not None), None)
        if found is None and self._proxy.overflowed:
            return CheckFailed(FailureClass.TOO_LARGE, "the page loads more than the browser may", reason="too_large")
        return found

    @property
    def _asked(self) -> str | None:
        """The last document that was asked for, which a redirect may have named."""
        return self._last_document

    _last_document: str | None = None

    # --- what the browser tells --------------------------------------------------------------------------------------

    def _on_tab(self, tab: Page) -> None:
        """The page stays in front: what is behind hardly moves."""
        if len(self._context.pages) > MAX_TABS:
            self.heard.closed_tabs += 1
            _aside(tab.close())
        elif len(self._context.pages) > 1:
            _aside(self.page.bring_to_front())

    def _on_crash(self, _page: Page) -> None:
        self.heard.crashed = True

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._note(self.heard.console_errors, message.text)

    def _on_failed(self, request: Request) -> None:
        failure = request.failure or "failed"
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            self._last_document = request.url
        if failure not in _NOT_FAILED:
            known = self._proxy.trouble_of(request.url) if request.url.startswith("http") else None
            self._note(self.heard.failed_requests, f"{request.url}: {known.message if known else failure}")

    def _on_response(self, response: Response) -> None:
        request = response.request
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            return
        if response.status >= 400:
            known = self._proxy.trouble_of(response.url) if REFUSAL_HEADER in response.headers else None
            why = known.message if known else f"HTTP status {response.status}"
            self._note(self.heard.failed_requests, f"{response.url}: {why}")

    def _note(self, notes: list[str], text: str) -> None:
        if len(notes) < MAX_NOTES:
            notes.append(text[:1000])


def _aside(work: Coroutine[Any, Any, None]) -> None:
    """Whether it succeeds does not matter: the page may be gone."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


def crashed() -> CheckFailed:
    """The page brought its renderer down, or it was killed because it took too much."""
    return CheckFailed(
        FailureClass.PROTOCOL,
        "the page crashed the browser: it took too much memory, or broke it",
        reason="browser_crashed",
    )


def _redirects(request: Request) -> list[str]:
    found: list[str] = []
    earlier = request.redirected_from
    while earlier is not None:
        found.insert(0, earlier.url)
        earlier = earlier.redirected_from
    return found


def _selector_of(action: Action) -> str:
    return action.on or str(getattr(action, action.verb))


_NET_ERRORS = {
    "ERR_CERT_AUTHORITY_INVALID": (FailureClass.TLS, "unknown_issuer", "its certificate is of no known authority"),
    "ERR_CERT_DATE_INVALID": (FailureClass.TLS, "expired", "its certificate is not valid at this time"),
    "ERR_CERT_COMMON_NAME_INVALID": (FailureClass.TLS, "wrong_host", "its certificate is for another host"),
    "ERR_SSL": (FailureClass.TLS, "handshake", "no TLS connection comes about"),
    "ERR_CERT": (FailureClass.TLS, "bad_certificate", "its certificate is not accepted"),
    "ERR_TOO_MANY_REDIRECTS": (FailureClass.PROTOCOL, "too_many_redirects", "it redirects in circles"),
    "ERR_ABORTED": (FailureClass.PROTOCOL, "download", "it is a download or no page; check it with api_call"),
    "ERR_UNSAFE_PORT": (FailureClass.BLOCKED_BY_POLICY, "port_denied", "its port is not allowed in a browser"),
    "ERR_EMPTY_RESPONSE": (FailureClass.CONNECT, "connection_lost", "it closed the connection without an answer"),
    "ERR_CONNECTION": (FailureClass.CONNECT, "connection_lost", "the connection was lost"),
    "ERR_INVALID_HTTP_RESPONSE": (FailureClass.PROTOCOL, "bad_response", "it does not speak HTTP"),
}
"""Chromium's network errors, longest prefix first where they overlap (net/base/net_error_list.h)."""


def _navigation_failure(error: PlaywrightError, url: str) -> CheckFailed:
    text = _first_line(error)
    host = origin(url)[1]
    for name, (failure_class, reason, why) in _NET_ERRORS.items():
        if name in text:
            return CheckFailed(failure_class, f"{host} shows no page: {why}", reason=reason)
    if "Download is starting" in text:
        return CheckFailed(FailureClass.PROTOCOL, f"{host} sends a download, not a page", reason="download")
    if "crash" in text.lower():
        return crashed()
    return CheckFailed(FailureClass.CONNECT, f"{host} shows no page: {text[:200]}", reason="navigation")


def _first_line(error: PlaywrightError) -> str:
    lines = (error.message or str(error)).splitlines()
    return lines[0].strip() if lines else type(error).__name__
