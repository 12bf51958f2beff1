"""`web_crawl` of one page: linked data, kept pages, crawl-delay, sign-in by form, and what a page lacks."""

import time
from typing import Any
from urllib.parse import parse_qs

import pytest
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.connections.http import FormLogin
from steptrail_common.contracts.model import FailureClass

from ..conftest import Checks, Site, answer, sealed

PRODUCT = """<title>Lamp</title><script type="application/ld+json">
{"@context": "https://schema.org", "@graph": [{"@type": "Product", "offers": {"price": 19.9, "inStock": true}}]}
</script><script type="application/ld+json">[{"@type": "BreadcrumbList"}]</script>"""


@pytest.mark.req("FR-011")
async def test_linked_data_is_asked_by_json_path(site: Site, checks: Checks) -> None:
    """All JSON-LD objects of a page are one list; values keep their type."""
    site.routes["/a"] = answer(PRODUCT, content_type="text/html")
    result = await checks.run(
        {"type": "web_crawl", "url": f"{site.url}/a"},
        asserts=[
            {"subject": "jsonld", "argument": "$[?@['@type'] == 'Product'].offers.price", "operators": {"lt": 20}},
            {"subject": "jsonld", "argument": "$[*]", "part": "count", "operators": {"eq": 2}},
        ],
        captures={"stock": {"jsonld": "$..inStock"}},
    )
    assert result.ok, result.message
    assert result.captures == {"stock": True}


async def test_linked_data_that_is_no_json_fails_by_name(site: Site, checks: Checks) -> None:
    site.routes["/a"] = answer("<script type='application/ld+json'>{oops</script>", content_type="text/html")
    result = await checks.run(
        {"type": "web_crawl", "url": f"{site.url}/a"},
        asserts=[{"subject": "jsonld", "argument": "$[0]", "operators": {"exists": True}}],
    )
    assert (result.failure_class, result.reason) == (FailureClass.PROTOCOL, "bad_json")


@pytest.mark.req("NFR-018")
async def test_a_page_that_did_not_change_is_not_sent_again(site: Site, checks: Checks) -> None:
    """The kept page answers all questions; the result says so. A step can do without."""
    check = {"type": "web_crawl", "url": f"{site.url}/a"}
    site.routes["/a"] = answer("<title>one</title>", content_type="text/html", etag='"v1"')
    asserts = [{"subject": "title", "operators": {"eq": "one"}}]
    assert (await checks.run(check, asserts=asserts)).ok
    site.routes["/a"] = answer("", "304 Not Modified", etag='"v1"')
    again = await checks.run(check, asserts=asserts)
    assert again.ok, again.message
    assert site.last("/a").headers["if-none-match"] == '"v1"'
    assert "Not modified" in {finding.label for finding in again.findings}
    site.routes["/a"] = answer("<title>one</title>", content_type="text/html")
    assert (await checks.run({**check, "conditional": False}, asserts=asserts)).ok
    assert "if-none-match" not in site.last("/a").headers


async def test_pages_kept_for_one_sign_in_are_not_shown_to_another(site: Site, checks: Checks) -> None:
    """What is sent, credentials included, is part of what a kept page belongs to."""
    site.routes["/a"] = answer("mine", content_type="text/html", etag='"v1"')
    for token in ("token-1", "token-2"):
        connection = sealed(HttpSettings(kind="http", base_url=site.url, auth="bearer"), token=token)
        await checks.run({"type": "web_crawl", "connection": "conn", "path": "/a"}, connection=connection)
        assert "if-none-match" not in site.last("/a").headers


@pytest.mark.req("NFR-013")
async def test_a_crawl_delay_is_waited_for_or_refused_with_a_reason(site: Site, checks: Checks) -> None:
    """One request per delay and site; whoever cannot wait is told what to do; own sites can opt out."""
    site.routes["/robots.txt"] = answer("User-agent: *\nCrawl-delay: 0.4\n")
    site.routes["/a"] = answer("x", content_type="text/html")
    check: dict[str, Any] = {"type": "web_crawl", "url": f"{site.url}/a"}
    began = time.monotonic()
    assert (await checks.run(check)).ok
    second = await checks.run(check)
    assert time.monotonic() - began >= 0.4
    assert "Waited out of politeness" in {finding.label for finding in second.findings}
    assert second.timings["total"] < 0.4
    late = await checks.run(check, timeout_seconds=0.1)
    assert (late.failure_class, late.reason, late.ours) == (FailureClass.RATE_LIMITED, "crawl_delay", True)
    assert "robots: ignore" in str(late.message)
    assert (await checks.run({**check, "robots": "ignore"}, timeout_seconds=0.3)).ok


