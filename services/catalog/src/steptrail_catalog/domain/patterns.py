"""Regular expressions, JSON paths, CSS selectors and XPath: read at save time, so that no run finds the mistake."""

from collections.abc import Callable
from functools import lru_cache

import cssselect
import re2
from lxml import etree

MAX_PATTERN = 1000
"""Characters; the workers' limit as well."""
_MAX_PROGRAM_BYTES = 8 * 1024 * 1024


@lru_cache(maxsize=2000)
def fault_of_regex(text: str) -> str | None:
    """What is wrong with a regular expression, or None. RE2 runs it, in linear time."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PROGRAM_BYTES
    try:
        re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        detail = error.args[0] if error.args else "not valid"
        shown = detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
        return f"is no regular expression: {shown[:200]} (look-around and back references are not supported)"
    return None


@lru_cache(maxsize=2000)
def fault_of_jsonpath(text: str) -> str | None:
    import jsonpath  # only where it is used: it compiles its grammar while it loads

    try:
        jsonpath.compile(text)
    except (jsonpath.JSONPathError, RecursionError, ValueError) as error:
        return f"is no JSON path: {str(error).splitlines()[0][:200]}"
    return None


@lru_cache(maxsize=2000)
def fault_of_selector(text: str) -> str | None:
    try:
        cssselect.parse(text)
    except (cssselect.SelectorError, RecursionError, ValueError) as error:
        return f"is no CSS selector: {str(error)[:200]}"
    return None


@lru_cache(maxsize=2000)
def fault_of_xpath(text: str) -> str | None:
    try:
        etree.XPath(text)
    except (etree.XPathError, ValueError) as error:
        return f"is no XPath: {str(error)[:200]}"
    return None


READERS: dict[str, Callable[[str], str | None]] = {
    "regex": fault_of_regex,
    "jsonpath": fault_of_jsonpath,
    "jsonld": fault_of_jsonpath,
    "selector": fault_of_selector,
    "xpath": fault_of_xpath,
}


def fault_of(kind: str, text: str) -> str | None:
    """What is wrong with an argument of a kind (`regex`, `jsonpath`, `selector`, `xpath`; others are never wrong)."""
    if len(text) > MAX_PATTERN:
        return f"may have at most {MAX_PATTERN} characters"
    reader = READERS.get(kind)
    return reader(text) if reader else None
