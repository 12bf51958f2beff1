"""Hostile bodies end as a named failure, never as a crash or a hang."""

import asyncio
import threading
import time
from typing import Any

import psutil
import pytest
from steptrail_checks import apart, documents
from steptrail_checks.guard import within_time
from steptrail_checks.port import CheckFailed
from steptrail_checks.subjects import HttpSubject, Source
from steptrail_common.contracts.model import FailureClass


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"[Infinity]", b"[1e400]", b'{"a": 1, "a": 2}', b"9" * 1_000_000,
        b"", b"\xff\xfe\x00", b"{'a': 1}", b'{"a": "\xff"}', b"\x00", b'["unclosed',
    ],
)  # fmt: skip
def test_bad_json_is_refused_by_name(body: bytes) -> None:
    """Depth, numbers that are none, doubled keys, wrong bytes."""
    with pytest.raises(CheckFailed) as failed:
        documents.parse_json(body)
    assert failed.value.reason == "bad_json"


def test_json_in_other_encodings_is_read() -> None:
    """UTF-8 with a mark, UTF-16 and 32 as the format allows."""
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        assert documents.parse_json('{"ü": 1}'.encode(encoding)) == {"ü": 1}


LAUGHS = (
    b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>"""
)
EXTERNAL = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>"""


@pytest.mark.parametrize("body", [LAUGHS, EXTERNAL, b"<a><b></a>", b"", b"<a>" * 10_000, b"<?xml version='1.0'?>"])
def test_bad_xml_is_refused_by_name(body: bytes) -> None:
    """Entity bombs, external entities, depth and broken markup."""
    with pytest.raises(CheckFailed) as failed:
        _ = documents.tree(body.decode(), "application/xml").xpath("//l").get()
    assert failed.value.reason == "bad_xml"


@pytest.mark.parametrize(
    ("body", "content_type", "text", "damaged"),
    [
        ("grün".encode(), "text/html; charset=utf-8", "grün", False),
        ("grün".encode("latin-1"), "text/html; charset=iso-8859-1", "grün", False),
        ("grün".encode("latin-1"), None, "grün", False),
        ("grün".encode("utf-16-le"), None, "grün", False),
        ("\ufeffgrün".encode("utf-16"), None, "grün", False),
        (b'<meta charset="iso-8859-1">gr\xfcn', "text/html", '<meta charset="iso-8859-1">grün', False),
        (b"gr\xfcn", "text/html; charset=utf-8", "gr\ufffdn", True),
        (b"a\x00b", "text/plain; charset=utf-8", "ab", True),
        (b"x", "text/html; charset=no-such-thing", "x", False),
        (b"", None, "", False),
    ],
)
def test_character_sets_are_recognised_or_replaced(
    body: bytes, content_type: str | None, text: str, damaged: bool
) -> None:
    """What cannot be decoded is replaced and flagged; NUL never stays."""
    found, _, flagged = documents.decode(body, content_type)
    assert found.lstrip("\ufeff") == text
    if damaged:
        assert flagged or "\x00" not in found


def test_html_of_any_depth_is_survived() -> None:
    """Deep nesting is cut by the parser, not by a crash."""
    page = HttpSubject(200, "https://x.example/", (("Content-Type", "text/html"),), b"<div>" * 100_000, 0.1)
    assert page.lookup(Source("selector", "div")).values is not None


@pytest.mark.parametrize("selector", ["p[", ":nope(", "p::attr(", "//p", "a" * 2000, "\x00", ""])
def test_invalid_selectors_are_told_apart_from_missing_elements(selector: str) -> None:
    """`selector_error` is the author's to fix."""
    page = HttpSubject(200, "https://x.example/", (("Content-Type", "text/html"),), b"<p>x</p>", 0.1)
    with pytest.raises(CheckFailed) as failed:
        page.lookup(Source("selector", selector))
    assert failed.value.reason == "selector_error"


async def test_a_look_that_never_ends_is_ended() -> None:
    """The worker stays responsive and says which part takes too long."""

    def forever() -> None:
        while True:
            time.monotonic()

    started = time.monotonic()
    with pytest.raises(CheckFailed, match="simplify") as failed:
        await within_time(forever, seconds=0.2)
    assert failed.value.reason == "selector_error"
    assert time.monotonic() - started < 2


async def test_a_look_returns_and_raises_as_it_would_directly() -> None:
    """The thread changes nothing but the time limit."""
    assert await within_time(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await within_time(lambda: 1 // 0)


ENDLESS = [
    ("xpath", "//*[count(//*[count(//*[count(//*) > 0]) > 0]) > 0]"),
    ("xpath", "count(//*/following::*/preceding::*/following::*/preceding::*)"),
    ("xpath", "//p[//p[//p[. = 'x'] = .] = .]/../p[. = ../p[. = ../p]]"),
    ("selector", "*:has(*:has(*:has(*:has(p ~ p))))"),
    ("selector", "p ~ p ~ p ~ p ~ p"),
]


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(("kind", "selector"), ENDLESS)
async def test_selectors_without_an_end_are_ended(kind: str, selector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their process is killed; no thread stays busy, and the next look works."""
    monkeypatch.setattr(apart, "SECONDS", 1.0)
    body = b"<div>" * 50 + b"<p>x</p>" * 8_000
    page = HttpSubject(200, "https://x.example/", (("Content-Type", "text/html"),), body, 0.1)
    threads, others = threading.active_count(), set(psutil.Process().children())
    with pytest.raises(CheckFailed) as failed:
        await within_time(lambda: page.lookup(Source(kind, selector)), seconds=20.0)
    assert (failed.value.reason, failed.value.failure_class) == ("selector_error", FailureClass.INVALID_DEFINITION)
    async with asyncio.timeout(2):  # the thread of the look has told its answer, which was its last word
        while threading.active_count() > threads:  # noqa: ASYNC110 (nobody tells of the end of a thread)
            await asyncio.sleep(0.001)
    monkeypatch.undo()  # what is harmless may take its time on a busy machine
    assert len(page.lookup(Source("xpath", "//p[.//p or text()]")).values) == 8_000
    apart.close()
    assert set(psutil.Process().children()) <= others


@pytest.mark.req("NFR-008")
def test_a_look_that_is_told_to_end_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine the time of the look may be over before the process has answered or was killed."""
    started: list[apart._Helper] = []

    class Told(apart._Helper):
        def _asked(self, question: bytes) -> dict[str, Any]:
            started.append(self)
            raise SystemExit("told to end")

    monkeypatch.setattr(apart, "_Helper", Told)
    with pytest.raises(SystemExit):
        apart.select("<p>x</p>", "text/html", "xpath", "//p[//p]", "text")
    assert [helper.alive for helper in started] == [False]


def test_a_selector_apart_finds_what_it_would_find_here() -> None:
    """Values, their types and what is wrong with a selector are the same."""
    body = "<p id=a>grün</p><p id=b>2</p>"
    for kind, selector, part in (("xpath", "//p[//p]", "text"), ("selector", "body:has(p) p", "attribute:id")):
        assert apart.costly(kind, selector, len(body))
        here = documents.select(documents.tree(body, "text/html"), kind, selector, part)
        assert apart.select(body, "text/html", kind, selector, part) == here != []
    assert apart.select(body, "text/html", "xpath", "count(//p[//p])", "text") == [2]
    with pytest.raises(CheckFailed, match="is wrong") as failed:
        apart.select(body, "text/html", "xpath", "//p[//", "text")
    assert failed.value.reason == "selector_error"
    with pytest.raises(CheckFailed, match="type definition"):
        apart.select("<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", "text/xml", "xpath", "//a[//a]", "text")
    apart.close()


@pytest.mark.parametrize(
    ("kind", "selector", "characters", "costly"),
    [
        ("selector", ".order-number", 10**7, False), ("selector", "table tr > td.sum", 10**7, False),
        ("selector", "li:nth-child(2)", 5_000, False), ("selector", "li:nth-child(2)", 10**7, True),
        ("xpath", "count(//a)", 10**7, False), ("xpath", "//a/@href | //img/@src", 10**7, False),
        ("xpath", "//tr[td[1] = 'x']/td[2]", 5_000, False), ("xpath", "//tr[td[1] = 'x']/td[2]", 10**7, True),
        ("xpath", "//a[text() = 'a//b[c]']", 5_000, False), ("xpath", "//a[//b]", 100, True),
        ("xpath", "//a/following::b", 100, True), ("xpath", "//a[ancestor::p]", 100, True),
    ],
)  # fmt: skip
def test_only_selectors_that_can_explode_are_sent_apart(
    kind: str, selector: str, characters: int, costly: bool
) -> None:
    """What nearly everybody writes is looked up directly."""
    assert apart.costly(kind, selector, characters) is costly
