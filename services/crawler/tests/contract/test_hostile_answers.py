"""Hostile and broken answers to both kinds that fetch by HTTP: sizes, compression, heads, texts, XML, JSON, cookies."""

import asyncio
import gzip
import itertools
import json
import sys
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import StepResult
from steptrail_crawler.adapters.http import MAX_COOKIES

from ..conftest import Checks, Raw, Site, answer
from .test_http_kinds import KINDS, named

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENOUGH_SECONDS = 20.0
"""For what must not take long, but may on a busy machine."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def asked(
    checks: Checks, site: Site, kind: str, raw: Raw, subject: str | None = None, argument: str | None = None
) -> StepResult:
    """One look at an answer, with something asked of what is in it."""
    site.routes["/a"] = raw
    asserts = [{"subject": subject, "argument": argument, "operators": {"exists": True}}] if subject else None
    return await checks.run({"type": kind, "url": f"{site.url}/a"}, asserts=asserts, timeout_seconds=ENOUGH_SECONDS)


def finding(result: StepResult, label: str) -> Any:
    return next((item.value for item in result.findings if item.label == label), None)


@pytest.mark.req("NFR-012")
async def test_ten_gigabytes_are_cut_at_ten_megabytes(kind: str, site: Site, checks: Checks) -> None:
    """Whatever length is announced; what was read until then is evidence."""
    sent = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 10000000000\r\n\r\n")
        while True:
            writer.write(b"<p>x</p>" * 8192)
            await writer.drain()
            sent += 65_536

    result = await asked(checks, site, kind, flood)
    assert named(result) == (FailureClass.TOO_LARGE, None)
    assert result.evidence
    assert sent < 50_000_000


@cache  # to make one takes longer than to be attacked by it
def _bomb(compress: Callable[[bytes], bytes]) -> bytes:
    return compress(compress(bytes(500_000_000)))


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(("coding", "compress"), [("gzip, gzip", gzip.compress), ("zstd, zstd", zstd.compress)])
async def test_a_bomb_within_a_bomb_takes_little_memory(
    kind: str, coding: str, compress: Callable[[bytes], bytes], site: Site, checks: Checks
) -> None:
    """Half a gigabyte, compressed twice to a kilobyte, is unpacked piece by piece and no further than the limit."""
    bomb = _bomb(compress)
    tracemalloc.start()
    result = await asked(checks, site, kind, answer(bomb, content_type="text/html", content_encoding=coding))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.failure_class is FailureClass.TOO_LARGE
    assert peak < 150_000_000


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
async def test_compression_is_asked_for_and_unpacked(
    kind: str, coding: str, compress: Callable[[bytes], bytes], site: Site, checks: Checks
) -> None:
    """An answer that only claims to be compressed says so."""
    page = compress(b"<p>hello</p>")
    result = await asked(checks, site, kind, answer(page, content_type="text/html", content_encoding=coding))
    assert result.ok, result.message
    assert "<p>hello</p>" in await checks.shown(result, "page" if kind == "web_crawl" else "response")
    assert coding in site.asked[-1].headers["accept-encoding"]
    damaged = await asked(
        checks, site, kind, answer(b"<p>hello</p>", content_type="text/html", content_encoding=coding)
    )
    assert named(damaged) == (FailureClass.PROTOCOL, "bad_encoding"), damaged.message


@pytest.mark.parametrize("coding", ["lz4", "compress", "aws-chunked", "gzip, lz4", "\u00e9"])
async def test_compression_nobody_asked_for_is_named(kind: str, coding: str, site: Site, checks: Checks) -> None:
    """Its bytes are not taken for a page."""
    body = b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello"
    result = await asked(checks, site, kind, answer(body, content_type="text/html", content_encoding=coding))
    assert named(result) == (FailureClass.PROTOCOL, "bad_encoding"), result.message


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "head",
    [b"".join(b"x-%d: y\r\n" % n for n in range(100_000)), b"x: " + b"y" * 1_000_000 + b"\r\n"],
    ids=["100,000 headers", "1 MB header"],
)
async def test_a_head_without_measure_is_a_bad_response(kind: str, head: bytes, site: Site, checks: Checks) -> None:
    result = await asked(checks, site, kind, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
    assert named(result) == (FailureClass.PROTOCOL, "bad_response"), result.message


DAMAGED = {
    "utf-8": (b"<p>gr\xfcn \xf0\x28\x8c\x28</p>", "text/html; charset=utf-8"),
    "wrong charset": ("<p>ÄÖÜ</p>".encode("latin-1"), "text/html; charset=utf-8"),
    "cut utf-16": (b"\xff\xfe<\x00p\x00>\x00\x00\xd8", "text/html"),
    "nul": (b"<p>a\x00b\x00</p>", "text/html; charset=utf-8"),
}


@pytest.mark.req("NFR-009")
@pytest.mark.parametrize("case", DAMAGED)
async def test_bytes_that_are_no_text_are_replaced_and_flagged(
    kind: str, case: str, site: Site, checks: Checks
) -> None:
    """The step goes on; the finding says so; evidence and captures are valid UTF-8 without NUL."""
    body, content_type = DAMAGED[case]
    site.routes["/a"] = answer(body, content_type=content_type)
    result = await checks.run(
        {"type": kind, "url": f"{site.url}/a"}, captures={"text": {"regex": "(?s).+"}}, timeout_seconds=ENOUGH_SECONDS
    )
    assert result.ok, result.message
    assert "do not belong" in str(finding(result, "Character set"))
    for piece in result.evidence:
        assert "\x00" not in await checks.body(piece)
    assert "\x00" not in json.loads(result.model_dump_json())["captures"]["text"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<p>grün</p>".encode("utf-16-le"), "text/html"),
        ("<p>grün</p>".encode("utf-16-be"), "text/html"),
        ("<p>grün</p>".encode("utf-16"), "text/html"),
        ("<p>grün</p>".encode("utf-8-sig"), "text/html; charset=iso-8859-1"),
        ("<meta charset=windows-1252><p>grün</p>".encode("cp1252"), "text/html"),
        ("<p>grün</p>".encode("latin-1"), "text/html; charset=latin1"),
        (b"<p>gr\xfcn</p>", "text/html; charset=klingon"),
    ],
    ids=["utf-16-le", "utf-16-be", "utf-16", "mark over header", "meta", "header", "unknown name"],
)
async def test_character_sets_are_found_out(
    kind: str, body: bytes, content_type: str, site: Site, checks: Checks
) -> None:
    """By mark, header, the page's own word, or its bytes: UTF-16 needs no mark."""
    site.routes["/a"] = answer(body, content_type=content_type)
    asserts = [{"subject": "selector", "argument": "p", "operators": {"eq": "grün"}}]
    result = await checks.run({"type": kind, "url": f"{site.url}/a"}, asserts=asserts)
    assert result.ok, result.message
    assert finding(result, "Character set") is None


