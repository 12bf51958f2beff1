"""One rendered page on its way: what was asked for, what is done on it, and what came of it."""

import asyncio
import time
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from steptrail_checks.assertions import evaluate
from steptrail_checks.guard import within_time
from steptrail_checks.masking import Masker
from steptrail_checks.pages import PageSubject, listing
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation
from steptrail_common.contracts.checks.web_crawl import Action, Browser
from steptrail_common.contracts.model import FailureClass, Json
from steptrail_common.contracts.workers import Finding

from steptrail_crawler.adapters.browser import unavailable
from steptrail_crawler.adapters.exchange import http_settings, message_evidence, secret_of
from steptrail_crawler.adapters.form_login import login_of
from steptrail_crawler.adapters.har import har_evidence
from steptrail_crawler.adapters.pages import Visit
from steptrail_crawler.adapters.web_crawl import SHOWN_FINDINGS, text_evidence
from steptrail_crawler.domain.address import origin

if TYPE_CHECKING:
    from steptrail_crawler.adapters.browser_page import Heard, PageSession, Shown

_CLOSING_SECONDS = 0.5
_RESERVE_SECONDS = 2.0
"""Of the step's time, kept for a last picture and for closing the page."""
_LOOKING_SHARE = 0.85
_GRACE_SHARE = 0.3
"""Of the reserve: what ends by its own limit may do so a little late, and then says what it was."""


class PageAttempt:
    """One page on its way: what was asked for, and what came of it."""

    def __init__(self, context: CheckContext, visit: Visit, wishes: Browser, url: str, masker: Masker) -> None:
        self._context = context
        self._visit = visit
        self._wishes = wishes
        self._url = url
        self._masker = masker
        self._reserve = min(_RESERVE_SECONDS, context.timeout_seconds * 0.25)
        self._deadline = visit.deadline - self._reserve
        self._doing = "opening it"
        self._picture: tuple[bytes, str] | None = None
        self._heard: Heard | None = None
        self.shown: Shown | None = None
        self.failed: CheckFailed | None = None

    async def run(self, session: "PageSession") -> None:
        """Sign in, open, act, wait, look. Ends in time, whatever the page does."""
        self._heard = session.heard
        if self._context.connection is not None:
            session.hide_texts(self._context.connection.secrets.values())
        try:
            async with asyncio.timeout(self.left() + self._reserve * _GRACE_SHARE):
                await self._steps(session)
        except CheckFailed as failed:
            self.failed = failed
            await self._show_anyway(session)
        except TimeoutError:
            self.failed = CheckFailed(
                FailureClass.TIMEOUT,
                f"the page was not ready in time, at {self._doing}: it may be busy with itself",
                reason="page_busy",
            )
        if session.heard.crashed:
            self.failed = page_module().crashed()
        elif self._wishes.screenshot != "never":
            left = self._visit.deadline - time.monotonic() - _CLOSING_SECONDS
            self._picture = await session.picture(timeout_seconds=max(left, 0.2))

    async def _show_anyway(self, session: "PageSession") -> None:
        """A page that lacks what was looked for is evidence too."""
        if session.opened and not session.heard.crashed:
            with suppress(CheckFailed, TimeoutError, page_module().PlaywrightError):
                async with asyncio.timeout(self._reserve * _GRACE_SHARE):
                    self.shown = await session.shown()

    async def _steps(self, session: "PageSession") -> None:
        if self._context.connection is not None and login_of(self._context.connection):
            self._doing = "signing in"
            module = await asyncio.to_thread(import_module, "steptrail_crawler.adapters.browser_login")
            await module.sign_in(session, self._context.connection, timeout_seconds=self.left())
            self._doing = "opening it"
        await session.open(self._url, timeout_seconds=self.left())
        for number, action in enumerate(self._wishes.actions, 1):
            self._doing = f"action {number} ({action.verb})"
            secret = self._secret(session, action, number)
            await session.act(action, number, secret=secret, timeout_seconds=self._left_to_look())
        if self._wishes.wait_for is not None:
            self._doing = "wait_for"
            await session.wait_for(self._wishes.wait_for, timeout_seconds=self._left_to_look())
        self._doing = "reading it"
        self.shown = await session.shown()

    def left(self) -> float:
        """Seconds until everything but a last picture is to be done."""
        return max(self._deadline - time.monotonic(), 0.05)

    def _left_to_look(self) -> float:
        """A little less: who looks for an element in vain says so before the whole step is out of time."""
        return self.left() * _LOOKING_SHARE

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
            findings.append(Finding(label="Size as rendered", value=len(subject.body), fleeting=True))
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
            rows = [["console error", note] for note in heard.console_errors]
            rows += [["failed request", note] for note in heard.failed_requests]
            table: dict[str, Json] = {"columns": ["what", "message"], "rows": rows}
            body = self._masker.body(listing(table), "text/plain")
            evidence.append(EvidenceDraft("listing", "Browser log", "application/json", body))
        return evidence

    def _har(self, recorded: bytes | None, good: bool) -> list[EvidenceDraft]:
        if recorded is None or (self._wishes.har == "on_failure" and good):
            return []
        found = har_evidence(recorded, self._masker)
        return [found] if found is not None else []


def page_module() -> Any:
    """What drives a browser, which not every worker can. Raises `CheckFailed`."""
    try:
        return import_module("steptrail_crawler.adapters.browser_page")
    except ImportError as error:
        raise unavailable(
            "this worker cannot drive a browser: install the package with its extra, steptrail-crawler[browser]"
        ) from error
