"""`web_crawl`: one page, or a bounded crawl of its site, fetched politely."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module

from steptrail_checks.guard import within_time
from steptrail_checks.masking import Masker
from steptrail_checks.pages import PageSubject, listing
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_common import telemetry
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import WebCrawl
from steptrail_common.contracts.model import FailureClass, Json
from steptrail_common.contracts.workers import Finding

from steptrail_crawler.adapters.api_call import ApiCallKind, response_evidence, tls_of
from steptrail_crawler.adapters.exchange import (
    MAX_EVIDENCE_BYTES,
    credentials_of,
    deadline_of,
    http_settings,
    masker_of,
    textual,
)
from steptrail_crawler.adapters.form_login import login_of, sign_in
from steptrail_crawler.adapters.http import MAX_BODY_BYTES, Answer, HttpClient
from steptrail_crawler.adapters.pages import Page, PageFetcher, Visit
from steptrail_crawler.domain.address import checked_headers, origin, target
from steptrail_crawler.domain.site import CrawlReport, CrawlRules

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
SHOWN_FINDINGS = 10
"""Broken links and the like named in a result; evidence has all of them."""
_SMALL_PAGE_BYTES = 64 * 1024


class WebCrawlKind:
    """Visits the page a step names, or its site, and shows it to the assertions."""

    type = "web_crawl"

    def __init__(self, client: HttpClient, fetcher: PageFetcher | None = None) -> None:
        self._client = client
        self._fetcher = fetcher or PageFetcher(client)

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        if not isinstance(check, WebCrawl):
            raise TypeError(check)
        settings = http_settings(context.connection)
        url = target(check.url, settings.base_url if settings else None, check.path)
        visit = visit_of(check, context, url)
        if context.connection is not None and login_of(context.connection):
            await sign_in(self._fetcher, visit, context.connection)
        if check.crawl is None:
            return await self._page(context, visit, url)
        return await self._site(context, visit, CrawlRules(check.crawl, url))

    async def _page(self, context: CheckContext, visit: Visit, url: str) -> Observation:
        page = await self._fetcher.fetch(visit, url)
        subject = subject_of(context, page)
        masker = masker_of(context.connection)
        findings = page_findings(page, subject, masker, relaxed=not visit.verify_tls)
        if subject.is_html and subject.status < 400:
            findings += await _small_findings(subject)
        return _observed(context, page, subject, findings, url, [])

    async def _site(self, context: CheckContext, visit: Visit, rules: CrawlRules) -> Observation:
        engine = await asyncio.to_thread(import_module, "steptrail_crawler.adapters.scrapy_engine")
        result = await engine.crawl(self._fetcher, visit, rules)
        page, report = result.start, result.report
        masker = masker_of(context.connection)
        subject = subject_of(context, page, report.counts, report.sentence())
        findings = [
            *page_findings(page, subject, masker, relaxed=not visit.verify_tls),
            *_site_findings(report, masker),
        ]
        evidence = _report_evidence(report, masker)
        observation = _observed(context, page, subject, findings, rules.start, evidence)
        if report.stopped == "timeout":
            raise CheckFailed(
                FailureClass.TIMEOUT,
                f"the crawl was not done in time: {report.counts['pages']} pages and {report.links_tried} links were "
                "looked at; give the step more time, or lower depth or max_pages",
                reason="crawl_time",
                observation=observation,
            )
        return observation

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        return await ApiCallKind(self._client).test(connection)

    async def close(self) -> None:
        await self._client.close()


def visit_of(check: WebCrawl, context: CheckContext, url: str) -> Visit:
    """For whom the pages of a check are fetched."""
    settings = http_settings(context.connection)
    verify = check.verify_tls and (settings.verify_tls if settings else True)
    return Visit(
        own=origin(url),
        headers=checked_headers(check.headers),
        credentials=credentials_of(context.connection),
        deadline=deadline_of(context),
        verify_tls=verify,
        own_tls=tls_of(settings, context.connection, verify=verify),
        obey_robots=check.robots == "obey",
        conditional=check.conditional,
        everywhere={"Accept": ACCEPT, **telemetry.inject({})},
    )


def subject_of(
    context: CheckContext, page: Page, counts: Mapping[str, int] | None = None, broken: str | None = None
) -> PageSubject:
    """What assertions are asked of."""
    settings = http_settings(context.connection)
    return PageSubject(
        status=page.answer.status,
        url=page.answer.url,
        headers=tuple(page.answer.headers),
        body=page.answer.body,
        elapsed=page.answer.timings.get("total", 0.0),
        with_credentials=settings is not None and settings.auth != "none",
        counts={"redirects": len(page.redirects), **(counts or {})},
        broken=broken,
    )


def page_findings(page: Page, subject: PageSubject, masker: Masker, *, relaxed: bool = False) -> list[Finding]:
    """Facts of one page that need no look inside. `relaxed`: any certificate was accepted."""
    answer = page.answer
    findings = [
        Finding(label="HTTP status", value=answer.status),
        Finding(label="Content type", value=answer.header("content-type")),
        Finding(label="Size", value=len(answer.body), fleeting=True),
    ]
    findings += [Finding(label="Redirected from", value=masker.url(url)) for url in page.redirects]
    if page.redirects:
        findings.append(Finding(label="Final address", value=masker.url(answer.url)))
    if page.unchanged:
        said = "the server says that the page is as it was last time"
        findings.append(Finding(label="Not modified", value=said, fleeting=True))
    if page.waited > _NOTICED_SECONDS:
        findings.append(Finding(label="Waited out of politeness", value=f"{page.waited:.1f} s", fleeting=True))
    if answer.certificate is not None and relaxed:
        findings.append(Finding(label="Certificate", value="not checked, as the step or its connection says"))
    if subject.body and textual(subject.content_type) and subject.damaged:
        findings.append(Finding(label="Character set", value=f"{subject.charset}, with characters that do not belong"))
    return findings


async def _small_findings(subject: PageSubject) -> list[Finding]:
    """A missing title and mixed content. Large pages are looked into elsewhere, for a limited time."""

    def look() -> list[Finding]:
        found = [] if subject.title else [Finding(label="Title", value="the page has none")]
        return found + [Finding(label="Mixed content", value=url) for url in subject.mixed_content[:SHOWN_FINDINGS]]

    try:
        return look() if len(subject.body) <= _SMALL_PAGE_BYTES else await within_time(look)
    except CheckFailed:
        return []  # assertions meet the same trouble and name it


def _site_findings(report: CrawlReport, masker: Masker) -> list[Finding]:
    counts = report.counts
    findings = [
        Finding(label="Pages looked at", value=counts["pages"]),
        Finding(label="Links tried", value=report.links_tried),
        Finding(label="Broken links", value=counts["broken_links"]),
    ]
    for url, problem in list(report.broken.items())[:SHOWN_FINDINGS]:
        places = "".join(f", linked from {place}" for place in report.sources.get(url, [])[:1])
        findings.append(Finding(label="Broken link", value=masker.url(f"{url}: {problem}{places}")))
    findings += [Finding(label="Page without a title", value=masker.url(url)) for url in report.untitled[:10]]
    findings += [
        Finding(label="Mixed content", value=masker.url(f"{page} loads {url}")) for page, url in report.mixed[:10]
    ]
    findings += [
        Finding(label=f"Not looked at ({_SKIPPED.get(reason, reason)})", value=count)
        for reason, count in report.skipped.items()
    ]
    if report.stopped is not None:
        findings.append(Finding(label="Stopped at", value=_LIMITS[report.stopped]))
    return findings


_NOTICED_SECONDS = 0.05
"""A shorter wait is not worth a line."""
_SKIPPED = {
    "robots_txt": "robots.txt asks not to",
    "target_rate": "others asked the site as often as it may be",
    "crawl_delay": "its crawl-delay takes too long",
    "egress_denied": "the address is not allowed",
    "port_denied": "the port is not allowed",
    "stopped": "the crawl had ended",
    "sitemap_missing": "there is no sitemap",
    "sitemap_unreadable": "the sitemap cannot be read",
}
_LIMITS = {"max_pages": "the limit max_pages", "max_bytes": "the limit max_bytes", "timeout": "the end of its time"}


def _report_evidence(report: CrawlReport, masker: Masker) -> list[EvidenceDraft]:
    """What is broken and what was looked at as tables; the whole report with its times as a recording."""
    tables = [("Broken links", report.broken_table())] if report.broken else []
    tables.append(("Pages", report.pages_table()))
    pieces = [_json_evidence("listing", title, table, masker) for title, table in tables]
    return [*pieces, _json_evidence("recording", "Crawl report", report.shown(), masker)]


def _json_evidence(kind: str, title: str, facts: Mapping[str, Json], masker: Masker) -> EvidenceDraft:
    body = masker.body(listing(facts), "text/plain")
    cut = body[: MAX_EVIDENCE_BYTES * 4]
    return EvidenceDraft(kind, title, "application/json", cut, len(cut) < len(body))


def _observed(
    context: CheckContext,
    page: Page,
    subject: PageSubject,
    findings: list[Finding],
    url: str,
    evidence: Sequence[EvidenceDraft],
) -> Observation:
    """Raises `CheckFailed` (`too_large`) that carries the observation when the page was cut."""
    masker = masker_of(context.connection)
    pieces = [*page_evidence(page.answer, subject, masker), *evidence]
    observation = Observation(subject, masker.url(url), findings, page.answer.timings, pieces)
    if page.answer.truncated:
        raise CheckFailed(
            FailureClass.TOO_LARGE,
            f"the page is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB and was cut",
            observation=observation,
        )
    return observation


def page_evidence(answer: Answer, subject: PageSubject, masker: Masker) -> list[EvidenceDraft]:
    """The page as it came (as text in UTF-8, secrets hidden) and the head of the answer."""
    evidence = [response_evidence(replace(answer, body=b""), masker)]
    content_type = answer.header("content-type")
    if answer.body and textual(content_type):
        evidence.insert(0, text_evidence(subject.text, content_type, masker, cut=answer.truncated))
    return evidence


def text_evidence(text: str, content_type: str | None, masker: Masker, *, cut: bool = False) -> EvidenceDraft:
    """A page's text, secrets hidden, cut at `MAX_EVIDENCE_BYTES`."""
    body = masker.text(text[: MAX_EVIDENCE_BYTES * 2]).encode("utf-8", errors="replace")
    kept = body if len(body) <= MAX_EVIDENCE_BYTES else body[:MAX_EVIDENCE_BYTES].decode("utf-8", "ignore").encode()
    truncated = cut or len(body) > len(kept) or len(text) > MAX_EVIDENCE_BYTES * 2
    media_type = "text/html; charset=utf-8" if "html" in (content_type or "") else "text/plain; charset=utf-8"
    return EvidenceDraft("page", "Page", media_type, kept, truncated)
