"""Named binds: `:name` in a statement becomes `$1`, outside of texts, comments, quoted names and casts."""

import re

_TOKEN = re.compile(
    r"""(?P<skip>'(?:[^']|'')*'?                       # a text; E'…\'…' is handled below
        |"(?:[^"]|"")*"?                               # a quoted name
        |--[^\n]*                                      # a comment to the end of the line
        |/\*.*?(?:\*/|\Z)                              # a comment in the middle
        |(?P<tag>\$[A-Za-z_]*\$).*?(?:(?P=tag)|\Z)     # a dollar-quoted text
        |::                                            # a cast
        |:=)
        |(?P<escaped>\b[eE]'(?:[^'\\]|''|\\.)*'?)
        |:(?P<name>[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)


class UnknownBind(ValueError):
    """The statement names a bind that params do not give."""


def positional(statement: str, known: frozenset[str]) -> tuple[str, list[str]]:
    """The statement with `$1 … $n`, and the names in that order, each once.

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
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _TOKEN.sub(replace, statement), names