@pytest.mark.req("NFR-013")
async def test_robots_txt_can_be_ignored_for_sites_of_ones_own(site: Site, checks: Checks) -> None:
    """By the step, visibly; it is not even fetched."""
    site.routes["/robots.txt"] = answer("User-agent: *\nDisallow: /\n")
    site.routes["/a"] = answer("x", content_type="text/html")
    assert (await checks.run({"type": "web_crawl", "url": f"{site.url}/a", "robots": "ignore"})).ok
    assert [asked.path for asked in site.asked] == ["/a"]


async def test_a_missing_title_is_a_finding_that_can_be_asserted(site: Site, checks: Checks) -> None:
    site.routes["/a"] = answer("<p>x</p>", content_type="text/html")
    result = await checks.run(
        {"type": "web_crawl", "url": f"{site.url}/a"}, asserts=[{"subject": "missing_titles", "operators": {"eq": 0}}]
    )
    assert "the page has none" in {finding.value for finding in result.findings}
    assert result.message == "missing_titles 1, expected 0"


async def test_what_only_a_crawl_or_browser_knows_says_so(site: Site, checks: Checks) -> None:
    """Asked of a plain page, the answer names the key that is missing."""
    site.routes["/a"] = answer("<p>x</p>", content_type="text/html")
    for subject, hint in (("broken_links", "crawl:"), ("console_errors", "render: true")):
        result = await checks.run(
            {"type": "web_crawl", "url": f"{site.url}/a"}, asserts=[{"subject": subject, "operators": {"eq": 0}}]
        )
        assert result.failure_class is FailureClass.INVALID_DEFINITION
        assert hint in str(result.message)


def shop_login(site: Site) -> SealedConnection:
    login = FormLogin(path="/login", username_field="user", password_field="pw", fields={"remember": "1"})
    settings = HttpSettings(kind="http", base_url=site.url, auth="form", username="ann", login=login)
    return sealed(settings, password="s3cret-s3cret")


FORM = (
    "<form method=post action='/enter'><input name=csrf type=hidden value=t0k><input name=user><input name=pw></form>"
)


@pytest.mark.req("FR-014")
async def test_a_login_form_is_filled_in_and_its_cookie_used(site: Site, checks: Checks) -> None:
    """With the hidden fields of the form; the password is in no result and no evidence."""
    site.routes |= {"/login": answer(FORM, content_type="text/html", set_cookie="pre=1; Path=/")}
    site.routes["/enter"] = answer("", "302 Found", location="/home", set_cookie="session=abc; Path=/")
    site.routes |= {"/home": answer("welcome"), "/orders": answer("<p>s3cret-s3cret</p>", content_type="text/html")}
    result = await checks.run(
        {"type": "web_crawl", "connection": "conn", "path": "/orders"}, connection=shop_login(site)
    )
    assert result.ok, result.message
    sent = parse_qs(site.last("/enter").body.decode())
    assert sent == {"csrf": ["t0k"], "user": ["ann"], "pw": ["s3cret-s3cret"], "remember": ["1"]}
    assert site.last("/enter").headers["cookie"] == "pre=1"
    assert "session=abc" in site.last("/orders").headers["cookie"]
    assert "s3cret" not in result.model_dump_json() + await checks.shown(result, "page")


@pytest.mark.req("FR-014")
@pytest.mark.parametrize(
    ("enter", "login", "reason"),
    [
        (answer(FORM, content_type="text/html"), FORM, "login_failed"),
        (answer("", "403 Forbidden"), FORM, "login_failed"),
        (answer(""), "<p>no form</p>", "login_form_missing"),
        (answer(""), FORM.replace("/enter", "http://127.0.0.2:1/steal"), "login_elsewhere"),
    ],
)
async def test_a_sign_in_that_fails_is_our_trouble(
    enter: bytes, login: str, reason: str, site: Site, checks: Checks
) -> None:
    """Not a fault of the page behind, which is not looked at."""
    site.routes |= {"/login": answer(login, content_type="text/html"), "/enter": enter}
    result = await checks.run(
        {"type": "web_crawl", "connection": "conn", "path": "/orders"}, connection=shop_login(site)
    )
    assert (result.failure_class, result.reason, result.ours) == (FailureClass.AUTH, reason, True)
    assert "/orders" not in [asked.path for asked in site.asked]
