"""`web_crawl` with `crawl`: a site within limits, its broken links, and what the pages lack."""

import asyncio
import json
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import StepResult
from steptrail_crawler.adapters.http import HttpClient
from steptrail_crawler.adapters.pages import PageFetcher
from steptrail_crawler.adapters.web_crawl import WebCrawlKind

from ..conftest import Checks, Raw, Site, answer
from .test_hostile_tls import Authority, served


def page(*links: str, title: str = "T", more: str = "") -> bytes:
    body = f"<title>{title}</title>{more}" + "".join(f"<a href='{link}'>x</a>" for link in links)
    return answer(body, content_type="text/html")


async def crawl(checks: Checks, site: Site, asserts: Any = None, seconds: float = 10.0, **limits: Any) -> StepResult:
    check = {"type": "web_crawl", "url": f"{site.url}/", "crawl": limits}
    return await checks.run(check, asserts=asserts, timeout_seconds=seconds)


async def report(checks: Checks, result: StepResult) -> Any:
    return json.loads(await checks.shown(result, "recording"))


def counts(result: StepResult) -> dict[str, Any]:
    return {finding.label: finding.value for finding in result.findings}


@pytest.mark.req("FR-011")
async def test_a_crawl_follows_links_as_deep_as_it_is_told(site: Site, checks: Checks) -> None:
    """Each page once, breadth first; links behind the last page are tried, not followed."""
    site.routes |= {"/": page("/a", "/a#part", "/b"), "/a": page("/c", "/"), "/b": page("/c"), "/c": page("/d")}
    site.routes["/d"] = page("/gone")
    result = await crawl(
        checks,
        site,
        [{"subject": "pages", "operators": {"eq": 4}}, {"subject": "broken_links", "operators": {"eq": 0}}],
        depth=2,
    )
    assert result.ok, result.message
    seen = [asked.path for asked in site.asked if asked.method == "GET"]
    assert sorted(seen) == ["/", "/a", "/b", "/c", "/robots.txt"]
    assert [asked.path for asked in site.asked if asked.method == "HEAD"] == ["/d"]
    assert [fact["depth"] for fact in (await report(checks, result))["pages"]] == [0, 1, 1, 2]


@pytest.mark.req("FR-011")
async def test_broken_links_fail_the_step_and_say_where_they_stand(
    site: Site, other_site: Site, checks: Checks
) -> None:
    """Pages, pictures and, if wanted, links elsewhere; a refusal is not a broken link."""
    site.routes["/"] = page("/gone", "/locked", f"{other_site.url}/far", "mailto:a@b", more="<img src=/no.png>")
    site.routes["/locked"] = answer("no", "403 Forbidden")
    result = await crawl(checks, site, links="all")
    assert (result.failure_class, result.reason) == (FailureClass.ASSERTION, "broken_links")
    assert f"linked from {site.url}/" in str(result.message)
    found = await report(checks, result)
    assert {item["url"] for item in found["broken_links"]} == {
        f"{site.url}/gone",
        f"{site.url}/no.png",
        f"{other_site.url}/far",
    }
    assert [item["url"] for item in found["refused_links"]] == [f"{site.url}/locked"]
    allowed = await crawl(checks, site, [{"subject": "broken_links", "operators": {"lte": 2}}])
    assert allowed.ok, allowed.message


async def test_a_server_that_knows_no_head_is_asked_again(site: Site, checks: Checks) -> None:
    """Only the answer to a GET says that a link is broken."""
    site.routes |= {"/": page("/a"), "/a": answer("x", "405 Method Not Allowed")}
    result = await crawl(checks, site, depth=0)
    assert [asked.method for asked in site.asked if asked.path == "/a"] == ["HEAD", "GET"]
    assert "405" in str(result.message)


async def test_pages_without_titles_and_redirects_are_findings(site: Site, checks: Checks) -> None:
    """They do not fail the step by themselves, and can be asserted and captured."""
    site.routes |= {"/": page("/a", "/moved"), "/a": page(title=" "), "/b": page()}
    site.routes["/moved"] = answer("", "301 Moved", location="/b")
    result = await checks.run(
        {"type": "web_crawl", "url": f"{site.url}/", "crawl": {}},
        asserts=[{"subject": "missing_titles", "operators": {"eq": 1}}],
        captures={"moved": {"finding": "redirects"}, "seen": {"finding": "pages"}},
    )
    assert result.ok, result.message
    assert result.captures == {"moved": 1, "seen": 3}
    assert counts(result)["Page without a title"] == f"{site.url}/a"


