"""Named binds: `:name` in a statement becomes the driver's placeholder, outside of texts, comments and quoted names."""

import re
from collections.abc import Callable
from dataclasses import dataclass

_COMMON = r"""
    '(?:[^']|'')*'?                                # a text
    |"(?:[^"]|"")*"?                               # a quoted name
    |--[^\n]*                                      # a comment to the end of the line
    |/\*.*?(?:\*/|\Z)                              # a comment in the middle
    |::                                            # a cast
    |:=
"""
_POSTGRESQL = rf"""(?:
    \b[eE]'(?:[^'\\]|''|\\.)*'?                    # a text with escapes
    |\$(?P<tag>[A-Za-z_]*)\$.*?(?:\$(?P=tag)\$|\Z) # a dollar-quoted text
    |{_COMMON})"""
_MYSQL = rf"""(?:
    '(?:[^'\\]|''|\\.)*'?                          # texts, which a backslash may escape
    |"(?:[^"\\]|""|\\.)*"?
    |`(?:[^`]|``)*`?
    |\#[^\n]*
    |{_COMMON})"""
_MSSQL = rf"(?:\[(?:[^\]]|\]\])*\]?|{_COMMON})"
_ORACLE = rf"""(?:
    \b[nN]?[qQ]'(?:\[.*?\]'|\{{.*?\}}'|<.*?>'|\(.*?\)'|(?P<q>[^\s\[{{<(]).*?(?P=q)')
    |{_COMMON})"""


class UnknownBind(ValueError):
    """The statement names a bind that params do not give."""


@dataclass(frozen=True)
class Dialect:
    """How a server's SQL quotes, and what its driver writes for the n-th value.

    `once`: a name used twice is one value (`$1` twice); otherwise each use is a value of its own (`?`).
    """

    token: re.Pattern[str]
    placeholder: Callable[[int], str]
    once: bool


def _token(skip: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<skip>{skip})|:(?P<name>[A-Za-z_]\w*)", re.VERBOSE | re.DOTALL)


POSTGRESQL = Dialect(_token(_POSTGRESQL), lambda number: f"${number}", once=True)
MYSQL = Dialect(_token(_MYSQL), lambda _: "?", once=False)
MSSQL = Dialect(_token(_MSSQL), lambda _: "?", once=False)
ORACLE = Dialect(_token(_ORACLE), lambda number: f":b{number}", once=True)
"""Names of our own: `:order` would be a reserved word there."""


def positional(statement: str, known: frozenset[str], dialect: Dialect = POSTGRESQL) -> tuple[str, list[str]]:
    """The statement with the driver's placeholders, and the names in their order.

    A colon before a name nobody gave is an error, except in an array slice (`a[1:n]` directly after a digit).
    """
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        if name not in known:
            if match.start() and statement[match.start() - 1].isalnum():
                return match[0]
            raise UnknownBind(f"the statement names :{name}, and params has no {name}")
        if not dialect.once or name not in names:
            names.append(name)
        return dialect.placeholder(names.index(name) + 1 if dialect.once else len(names))

    return dialect.token.sub(replace, statement), names
