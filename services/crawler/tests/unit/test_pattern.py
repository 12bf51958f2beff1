"""File patterns: what they match, and what they never reach."""

import time

import pytest
from steptrail_checks.port import CheckFailed
from steptrail_crawler.domain.pattern import matches, printable, segments


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd", "a/../b", "..%2fetc", "%2e%2e/etc", "%252e%252e/x", "C:\\x", "C:x", "\\\\server\\share",
        "//server/share", "a\x00b", "a\nb", "", "/", ".", "a" * 3000, "/".join("a" * 40),
    ],
)  # fmt: skip
def test_hostile_paths_are_refused(path: str) -> None:
    """Climbing, drives, shares, control characters, lengths."""
    with pytest.raises(CheckFailed) as failed:
        segments(path)
    assert failed.value.reason == "path_denied"


@pytest.mark.parametrize(
    ("name", "pattern", "met"),
    [
        ("INV-1.xml", "INV-*.xml", True), ("INV-1.xml", "INV-?.xml", True), ("INV-12.xml", "INV-?.xml", False),
        ("a[1].txt", "a*", True), (".hidden", "*", False), (".hidden", ".*", True), ("a\nb", "a?b", True),
    ],
)  # fmt: skip
def test_shell_patterns(name: str, pattern: str, met: bool) -> None:
    """`*` and `?` as in a shell; hidden files only when asked for."""
    assert matches(name, pattern) is met


def test_patterns_of_stars_take_no_time() -> None:
    """No blow-up by repetition."""
    started = time.monotonic()
    assert not matches("a" * 200, "*a" * 30 + "b")
    assert time.monotonic() - started < 1


def test_names_are_written_so_that_nothing_is_hidden() -> None:
    """Newlines, terminal codes and direction marks become escapes."""
    assert printable("a\nb\x1b[31m\u202egnp.exe=cmd()") == "a\\u000ab\\u001b[31m\\u202egnp.exe=cmd()"
