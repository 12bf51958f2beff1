"""The first word of a statement: what does not begin like a question is not asked.

This is a belt over the account, never the guard: a function inside a select can do anything its owner may.
"""

import re

_COMMENT = re.compile(r"\s+|--[^\n]*(?:\n|\Z)|/\*(?!M?!).*?\*/|\(", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]+")
READING = frozenset({"select", "with", "show", "explain", "describe", "desc", "values", "table"})
SELECTING = frozenset({"select", "with"})


def asks(statement: str, words: frozenset[str] = READING) -> bool:
    """Whether the statement begins with one of `words`, after blanks, comments and opening brackets."""
    at = 0
    while skipped := _COMMENT.match(statement, at):
        at = skipped.end()
    word = _WORD.match(statement, at)
    return word is not None and word[0].lower() in words


_TSQL_QUOTED = re.compile(
    r"'(?:[^']|'')*'?|\"(?:[^\"]|\"\")*\"?|\[(?:[^\]]|\]\])*\]?|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL
)
_TSQL_WRITES = re.compile(
    r"\b(insert|update|delete|merge|truncate|drop|alter|create|grant|revoke|deny|exec|execute|into|set|use|declare|begin|"
    r"commit|rollback|save|backup|restore|bulk|waitfor|shutdown|kill|dbcc|reconfigure|openrowset|opendatasource|openquery)\b",
    re.IGNORECASE,
)


def writes_in_tsql(statement: str) -> str | None:
    """The first word outside of quotes that one select does not need. T-SQL takes several statements at once, even
    without semicolons between them, and its protocol cannot forbid it."""
    bare = _TSQL_QUOTED.sub(" ", statement)
    found = _TSQL_WRITES.search(bare)
    if found is not None:
        return found[1].lower()
    return "a second statement" if ";" in bare.rstrip().rstrip(";") else None
