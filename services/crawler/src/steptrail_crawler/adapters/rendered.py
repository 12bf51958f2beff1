"""`web_crawl` with `render` or `browser`: the page as Chromium shows it, after what is to be done on it."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steptrail_checks.assertions import evaluate
from steptrail_checks.guard import within_time
from steptrail_checks.masking import Masker
from steptrail_checks.pages import PageSubject, listing
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import WebCrawl
from steptrail_common.contracts.checks.web_crawl import RENDERED, Action, Browser
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import Finding

from steptrail_crawler.adapters.api_call import ApiCallKind
from steptrail_crawler.adapters.browser import BrowserPool, unavailable
from steptrail_crawler.adapters.exchange import http_settings, judge, masker_of, message_evidence, secret_of
from steptrail_crawler.adapters.filter_proxy import FilterProxy
from steptrail_crawler.adapters.form_login import login_failed, login_of
from steptrail_crawler.adapters.har import har_evidence
from steptrail_crawler.adapters.http import USER_AGENT
from steptrail_crawler.adapters.pages import PageFetcher, Visit
from steptrail_crawler.adapters.robots import forbidden
from steptrail_crawler.adapters.web_crawl import SHOWN_FINDINGS, text_evidence, visit_of
from steptrail_crawler.domain.address import join, origin, target

if TYPE_CHECKING:
    from steptrail_crawler.adapters.browser_page import Heard, PageSession, Shown

LOGIN_SECONDS = 10.0
_CLOSING_SECONDS = 0.5
_RESERVE_SECONDS = 2.0
"""Of the step's time, kept for a last picture and for closing the page."""
_LOOKING_SHARE = 0.85
_SUBMIT = """field => {
    const form = field.form;
    const bare = form && !form.querySelector('[type=submit], [type=image], button:not([type])');
    if (bare) form.requestSubmit();
    return Boolean(bare);
}"""
"""Sends a form that has no button of its own: the Enter key does nothing in one with several fields."""


class RenderedKind:
    """Shows pages in a browser. `concurrency`: pages open at once."""

    type = RENDERED

    def __init__(self, fetcher: PageFetcher, pool: BrowserPool, *, concurrency: int) -> None:
        self._fetcher = fetcher
        self._pool = pool
        self.concurrency = concurrency

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        if not isinstance(check, WebCrawl):
            raise TypeError(check)
        settings = http_settings(context.connection)
        url = target(check.url, settings.base_url if settings else None, check.path)
        judge(self._fetcher.client.policy, url)
        visit = visit_of(check, context, url)
        if visit.obey_robots:
            await self._fetcher.robots.admit(url, deadline=visit.deadline, verify_tls=visit.verify_tls)
        wishes = check.browser or Browser()
        attempt = _Attempt(context, visit, wishes, url, masker_of(context.connection))
        module = await asyncio.to_thread(_page_module)
        with tempfile.TemporaryDirectory(prefix="steptrail-page-") as folder:
            har = Path(folder) / "requests.har" if wishes.har != "never" else None
            async with AsyncExitStack() as stack:
                proxy = await stack.enter_async_context(FilterProxy(self._fetcher.client.policy))
                browser = await stack.enter_async_context(self._pool.lease())
                opened = module.page_in(
                    browser,
                    proxy,
                    wishes,
                    headers=_own_headers(visit),
                    verify_tls=visit.verify_tls,
                    har=har,
                    kill=self._pool.kill,
                )
                try:
                    session = await stack.enter_async_context(opened)
                    await attempt.run(session)
                except module.PlaywrightError as error:
                    attempt.failed = _lost(error)
            recorded = await asyncio.to_thread(har.read_bytes) if har is not None and har.exists() else None
        await self._final_rules(attempt, visit)
        return await attempt.observation(recorded)

    async def _final_rules(self, attempt: "_Attempt", visit: Visit) -> None:
        """The place a page redirected to may not want us either."""
        if attempt.shown is None or not visit.obey_robots or not attempt.shown.redirects:
            return
        rules = await self._fetcher.robots.rules(
            attempt.shown.url, deadline=visit.deadline, verify_tls=visit.verify_tls
        )
        if rules is not None and not rules.can_fetch(attempt.shown.url, USER_AGENT):
            raise forbidden(attempt.shown.url)

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        return await ApiCallKind(self._fetcher.client).test(connection)

    async def close(self) -> None:
        await self._pool.close()


