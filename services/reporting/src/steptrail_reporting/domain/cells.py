"""CSV cells that no spreadsheet runs as a formula."""

import re

LONGEST_CELL = 32_000
"""Characters; spreadsheets refuse cells above 32,767."""
_FORMULA = re.compile(r"(^|[;\t\r\n])([\s\"']*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""The start of a cell, or of what a program that splits at another separator takes for one."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def cell(value: object) -> str | float | int:
    """A value for the CSV writer: numbers stay numbers, nothing is empty, text cannot start a formula.

    An apostrophe before the formula's sign is the spreadsheets' own mark for plain text.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return str(value)
    if not isinstance(value, str):
        return value
    plain = _FORMULA.sub(r"\1\2'", _CONTROL.sub("\ufffd", value))
    plain = "'" + plain if plain[:1] in "\t\r\n" and plain else plain
    return plain if len(plain) <= LONGEST_CELL else plain[: LONGEST_CELL - 1] + "…"
