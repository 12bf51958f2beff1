"""`web_crawl`: one page, fetched through Scrapy, politely."""

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from steptrail_checks.masking import Masker
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_checks.subjects import HttpSubject
from steptrail_common import telemetry
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.definition import WebCrawl
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.api_call import ApiCallKind, response_evidence
from steptrail_crawler.adapters.exchange import (
    MAX_EVIDENCE_BYTES,
    credentials_of,
    deadline_of,
    http_settings,
    joined,
    judge,
    masker_of,
    observe,
    textual,
)
from steptrail_crawler.adapters.http import USER_AGENT, Answer, HttpClient
from steptrail_crawler.domain.address import MAX_REDIRECTS, checked_headers, origin, target

if TYPE_CHECKING:
    from steptrail_crawler.adapters.scrapy_engine import ScrapyEngine

_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class WebCrawlKind:
    """Visits the page a step names and shows it to the assertions."""

    type = "web_crawl"

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._engine: ScrapyEngine | None = None
        self._loading = asyncio.Lock()

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        if not isinstance(check, WebCrawl):
            raise TypeError(check)
        settings = http_settings(context.connection)
        url = target(check.url, settings.base_url if settings else None, check.path)
        masker = masker_of(context.connection)
        engine = await self._loaded()
        started = time.monotonic()
        headers = {"Accept": _ACCEPT, **telemetry.inject({}), **checked_headers(check.headers)}
        judge(self._client.policy, url)
        try:
            answer, redirects = await engine.visit(
                url,
                headers=headers,
                credentials=credentials_of(context.connection),
                deadline=deadline_of(context),
                verify_tls=check.verify_tls and (settings.verify_tls if settings else True),
            )
        except Exception as error:
            raise _named(error, masker.url(url)) from error
        if 300 <= answer.status < 400 and (location := answer.header("location")):
            joined(self._client.policy, answer.url, location)  # Scrapy does not follow other schemes: say so
        return observe(
            answer,
            redirects,
            target=url,
            masker=masker,
            evidence=_evidence(answer, masker),
            elapsed=time.monotonic() - started,
            with_credentials=settings is not None and settings.auth != "none",
        )

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        return await ApiCallKind(self._client).test(connection)

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    async def _loaded(self) -> "ScrapyEngine":
        async with self._loading:
            if self._engine is None:
                module = await asyncio.to_thread(__import__, _ENGINE, fromlist=["ScrapyEngine"])
                self._engine = module.ScrapyEngine(self._client)
            return self._engine


_ENGINE = "steptrail_crawler.adapters.scrapy_engine"


def _named(error: Exception, url: str) -> Exception:
    """What Scrapy's middlewares refuse, in our words; everything else as it is."""
    if type(error).__name__ == "ForbiddenByRobots":
        host = origin(url)[1]
        return CheckFailed(
            FailureClass.BLOCKED_BY_POLICY,
            f"robots.txt of {host} asks {USER_AGENT.split('/')[0]} not to fetch this page: allow it there "
            "(`User-agent: Steptrail`), or check the page with api_call",
            reason="robots_txt",
            ours=True,
        )
    if type(error).__name__ == "TooManyRedirects":
        return CheckFailed(FailureClass.PROTOCOL, f"more than {MAX_REDIRECTS} redirects", reason="too_many_redirects")
    return error


def _evidence(answer: Answer, masker: Masker) -> list[EvidenceDraft]:
    """The page as it came (as text in UTF-8, secrets hidden) and the head of the answer."""
    evidence = [response_evidence(replace(answer, body=b""), masker)]
    content_type = answer.header("content-type")
    if answer.body and textual(content_type):
        text = HttpSubject(answer.status, answer.url, answer.headers, answer.body[: MAX_EVIDENCE_BYTES * 2], 0.0).text
        body = masker.text(text).encode("utf-8", errors="replace")
        cut = body[:MAX_EVIDENCE_BYTES].decode("utf-8", errors="ignore").encode()
        truncated = answer.truncated or len(body) > len(cut) or len(answer.body) > MAX_EVIDENCE_BYTES * 2
        media_type = "text/html; charset=utf-8" if "html" in (content_type or "") else "text/plain; charset=utf-8"
        evidence.insert(0, EvidenceDraft("page", "Page", media_type, cut, truncated))
    return evidence
