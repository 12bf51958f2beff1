"""`web_crawl`: pages through Scrapy, politely, inside a process that has other things to do."""

import asyncio
import sys

import pytest
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.model import FailureClass

from ..conftest import Checks, Site, answer, sealed

PAGE = answer(
    "<title>Order 4711</title><p class=order-number>4711</p><a href='/1'>x</a><script>evil()</script>",
    content_type="text/html; charset=utf-8",
)


@pytest.mark.req("FR-011")
async def test_a_page_is_looked_into(site: Site, checks: Checks) -> None:
    """Selectors, XPath, patterns, text and title of one page; the page itself is the evidence."""
    site.routes["/orders/4711"] = PAGE
    result = await checks.run(
        {"type": "web_crawl", "url": f"{site.url}/orders/4711"},
        asserts=[
            {"subject": "status", "operators": {"eq": 200}},
            {"subject": "selector", "argument": ".order-number", "part": "text", "operators": {"eq": "4711"}},
            {"subject": "xpath", "argument": "count(//a)", "operators": {"eq": 1}},
            {"subject": "regex", "argument": "Order ([0-9]+)", "operators": {"eq": "4711"}},
            {"subject": "text", "operators": {"contains": "4711"}},
        ],
        captures={"link": {"selector": "a", "attribute": "href"}, "no": {"selector": ".order-number"}},
    )
    assert result.ok, result.message
    assert result.captures == {"link": "/1", "no": "4711"}
    assert "order-number" in await checks.shown(result, "page")
    assert result.target == f"{site.url}/orders/4711"


@pytest.mark.req("NFR-013")
async def test_robots_txt_is_obeyed_and_the_refusal_explained(site: Site, checks: Checks) -> None:
    """The page is not fetched; the rules are fetched once and remembered."""
    site.routes["/robots.txt"] = answer("User-agent: *\nDisallow: /private\n", content_type="text/plain")
    site.routes["/private/a"] = site.routes["/open"] = PAGE
    for _ in range(2):
        refused = await checks.run({"type": "web_crawl", "url": f"{site.url}/private/a"})
        assert (refused.failure_class, refused.reason) == (FailureClass.BLOCKED_BY_POLICY, "robots_txt")
        assert "User-agent: Steptrail" in str(refused.message)
    assert (await checks.run({"type": "web_crawl", "url": f"{site.url}/open"})).ok
    assert [request.path for request in site.asked] == ["/robots.txt", "/open"]


async def test_rules_for_us_by_name_count(site: Site, checks: Checks) -> None:
    """A site may shut out everyone but Steptrail."""
    site.routes["/robots.txt"] = answer("User-agent: Steptrail\nAllow: /\n\nUser-agent: *\nDisallow: /\n")
    site.routes["/a"] = PAGE
    assert (await checks.run({"type": "web_crawl", "url": f"{site.url}/a"})).ok


@pytest.mark.parametrize("robots", ["500 Internal Server Error", "404 Not Found", "403 Forbidden"])
async def test_a_site_without_rules_is_open(robots: str, site: Site, checks: Checks) -> None:
    """Trouble with robots.txt is not trouble with the page."""
    site.routes["/robots.txt"] = answer("User-agent: *\nDisallow: /\n", robots)
    site.routes["/a"] = PAGE
    assert (await checks.run({"type": "web_crawl", "url": f"{site.url}/a"})).ok


async def test_rules_count_after_a_redirect_too(site: Site, other_site: Site, checks: Checks) -> None:
    """The place redirected to may not want us."""
    site.routes["/a"] = answer("", "302 Found", location=f"{other_site.url}/b")
    other_site.routes["/robots.txt"] = answer("User-agent: *\nDisallow: /\n")
    other_site.routes["/b"] = PAGE
    result = await checks.run({"type": "web_crawl", "url": f"{site.url}/a"})
    assert result.reason == "robots_txt"