async def test_patterns_and_hosts_bound_a_crawl(site: Site, other_site: Site, checks: Checks) -> None:
    """Include and exclude are regular expressions over addresses; other hosts only by name."""
    site.routes["/"] = page("/shop/1", "/shop/2?print=1", "/blog", f"{other_site.url}/shop/9")
    site.routes |= {"/shop/1": page(), "/shop/2": page(), "/blog": page()}
    other_site.routes["/shop/9"] = page()
    result = await crawl(checks, site, include=["/shop/"], exclude=["print="], links="none", hosts=["127.0.0.2"])
    assert result.ok, result.message
    fetched = {asked.path for asked in [*site.asked, *other_site.asked]} - {"/robots.txt"}
    assert fetched == {"/", "/shop/1", "/shop/9"}


@pytest.mark.req("NFR-013")
async def test_limits_of_pages_and_bytes_end_a_crawl(site: Site, checks: Checks) -> None:
    """They are no failure; the result says which limit it was."""
    site.routes["/"] = page(*(f"/{number}" for number in range(30)))
    site.routes |= {f"/{number}": page(more="x" * 9000) for number in range(30)}
    few = await crawl(checks, site, max_pages=5, links="none")
    assert few.ok
    assert counts(few)["Pages looked at"] == 5
    assert counts(few)["Stopped at"] == "the limit max_pages"
    small = await crawl(checks, site, max_bytes=20_000, links="none", concurrency=1)
    assert small.ok
    assert counts(small)["Pages looked at"] < 6
    assert counts(small)["Stopped at"] == "the limit max_bytes"


@pytest.mark.req("FR-011")
async def test_a_sitemap_is_a_start_too(site: Site, checks: Checks) -> None:
    """The one robots.txt names, with the index it may be."""
    site.routes |= {"/": page(), "/x": page(), "/y": page()}
    site.routes["/robots.txt"] = answer(f"Sitemap: {site.url}/index.xml")
    index = f"<sitemapindex><sitemap><loc>{site.url}/map.xml</loc></sitemap></sitemapindex>"
    entries = "".join(f"<url><loc>{site.url}{path}</loc></url>" for path in ("/x", "/y"))
    site.routes |= {"/index.xml": answer(index), "/map.xml": answer(f"<urlset>{entries}</urlset>")}
    result = await crawl(checks, site, [{"subject": "pages", "operators": {"eq": 3}}], sitemap=True)
    assert result.ok, result.message


@pytest.mark.req("NFR-013")
async def test_a_crawl_asks_at_the_pace_of_all_workers_together(site: Site, other_site: Site, checks: Checks) -> None:
    """Every page and every tried link of a host waits for its turn; what has none in time is not called broken."""
    site.routes |= {"/": page("/a", "/b", f"{other_site.url}/far"), "/a": page(), "/b": page()}
    other_site.routes["/far"] = page()
    turns: list[tuple[str, float]] = []

    async def pace(target: str, until: float) -> None:
        turns.append((target, until))
        if target.startswith("127.0.0.2"):
            raise CheckFailed(FailureClass.RATE_LIMITED, "not its turn", reason="target_rate", ours=True)

    checks.kinds["web_crawl"] = WebCrawlKind(client := HttpClient(checks.policy, pace), PageFetcher(client))
    result = await crawl(checks, site, links="all")
    assert result.ok, result.message
    own, far = f"127.0.0.1:{site.port}", f"127.0.0.2:{other_site.port}"
    assert sorted(target for target, _ in turns) == [own, own, own, far]
    assert counts(result)["Not looked at (others asked the site as often as it may be)"] == 1


@pytest.mark.req("FR-011")
async def test_a_crawl_is_shown_as_tables(site: Site, checks: Checks) -> None:
    """Broken links with their places, and pages without what differs from look to look; the rest is a recording."""
    site.routes |= {"/": page("/a", "/gone"), "/a": page(title="A")}
    result = await crawl(checks, site)
    shown = {
        piece.title: json.loads(await checks.body(piece)) for piece in result.evidence if "json" in piece.media_type
    }
    assert shown["Broken links"]["rows"] == [[f"{site.url}/gone", "HTTP status 404", f"{site.url}/"]]
    assert shown["Pages"]["columns"] == ["url", "status", "title", "links away", "note"]
    assert [f"{site.url}/a", 200, "A", 1, None] in shown["Pages"]["rows"]
    assert shown["Crawl report"]["pages"][0]["seconds"] > 0


