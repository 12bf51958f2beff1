"""What can be known of `${{ … }}` without running it: whether it parses, what it refers to, what it calls.

CEL over `inputs`, `vars`, `steps` and `run`. The orchestrator evaluates it when a step starts.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from steptrail_common import cel
from steptrail_common.contracts.expressions import CLOSE, OPEN, end_of

MAX_EXPRESSION = 4000
"""Characters of one expression."""
MAX_MACROS = 3
"""`map`, `filter`, `all`, `exists`, `exists_one` in one expression: their work multiplies."""
FUNCTIONS = (
    "size", "contains", "startsWith", "endsWith", "matches", "string", "int", "uint", "double", "bytes", "type", "dyn",
    "timestamp", "duration", "getFullYear", "getMonth", "getDayOfMonth", "getDate", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
)  # fmt: skip
"""What an expression may call, besides operators, `has` and the macros."""

_MACROS = ("map", "filter", "all", "exists", "exists_one")
_MACRO_CALL = re.compile(r"\.\s*(?:map|filter|all|exists|exists_one)\s*\(")
_TOKEN = re.compile(
    r"""(?P<text>[rRbB]{0,2}(?:'''(?:\\.|.)*?'''|\"\"\"(?:\\.|.)*?\"\"\"|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))"""
    r"|(?P<word>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<mark>\S)",
    re.DOTALL,
)
_WORDS = frozenset({"true", "false", "null", "in"})


class Malformed(Exception):
    """A text whose `${{ … }}` cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A path an expression reads: `steps.order_api.placed_at` → root `steps`, names `("order_api", "placed_at")`.

    Names end where the path is no longer plain: at a call, or at an index that is computed.
    """

    root: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.root, *self.names))


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression without its marks: what it refers to, and which functions it calls that do not exist."""

    source: str
    references: tuple[Reference, ...]
    unknown_functions: tuple[str, ...]

    @property
    def plain_reference(self) -> Reference | None:
        """The reference, if the expression is nothing else."""
        only = self.references[0] if len(self.references) == 1 else None
        return only if only is not None and str(only) == self.source else None


def split(text: str) -> list[str | Expression]:
    """The parts of a text in order: plain text and expressions. Raises `Malformed`."""
    parts: list[str | Expression] = []
    at = 0
    while (start := text.find(OPEN, at)) >= 0:
        if start > at:
            parts.append(text[at:start])
        end = end_of(text, start + len(OPEN))
        if end is None:
            raise Malformed("the closing }} of an expression is missing")
        parts.append(parse(text[start + len(OPEN) : end]))
        at = end + len(CLOSE)
    if at < len(text):
        parts.append(text[at:])
    return parts


@lru_cache(maxsize=4000)
def parse(source: str) -> Expression:
    """One expression, its marks removed. Raises `Malformed`."""
    source = source.strip()
    if not source:
        raise Malformed("an expression is empty")
    if len(source) > MAX_EXPRESSION:
        raise Malformed(f"an expression is longer than {MAX_EXPRESSION} characters")
    if len(_MACRO_CALL.findall(source)) > MAX_MACROS:
        raise Malformed(f"an expression may hold at most {MAX_MACROS} of map, filter, all, exists and exists_one")
    try:
        called = cel.load().compile(source).functions()
    except (ValueError, RuntimeError, RecursionError) as error:
        raise Malformed(f"${{{{ {source[:60]} }}}} cannot be read: {_reason(error)}") from None
    names = [name for name in called if name[:1].isalpha() and name not in FUNCTIONS]
    return Expression(source, tuple(dict.fromkeys(_references(source))), tuple(names))


def _reason(error: Exception) -> str:
    found = re.search(r"ERROR: <input>:\d+:(\d+): (?:Syntax error: )?([^\n]*)", str(error))
    return f"{found[2][:200]} (at character {found[1]})" if found else str(error).split("\n", 1)[0][:200]


def _references(source: str) -> Iterator[Reference]:
    tokens = [(found.lastgroup or "", found[0]) for found in _TOKEN.finditer(source)]
    bound = {
        tokens[at + 2][1]
        for at, (_, word) in enumerate(tokens[:-2])
        if word in _MACROS and tokens[at - 1][1] == "." and tokens[at + 1][1] == "("
    }
    for at, (kind, word) in enumerate(tokens):
        follows = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        inner = at > 0 and tokens[at - 1][1] == "."
        if kind == "word" and not inner and follows != "(" and word not in _WORDS and word not in bound:
            yield Reference(word, tuple(_names(tokens, at + 1)))


def _names(tokens: list[tuple[str, str]], at: int) -> Iterator[str]:
    """The names behind a root: `.a`, `["a"]`, until something else comes. A call's own name is not part of it."""
    while at + 1 < len(tokens):
        mark, (kind, word) = tokens[at][1], tokens[at + 1]
        after = tokens[at + 2][1] if at + 2 < len(tokens) else ""
        if mark == "." and kind == "word" and after != "(":
            yield word
            at += 2
        elif mark == "[" and kind == "text" and after == "]" and word[0] in "'\"":
            yield word[1:-1]
            at += 3
        else:
            return


def fill(text: str, known: Mapping[str, Any], encode: Callable[[str, int], str]) -> str:
    """A text with plain references to what is known (root → values) replaced; other expressions stay as they are.

    `encode` writes a value for its place; its second argument is where in the text it stands. Raises `Malformed`.
    """
    made = ""
    for part in split(text):
        if isinstance(part, str):
            made += part
            continue
        value = _known_value(part, known)
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        made += encode(str(value), len(made)) if plain else f"{OPEN} {part.source} {CLOSE}"
    return made


def _known_value(expression: Expression, known: Mapping[str, Any]) -> Any:
    reference = expression.plain_reference
    value: Any = known.get(reference.root) if reference is not None else None
    for name in reference.names if reference is not None else ():
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
