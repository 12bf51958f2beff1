"""What is different between two JSON values or two texts, in few words and bounded."""

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import islice
from typing import Any, NamedTuple

MAX_DEPTH = 20
MAX_ALIGNED = 300
"""Items of two lists that are aligned to find what was put in or left out; longer lists are compared by position."""


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
"""Stands for a value that the other side does not have: null is a value."""


class Difference(NamedTuple):
    """`path` as in JSONPath: `$.items[2].price`; items of lists by their place in `after` where they have one."""

    path: str
    before: Any
    after: Any


def json_differences(before: Any, after: Any, *, limit: int) -> list[Difference]:
    """The first differences of two JSON values, keys in the order of `after`. Types count: `"7"` is not 7."""
    return list(islice(_walked("$", before, after, 0), limit))


def _walked(path: str, before: Any, after: Any, depth: int) -> Iterator[Difference]:
    if depth < MAX_DEPTH and isinstance(before, dict) and isinstance(after, dict):
        for key in [*after, *(key for key in before if key not in after)]:
            yield from _walked(_child(path, key), before.get(key, ABSENT), after.get(key, ABSENT), depth + 1)
    elif depth < MAX_DEPTH and isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(path, before, after, depth + 1)
    elif _text(before) != _text(after):
        yield Difference(path, before, after)


def _of_lists(path: str, before: list[Any], after: list[Any], depth: int) -> Iterator[Difference]:
    """Aligned, so that one item put in at the top is one difference and not as many as there are items."""
    if len(before) == len(after) or max(len(before), len(after)) > MAX_ALIGNED:
        blocks = [("replace", 0, len(before), 0, len(after))]
    else:
        matcher = SequenceMatcher(None, [_text(item) for item in before], [_text(item) for item in after], False)
        blocks = [block for block in matcher.get_opcodes() if block[0] != "equal"]
    for _, first, last, start, end in blocks:
        common = min(last - first, end - start)
        for at in range(common):
            yield from _walked(f"{path}[{start + at}]", before[first + at], after[start + at], depth)
        for at in range(first + common, last):
            yield Difference(f"{path}[{at}]", before[at], ABSENT)
        for at in range(start + common, end):
            yield Difference(f"{path}[{at}]", ABSENT, after[at])


def _child(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _text(value: Any) -> str:
    if value is ABSENT:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)


def text_difference(expected: str, actual: str, *, around: int = 20) -> str | None:
    """Where two texts begin to differ, with what stands there; None for equal ones.

    `line 3, character 12: expected "…paid on…", found "…due on…"`; blanks that cannot be seen are named.
    """
    if expected == actual:
        return None
    if expected.split() == actual.split():
        return "only blanks or line breaks differ"
    if expected.casefold() == actual.casefold():
        return "only capital letters differ"
    at = next((at for at, (a, b) in enumerate(zip(expected, actual, strict=False)) if a != b), None)
    at = min(len(expected), len(actual)) if at is None else at
    line, column = actual.count("\n", 0, at) + 1, at - (actual.rfind("\n", 0, at) + 1) + 1
    where = f"line {line}, character {column}" if "\n" in expected or "\n" in actual else f"character {at + 1}"
    return f"{where}: expected {_piece(expected, at, around)}, found {_piece(actual, at, around)}"


def _piece(text: str, at: int, around: int) -> str:
    start, end = max(0, at - around), at + around
    if at >= len(text):
        return "the end" if not text else f'the end after "{_cut(text, start, end)}"'
    return f'"{_cut(text, start, end)}"'


def _cut(text: str, start: int, end: int) -> str:
    piece = text[start:end].replace("\n", "⏎").replace("\t", "⇥")
    return ("…" if start else "") + piece + ("…" if end < len(text) else "")
