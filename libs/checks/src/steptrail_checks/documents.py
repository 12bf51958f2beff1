"""Bodies as they come from the wild: bytes to text, text to JSON or a tree, without harm.

Every function here takes hostile input: wrong character sets, entity bombs, depth, numbers that are none.
"""

import json
import math
from typing import Any

from cssselect import SelectorError
from lxml import etree
from lxml import html as lxml_html
from parsel import Selector
from steptrail_common.contracts.model import FailureClass, Json
from w3lib.encoding import html_to_unicode, http_content_type_encoding

from steptrail_checks.port import CheckFailed

MAX_MATCHES = 10_000
"""Most values one selector or path may find."""
MAX_PATH_CHARACTERS = 1000


def decode(body: bytes, content_type: str | None) -> tuple[str, str, bool]:
    """(text, character set, damaged). Header, byte order mark and HTML's own declaration count; what cannot be decoded
    is replaced and flagged. NUL characters are dropped: no store or page can hold them."""
    encoding, text = html_to_unicode(
        content_type, body, default_encoding="utf-8", auto_detect_fun=_detect if body else None
    )
    damaged = "\ufffd" in text or "\x00" in text
    return text.replace("\x00", ""), encoding, damaged


def _detect(body: bytes) -> str:
    sample = body[:4096]
    if len(sample) >= 4 and sample.count(0) > len(sample) // 4:
        return "utf-16-be" if sample[0] == 0 else "utf-16-le"
    try:
        body.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        return "cp1252"


def parse_json(body: bytes, content_type: str | None = None) -> Json:
    """Strict JSON: no NaN, no infinities, no doubled keys, no endless depth. Raises `CheckFailed` (`bad_json`)."""
    try:
        charset = http_content_type_encoding(content_type)
        text = body.decode(charset or json.detect_encoding(body)).removeprefix("\ufeff")
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_doubles)
    except RecursionError as error:
        raise _bad_json("it is nested too deep") from error
    except (ValueError, LookupError) as error:
        raise _bad_json(str(error)[:200]) from error


def _bad_json(detail: str) -> CheckFailed:
    return CheckFailed(FailureClass.PROTOCOL, f"the answer is not valid JSON: {detail}", reason="bad_json")


def _no_constant(text: str) -> Json:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _no_doubles(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def tree(text: str, content_type: str | None) -> Selector:
    """A document to select in. XML with a DTD is refused; entities are never expanded, nothing is ever loaded."""
    is_xml = "xml" in (content_type or "").lower() and "xhtml" not in (content_type or "").lower()
    body = (text or " ").encode("utf-8", errors="replace")
    if is_xml:
        return Selector(root=_xml_root(body), type="xml")
    parser = lxml_html.HTMLParser(recover=True, encoding="utf-8", huge_tree=False, no_network=True)
    root = etree.fromstring(body, parser=parser)
    return Selector(root=root if root is not None else lxml_html.fromstring("<html/>"), type="html")


def _xml_root(body: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, encoding="utf-8"
    )
    try:
        root = etree.fromstring(body, parser=parser)
    except etree.XMLSyntaxError as error:
        raise CheckFailed(
            FailureClass.PROTOCOL, f"the answer is not valid XML: {str(error)[:200]}", reason="bad_xml"
        ) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise CheckFailed(
            FailureClass.PROTOCOL,
            "the answer is XML with a document type definition, which is refused",
            reason="bad_xml",
        )
    return root


def select(document: Selector, kind: str, expression: str, part: str) -> list[Json]:
    """What a CSS selector (`kind: selector`) or XPath finds: its text, `attribute:name` or html, at most `MAX_MATCHES`.
    Raises `CheckFailed` (`selector_error`)."""
    if len(expression) > MAX_PATH_CHARACTERS:
        raise selector_error(expression, f"longer than {MAX_PATH_CHARACTERS} characters")
    if "\x00" in expression:
        raise selector_error(expression, "it holds a NUL character")
    try:
        nodes = document.css(expression) if kind == "selector" else document.xpath(expression)
    except (ValueError, SelectorError, etree.XPathError, RecursionError) as error:
        raise selector_error(expression, str(error)) from error
    if len(nodes) > MAX_MATCHES:
        raise selector_error(expression, f"it finds more than {MAX_MATCHES} elements")
    values = [_node_value(node, part) for node in nodes]
    return [value for value in values if value is not None]


def _node_value(node: Any, part: str) -> Json:
    if part.startswith("attribute:"):
        return node.attrib.get(part.removeprefix("attribute:")) if hasattr(node.root, "attrib") else None
    if part == "html":
        return node.get()
    root = node.root
    if isinstance(root, bool | int | float):
        return int(root) if isinstance(root, float) and root.is_integer() else root
    if isinstance(root, str):
        return str(root)
    return (
        " ".join("".join(str(text) for text in root.itertext(etree.Element)).split()) if part == "text" else node.get()
    )


def visible_text(document: Selector) -> str:
    """The text of a page without scripts and styles, blanks folded."""
    parts = document.xpath("//text()[not(ancestor::script or ancestor::style or ancestor::noscript)]").getall()
    return " ".join(" ".join(parts).split())


def find_json(document: Json, path: str) -> list[Json]:
    """Values an RFC 9535 path finds, at most `MAX_MATCHES`. Raises `CheckFailed` (`selector_error`)."""
    found: list[Json] = json_paths().find(document, path)
    return found


def json_paths() -> Any:
    """The module of JSON paths, loaded at the first one: its library compiles its grammar while it loads."""
    from steptrail_checks import json_paths as module

    return module


def selector_error(selector: str, detail: str) -> CheckFailed:
    """A selector or path that cannot be used."""
    return CheckFailed(
        FailureClass.INVALID_DEFINITION,
        f"the selector {selector[:80]!r} is wrong: {detail[:200]}",
        reason="selector_error",
    )
