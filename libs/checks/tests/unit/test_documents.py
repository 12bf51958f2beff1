"""Hostile bodies end as a named failure, never as a crash or a hang."""

import time

import pytest
from steptrail_checks import documents
from steptrail_checks.guard import within_time
from steptrail_checks.port import CheckFailed
from steptrail_checks.subjects import HttpSubject, Source


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
