"""Paths of files to look for: `invoices/2026-*/INV-??.xml`, split into segments, never climbing out."""

import re
import unicodedata
from fnmatch import translate
from functools import lru_cache
from urllib.parse import unquote

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

MAX_SEGMENTS = 32
MAX_PATH_CHARACTERS = 2000


def segments(path: str) -> list[str]:
    """The segments of a path below a root. Raises `CheckFailed` (`path_denied`) for what could leave it."""
    if len(path) > MAX_PATH_CHARACTERS or any(unicodedata.category(character) == "Cc" for character in path):
        raise denied(path, "it is too long or holds control characters")
    if "\\" in path or re.match(r"[A-Za-z]:", path) or path.startswith("//"):
        raise denied(path, "write it with forward slashes, below the connection's folder")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if any(_climbs(part) for part in parts):
        raise denied(path, "it must stay below the connection's folder")
    if not parts or len(parts) > MAX_SEGMENTS:
        raise denied(path, f"it needs between 1 and {MAX_SEGMENTS} parts")
    return parts


def _climbs(part: str) -> bool:
    for _ in range(3):
        if ".." in re.split(r"[/\\]", part) or "\x00" in part:
            return True
        part = unquote(part)
    return False


def wild(segment: str) -> bool:
    """Whether a segment is a pattern."""
    return any(character in segment for character in "*?[")


@lru_cache(maxsize=256)
def _compiled(segment: str) -> re.Pattern[str]:
    folded = re.sub(r"\*+", "*", segment)
    return re.compile(translate(folded))


def matches(name: str, segment: str) -> bool:
    """Shell pattern of one name: `*`, `?`, `[…]`. Names that start with a dot match only patterns that do."""
    if name.startswith(".") and not segment.startswith("."):
        return False
    return bool(_compiled(segment).match(name))


def printable(name: str) -> str:
    """A file name for people: control and direction characters are written as escapes."""
    return "".join(
        character
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else f"\\u{ord(character):04x}"
        for character in name
    )


def denied(path: str, why: str) -> CheckFailed:
    """A path that is not looked at."""
    return CheckFailed(
        FailureClass.BLOCKED_BY_POLICY,
        f"the path {printable(path[:100])!r} is refused: {why}",
        reason="path_denied",
        ours=True,
    )