@pytest.mark.req("FR-014")
async def test_credentials_of_a_connection_stay_at_its_host(site: Site, other_site: Site, checks: Checks) -> None:
    """They are sent there, and dropped on the way to anywhere else."""
    site.routes["/shop/a"] = answer("", "302 Found", location=f"{other_site.url}/b")
    other_site.routes["/b"] = PAGE
    settings = HttpSettings(kind="http", base_url=f"{site.url}/shop", auth="bearer", headers={"X-Team": "billing"})
    result = await checks.run(
        {"type": "web_crawl", "connection": "conn", "path": "/a", "headers": {"X-Own": "1"}},
        connection=sealed(settings, token="t0ken-t0ken"),
    )
    assert result.ok, result.message
    home, away = site.last("/shop/a").headers, other_site.last("/b").headers
    assert (home["authorization"], home["x-team"], home["x-own"]) == ("Bearer t0ken-t0ken", "billing", "1")
    assert not {"authorization", "x-team", "x-own", "referer", "cookie"} & away.keys()


async def test_a_page_in_another_character_set_is_read(site: Site, checks: Checks) -> None:
    """As its own declaration says; evidence is stored as UTF-8."""
    site.routes["/a"] = answer(
        "<meta charset='iso-8859-15'><title>Preis 5 € für Bücher</title>".encode("iso-8859-15"),
        content_type="text/html",
    )
    result = await checks.run(
        {"type": "web_crawl", "url": f"{site.url}/a"},
        asserts=[{"subject": "title", "operators": {"eq": "Preis 5 € für Bücher"}}],
    )
    assert result.ok, result.message
    assert "Bücher" in await checks.shown(result, "page")


async def test_xml_bombs_in_pages_are_refused(site: Site, checks: Checks) -> None:
    """A document type definition is never read."""
    site.routes["/a"] = answer('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', content_type="application/xml")
    result = await checks.run(
        {"type": "web_crawl", "url": f"{site.url}/a"},
        asserts=[{"subject": "xpath", "argument": "//x", "operators": {"eq": "b"}}],
    )
    assert (result.failure_class, result.reason) == (FailureClass.PROTOCOL, "bad_xml")


async def test_cookies_do_not_survive_a_check(site: Site, checks: Checks) -> None:
    """Every check starts as a stranger."""
    site.routes["/a"] = answer("x", set_cookie="session=1; Path=/", content_type="text/html")
    for _ in range(2):
        assert (await checks.run({"type": "web_crawl", "url": f"{site.url}/a"})).ok
        assert "cookie" not in site.last("/a").headers


async def test_engines_need_no_reactor_and_close_without_a_trace(site: Site, checks: Checks) -> None:
    """Several in one process, on whichever loop they were started; nothing stays behind."""
    site.routes["/a"] = PAGE
    before = asyncio.all_tasks()
    second = Checks(checks.folder, [f"127.0.0.1:{site.port}"])
    for each in (checks, second):
        assert (await each.run({"type": "web_crawl", "url": f"{site.url}/a"})).ok
        await each.close()
    await asyncio.sleep(0.05)
    assert "twisted.internet.reactor" not in sys.modules
    assert {task for task in asyncio.all_tasks() - before if "Site.serve" not in repr(task)} == set()


async def test_a_stopped_check_leaves_the_engine_working(site: Site, checks: Checks) -> None:
    """Cancelling one visit, or many, blocks no slot of the host."""

    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    site.routes |= {"/slow": hang, "/a": PAGE}
    visits = [
        asyncio.create_task(checks.run({"type": "web_crawl", "url": f"{site.url}/slow"}, timeout_seconds=1.0))
        for _ in range(20)
    ]
    await asyncio.sleep(0.3)
    for visit in visits:
        visit.cancel()
    await asyncio.gather(*visits, return_exceptions=True)
    await asyncio.sleep(1.0)
    assert (await checks.run({"type": "web_crawl", "url": f"{site.url}/a"}, timeout_seconds=3.0)).ok
