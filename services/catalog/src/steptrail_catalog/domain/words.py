"""Rules for text that people read: names, labels, tags."""

import re
import unicodedata

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows: they make a text look like another one."""
_MAX_MARKS = 8
"""Combining marks in a row; living languages need fewer."""
_SECRET_KEY = re.compile(
    r"(?:^|[_\-. ])(?:password|passwd|passphrase|secret|token|api[_-]?key|apikey|authorization|credentials?"
    r"|private[_-]?key|access[_-]?key|cookie)(?:$|[_\-. ])|(?-i:(?:Password|Secret|Token|ApiKey)(?:$|[A-Z]))",
    re.IGNORECASE,
)


def fault_of(text: str, *, several_lines: bool = False) -> str | None:
    """What is wrong with a text for people, or None."""
    if not text.strip():
        return "must not be empty or only blanks"
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        if char in _BIDI:
            return "must not hold characters that turn the direction of writing (U+202A–202E, U+2066–2069)"
        if category in ("Cc", "Zl", "Zp") and not (several_lines and char in "\n\t\r"):
            return "must not hold control characters or line breaks"
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MAX_MARKS:
            return f"must not hold more than {_MAX_MARKS} combining marks in a row"
    return None


def damaged(text: str) -> str | None:
    """What makes a text impossible to store or send anywhere, or None."""
    if "\x00" in text:
        return "must not hold the character NUL"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "holds half of a character (a lone surrogate)"
    return None


def looks_secret(key: str) -> bool:
    """Whether a key such as `api_key` or `Authorization` names a credential."""
    return bool(_SECRET_KEY.search(key))