XML = {
    "laughs": '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>',
    "external": '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>',
    "parameter": '<!DOCTYPE l [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]><l/>',
    "dtd": '<!DOCTYPE l SYSTEM "http://127.0.0.1:1/l.dtd"><l/>',
    "depth": "<l>" * 10_000 + "</l>" * 10_000,
    "broken": "<l><b></l>",
}


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("case", XML)
async def test_dangerous_xml_is_refused(kind: str, case: str, site: Site, checks: Checks) -> None:
    """Type definitions, entities and depth; nothing is loaded, nothing unfolds."""
    raw = answer(f'<?xml version="1.0"?>{XML[case]}', content_type="application/xml")
    result = await asked(checks, site, kind, raw, "xpath", "//l")
    assert named(result) == (FailureClass.PROTOCOL, "bad_xml"), result.message
    assert "root:" not in result.model_dump_json()


JSON = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "huge": b'{"a": 1e400}',
    "doubled": b'{"a": 1, "a": 2}',
    "digits": b'{"a": ' + b"9" * 5_000_000 + b"}",
    "bytes": b'{"a": "\xff"}',
}


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("case", JSON)
async def test_dangerous_json_is_refused(kind: str, case: str, site: Site, checks: Checks) -> None:
    """Depth, numbers that are none or have no end, doubled keys; the worker looks at the next answer as before."""
    result = await asked(checks, site, kind, answer(JSON[case], content_type="application/json"), "jsonpath", "$.a")
    assert named(result) == (FailureClass.PROTOCOL, "bad_json"), result.message
    good = await asked(checks, site, kind, answer('{"a": 1}', content_type="application/json"), "jsonpath", "$.a")
    assert good.ok, good.message


@pytest.mark.req("NFR-012")
async def test_cookies_for_others_and_by_the_thousand_are_not_kept(
    kind: str, site: Site, other_site: Site, checks: Checks
) -> None:
    """Five thousand at once make an answer that is none, hundreds over redirects fill no jar. A step starts with an
    empty jar, keeps a few cookies of its own host, and none that name another one."""
    foreign = [f"evil=1; Domain={name}; Path=/" for name in ("127.0.0.2", "example.com", ".com", "localhost")]
    hops = ["/a", "/b", "/c", "/d", f"{other_site.url}/e"]
    for hop, (path, following) in enumerate(itertools.pairwise(hops)):
        cookies = [*foreign, *(f"c{hop}-{number}=1; Path=/" for number in range(90))]
        lines = "".join(f"set-cookie: {cookie}\r\n" for cookie in cookies)
        head = f"HTTP/1.1 302 Found\r\nlocation: {following}\r\ncontent-length: 0\r\n{lines}\r\n"
        site.routes[path] = head.encode()
    other_site.routes["/e"] = answer("there", content_type="text/plain")
    first = site.routes["/a"]
    flood = b"".join(b"set-cookie: c%d=1\r\n" % number for number in range(5_000))
    refused = await asked(checks, site, kind, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + flood + b"\r\n")
    assert named(refused) == (FailureClass.PROTOCOL, "bad_response"), refused.message
    site.routes["/a"] = first
    for _ in range(2):
        result = await checks.run({"type": kind, "url": f"{site.url}/a"}, timeout_seconds=ENOUGH_SECONDS)
        assert result.ok, result.message
        assert "cookie" not in site.last("/a").headers
    sent = site.last("/d").headers["cookie"]
    assert "evil" not in sent
    assert 1 <= sent.count("=") <= MAX_COOKIES
    assert "cookie" not in other_site.last("/e").headers


async def test_a_page_that_never_looks_the_same_twice_has_not_changed(site: Site, checks: Checks) -> None:
    """Its ETag, date and clock differ; what is compared later are the values that were chosen and lasting facts."""
    seen = []
    for second in range(3):
        more = "x" * second
        site.routes["/a"] = answer(
            f"<title>T</title><p id=clock>12:00:0{second}{more}</p><p id=state>PAID</p>",
            content_type="text/html",
            etag=f'"v{second}"',
            last_modified=f"Thu, 26 Nov 2026 12:00:0{second} GMT",
        )
        result = await checks.run(
            {"type": "web_crawl", "url": f"{site.url}/a"}, captures={"state": {"selector": "#state"}}
        )
        assert result.ok, result.message
        compared = {item.label: item.value for item in result.findings if not item.fleeting}
        seen.append((result.captures, compared))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == {"state": "PAID"}