@pytest.mark.req("FR-011")
async def test_what_a_secure_page_loads_insecurely_is_found(site: Site, checks: Checks, tmp_path: Path) -> None:
    """Scripts, pictures, frames and forms; links to read on are no part of the page."""
    authority = Authority.new()
    loaded = (
        "<script src=http://cdn.example/x.js></script><img src=http://pic.example/y.png><form action=HTTP://f.example>"
    )
    async with served(tmp_path, *authority.signed("127.0.0.1")) as secure:
        secure.routes["/"] = page("/b", "http://away.example/", more=loaded)
        secure.routes["/b"] = page(
            more="<iframe src='http://frame.example/'></iframe><img src=https://ok.example/z.png>"
        )
        own = Checks(tmp_path, [f"127.0.0.1:{secure.port}"])
        for limits, expected in (({}, 4), (None, 3)):
            result = await own.run(
                {"type": "web_crawl", "url": f"{secure.url.replace('http', 'https')}/", "verify_tls": False}
                | ({"crawl": limits} if limits is not None else {}),
                asserts=[{"subject": "mixed_content", "operators": {"eq": expected}}],
                timeout_seconds=15.0,
            )
            assert result.ok, result.message
            assert "Mixed content" in counts(result)
        await own.close()


@pytest.mark.req("NFR-013")
async def test_pages_that_robots_txt_closes_are_skipped_and_counted(site: Site, checks: Checks) -> None:
    """A closed page is neither fetched nor broken."""
    site.routes |= {"/": page("/closed/a", "/a"), "/a": page()}
    site.routes["/robots.txt"] = answer("User-agent: *\nDisallow: /closed\n")
    result = await crawl(checks, site)
    assert result.ok, result.message
    assert counts(result)["Not looked at (robots.txt asks not to)"] == 1
    assert "/closed/a" not in [asked.path for asked in site.asked]


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_a_crawl_that_is_not_done_in_time_says_how_far_it_came(site: Site, checks: Checks, busy: bool) -> None:
    """And leaves nothing running. On a busy machine too, where the step's hard limit comes while the crawl stops."""
    await asyncio.to_thread(
        import_module, "steptrail_crawler.adapters.scrapy_engine"
    )  # once a process, not in a second

    async def slow(writer: asyncio.StreamWriter) -> None:
        if busy:
            await asyncio.sleep(0.5)
            time.sleep(1)  # noqa: ASYNC251 (both limits pass before anything else is done in this process)
        await asyncio.sleep(30)

    site.routes |= {"/": page("/a", "/slow"), "/a": page(), "/slow": slow}
    before = asyncio.all_tasks()
    result = await crawl(checks, site, seconds=1.0)
    assert (result.failure_class, result.reason) == (FailureClass.TIMEOUT, "crawl_time")
    assert "2 pages" in str(result.message)
    assert (await report(checks, result))["summary"]["stopped"] == "timeout"
    await asyncio.sleep(0.1)
    assert {task for task in asyncio.all_tasks() - before if "Site.serve" not in repr(task)} == set()


HOSTILE: dict[str, Raw] = {
    "/loop": answer("", "302 Found", location="/loop"),
    "/meta": answer("", "302 Found", location="http://169.254.169.254/"),
    "/file": answer("", "302 Found", location="file:///etc/passwd"),
    "/binary": answer(b"\x00\xff" * 500, content_type="text/html"),
}


async def test_hostile_pages_do_not_end_a_crawl(site: Site, checks: Checks) -> None:
    """Loops and forbidden redirects are told; the rest is looked at."""
    site.routes |= {"/": page(*HOSTILE, "http://[::1", "/binary?\U0001f600"), **HOSTILE}
    result = await crawl(checks, site)
    found = await report(checks, result)
    assert {f"{site.url}/loop", f"{site.url}/file"} == {item["url"] for item in found["broken_links"]}
    assert found["not_looked_at"] == {"egress_denied": 1}
