"""Expressions in the texts of a definition, `${{ … }}`: where one begins and ends. What is between is CEL."""

from typing import Final

OPEN: Final = "${{"
CLOSE: Final = "}}"


def end_of(text: str, at: int) -> int | None:
    """Where the expression that begins at `at` ends: the first `}}` outside quotes and braces; None without one."""
    quote, depth = "", 0
    while at < len(text):
        char = text[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        elif text.startswith(CLOSE, at):
            return at
        at += 1
    return None