class _Attempt:
    """One page on its way: what was asked for, and what came of it."""

    def __init__(self, context: CheckContext, visit: Visit, wishes: Browser, url: str, masker: Masker) -> None:
        self._context = context
        self._visit = visit
        self._wishes = wishes
        self._url = url
        self._masker = masker
        reserve = min(_RESERVE_SECONDS, context.timeout_seconds * 0.25)
        self._deadline = visit.deadline - reserve
        self._picture: tuple[bytes, str] | None = None
        self._heard: Heard | None = None
        self.shown: Shown | None = None
        self.failed: CheckFailed | None = None

    async def run(self, session: "PageSession") -> None:
        """Sign in, open, act, wait, look. Ends in time, whatever the page does."""
        self._heard = session.heard
        try:
            async with asyncio.timeout(self._left()):
                await self._steps(session)
        except CheckFailed as failed:
            self.failed = failed
        except TimeoutError:
            self.failed = CheckFailed(
                FailureClass.TIMEOUT, "the page was not ready in time: it may be busy with itself", reason="page_busy"
            )
        if session.heard.crashed:
            self.failed = _page_module().crashed()
        elif self._wishes.screenshot != "never":
            left = self._visit.deadline - time.monotonic() - _CLOSING_SECONDS
            self._picture = await session.picture(timeout_seconds=max(left, 0.2))

    async def _steps(self, session: "PageSession") -> None:
        if self._context.connection is not None and login_of(self._context.connection):
            await self._sign_in(session, self._context.connection)
        await session.open(self._url, timeout_seconds=self._left())
        for number, action in enumerate(self._wishes.actions, 1):
            secret = self._secret(session, action, number)
            await session.act(action, number, secret=secret, timeout_seconds=self._left_to_look())
        if self._wishes.wait_for is not None:
            await session.wait_for(self._wishes.wait_for, timeout_seconds=self._left_to_look())
        self.shown = await session.shown()

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.05)

    def _left_to_look(self) -> float:
        """A little less: who looks for an element in vain says so before the whole step is out of time."""
        return self._left() * _LOOKING_SHARE

    def _secret(self, session: "PageSession", action: Action, number: int) -> str | None:
        """The value of the secret an action names, at the connection's own host only. Raises `CheckFailed`."""
        if action.secret is None:
            return None
        settings = http_settings(self._context.connection)
        if self._context.connection is None or settings is None:
            raise CheckFailed(
                FailureClass.INVALID_DEFINITION, f"action {number}: a secret belongs to a connection", reason="secret"
            )
        if origin(session.page.url) != origin(settings.base_url):
            raise CheckFailed(
                FailureClass.BLOCKED_BY_POLICY,
                f"action {number}: the secret is for {origin(settings.base_url)[1]}, the page is of "
                f"{origin(session.page.url)[1] or 'elsewhere'}",
                reason="secret_elsewhere",
                ours=True,
            )
        return secret_of(self._context.connection, action.secret)

    async def _sign_in(self, session: "PageSession", connection: OpenedConnection) -> None:
        found = login_of(connection)
        if found is None:
            return
        settings, login = found
        await session.open(join(settings.base_url, login.path), timeout_seconds=self._left())
        if origin(session.page.url) != origin(settings.base_url):
            raise login_failed(f"the form is at another host, {origin(session.page.url)[1]}", "login_elsewhere")
        password = session.page.locator(f'[name="{login.password_field}"]').first
        session.hide(password)
        values = {login.username_field: settings.username or "", **login.fields}
        limit = min(LOGIN_SECONDS, self._left()) * 1000
        error_type = _page_module().PlaywrightError
        try:
            for name, value in values.items():
                await session.page.locator(f'[name="{name}"]').first.fill(value, timeout=limit)
            await password.fill(secret_of(connection, "password"), timeout=limit)
            if not await password.evaluate(_SUBMIT, timeout=limit):
                await password.press("Enter", timeout=limit)
        except error_type as error:
            raise login_failed("the page has no such form", "login_form_missing") from error
        try:
            await password.wait_for(state="hidden", timeout=limit)
        except error_type as error:
            raise login_failed("the form stays: user name or password are wrong", "login_failed") from error
        await session.page.wait_for_load_state(timeout=limit)

    # --- what came of it ---------------------------------------------------------------------------------------------

    async def observation(self, recorded: bytes | None) -> Observation:
        """What was seen. Raises the failure, which carries it."""
        subject = self._subject()
        good = self.failed is None and await self._as_asserted(subject)
        evidence = [*self._evidence(subject, good), *self._har(recorded, good)]
        timings = {"total": self.shown.seconds} if self.shown is not None else {}
        observed = Observation(subject, self._masker.url(self._url), self._findings(subject), timings, evidence)
        if self.failed is not None:
            self.failed.observation = observed
            raise self.failed
        return observed

    def _subject(self) -> PageSubject:
        shown, heard = self.shown, self._heard
        settings = http_settings(self._context.connection)
        headers = [pair for pair in shown.headers if pair[0].lower() != "content-type"] if shown else []
        return PageSubject(
            status=shown.status if shown else 0,
            url=shown.url if shown else self._url,
            headers=(*headers, ("content-type", "text/html; charset=utf-8")),
            body=shown.html.encode("utf-8", errors="replace") if shown else b"",
            elapsed=shown.seconds if shown else 0.0,
            with_credentials=settings is not None and settings.auth != "none",
            counts={
                "redirects": len(shown.redirects) if shown else 0,
                "console_errors": len(heard.console_errors) if heard else 0,
                "failed_requests": len(heard.failed_requests) if heard else 0,
            },
        )

    async def _as_asserted(self, subject: PageSubject) -> bool:
        """Whether the step will pass, if some evidence is kept for failures only."""
        if "on_failure" not in (self._wishes.screenshot, self._wishes.har):
            return True
        request, now = self._context.request, self._context.now
        try:
            return (await within_time(lambda: evaluate(request.assertions, subject, now))).ok
        except CheckFailed:
            return False

    def _findings(self, subject: PageSubject) -> list[Finding]:
        findings: list[Finding] = []
        if self.shown is not None:
            findings = [Finding(label="HTTP status", value=subject.status)]
            findings += [Finding(label="Redirected from", value=self._masker.url(url)) for url in self.shown.redirects]
            if subject.url != self._url:
                findings.append(Finding(label="Final address", value=self._masker.url(subject.url)))
            findings.append(Finding(label="Size as rendered", value=len(subject.body)))
        heard = self._heard
        if heard is None:
            return findings
        for label, notes in (("Console error", heard.console_errors), ("Failed request", heard.failed_requests)):
            findings.append(Finding(label=f"{label}s", value=len(notes)))
            findings += [Finding(label=label, value=self._masker.url(note)) for note in notes[:SHOWN_FINDINGS]]
        if heard.closed_tabs:
            findings.append(Finding(label="Tabs closed", value=f"{heard.closed_tabs}, the page opened too many"))
        return findings

    def _evidence(self, subject: PageSubject, good: bool) -> list[EvidenceDraft]:
        evidence: list[EvidenceDraft] = []
        if self._picture is not None and (self._wishes.screenshot == "always" or not good):
            body, media_type = self._picture
            evidence.append(EvidenceDraft("screenshot", "Page as shown", media_type, body))
        if self.shown is not None:
            evidence.append(text_evidence(self.shown.html, "text/html", self._masker))
            evidence.append(
                message_evidence(
                    "response", "Response", f"HTTP {self.shown.status}", self.shown.headers, b"", self._masker
                )
            )
        heard = self._heard
        if heard is not None and (heard.console_errors or heard.failed_requests):
            notes = {"console_errors": heard.console_errors, "failed_requests": heard.failed_requests}
            body = self._masker.body(listing(notes), "text/plain")
            evidence.append(EvidenceDraft("listing", "Browser log", "application/json", body))
        return evidence

    def _har(self, recorded: bytes | None, good: bool) -> list[EvidenceDraft]:
        if recorded is None or (self._wishes.har == "on_failure" and good):
            return []
        found = har_evidence(recorded, self._masker)
        return [found] if found is not None else []


def _own_headers(visit: Visit) -> Callable[[str], dict[str, str]] | None:
    """What a step and its connection send, at their own host only; None if that is nothing."""
    if not visit.headers and (visit.credentials is None or not visit.credentials.headers):
        return None

    def headers(url: str) -> dict[str, str]:
        own = visit.headers if origin(url) == visit.own else {}
        more = visit.credentials.for_url(url) if visit.credentials is not None else {}
        return {name.lower(): value for name, value in {**own, **more}.items()}

    return headers


def _lost(error: Exception) -> CheckFailed:
    """The browser went away under the page."""
    text = str(error)
    if "has been closed" in text or "Connection closed" in text or "crash" in text.lower():
        crashed: CheckFailed = _page_module().crashed()
        return crashed
    return unavailable(
        f"the browser does not do what it is told: {text.splitlines()[0][:200] if text else 'no reason'}"
    )


def _page_module() -> Any:
    try:
        return import_module("steptrail_crawler.adapters.browser_page")
    except ImportError as error:
        raise unavailable(
            "this worker cannot drive a browser: install the package with its extra, steptrail-crawler[browser]"
        ) from error
