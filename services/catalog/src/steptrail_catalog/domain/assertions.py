"""Assertions as people write them, to and from their normal form.

Written: `{status: {eq: 200}}`, `{selector: .x, text: {eq: "…"}}`, `{jsonpath: $.state, in: [PAID]}`. A subject that
looks somewhere has its selector, path, header or column as its value and its operators beside it; any other subject
has its operators as its value.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from steptrail_common.contracts.checks.web_crawl import PAGE_FINDINGS
from steptrail_common.contracts.definition import Assertion
from steptrail_common.contracts.model import format_duration, parse_duration

from steptrail_catalog.domain.places import Place, shortened, suggestion

ARGUED = ("selector", "xpath", "regex", "header", "jsonpath", "jsonld", "column")
"""Subjects with an argument."""
VALUED = (
    "status", "url", "title", "text", "body", "elapsed", "rows", "count", "size", "age", "content", "certificate",
    "name", "hash", "columns", *PAGE_FINDINGS,
)  # fmt: skip
"""Subjects whose value is the operators, or one value that must be equal."""
OPERATORS = (
    "eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "contains", "matches", "exists", "type", "count", "between",
    "newer_than", "older_than", "schema",
)  # fmt: skip
TYPES = ("string", "integer", "number", "boolean", "datetime", "array", "object", "null")
ROWS = ("first", "last", "any", "all")
MAX_ARGUMENT = 1000
"""Characters of a selector, path or pattern."""
MAX_LIST = 200
MAX_SCHEMA = 65_536
CERTIFICATE_PARTS = ("issuer", "subject", "names", "not_before", "not_after", "fingerprint")
"""What can be asked of a certificate beside the time it is still valid."""
SECONDS = frozenset({"elapsed", "age", "certificate"})
"""Subjects whose values are durations."""
_LONG = frozenset({"text", "body", "content"})
"""Subjects that nobody expects to be equal to a word as a whole."""
_ONLY_WORDS = re.compile(r"[A-Za-z_-]+\Z")


class Wrong(Exception):
    """What is wrong with an assertion, and where in it."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.place: Place = place


def read(written: Any) -> Assertion:
    """The normal form of an assertion as written. Raises `Wrong`."""
    if not isinstance(written, Mapping):
        raise Wrong("must be a mapping such as {status: {eq: 200}}")
    argued = [key for key in ARGUED if key in written]
    if len(argued) > 1:
        raise Wrong(f"looks at one thing only, not at {' and '.join(argued)}: write two assertions", argued[1])
    if not argued and isinstance(written.get("certificate"), str) and len(written) > 1:
        argued = ["certificate"]
    return _argued(argued[0], written) if argued else _valued(written)


def _valued(written: Mapping[str, Any]) -> Assertion:
    subjects = [key for key in written if key in VALUED]
    if not subjects:
        key = next(iter(written), None)
        hint = suggestion(key, (*VALUED, *ARGUED)) if key else f"name one of {', '.join((*VALUED, *ARGUED))}"
        raise Wrong(f"says nothing to look at; {hint}", *([key] if key else []))
    subject = subjects[0]
    for key in written:
        if key != subject:
            near = "" if key in OPERATORS else f"; {suggestion(key, OPERATORS)}"
            raise Wrong(f"does not belong beside `{subject}`: write {{{subject}: {{{key}: …}}}}{near}", key)
    value = written[subject]
    if not isinstance(value, Mapping):
        if subject in _LONG and isinstance(value, str):
            raise Wrong(f"write {{{subject}: {{contains: …}}}}, or {{{subject}: {{eq: …}}}} for the whole", subject)
        value = {"eq": value}
    return Assertion(subject=subject, operators=_operators(subject, value, (subject,)))


def _argued(subject: str, written: Mapping[str, Any]) -> Assertion:
    argument = _argument(subject, written[subject])
    if subject == "certificate" and argument not in CERTIFICATE_PARTS:
        raise Wrong(f"of what? {suggestion(argument, CERTIFICATE_PARTS)}", subject)
    row, part, rest = _modifiers(subject, written)
    nested = [key for key in ("text", "count") if isinstance(rest.get(key), Mapping)]
    if nested:
        part, operators = _nested(subject, nested, part, rest)
    else:
        if subject in ("selector", "xpath") and "text" in rest:
            rest["eq"] = rest.pop("text")
            part = "text"
        if "count" in rest:
            part, operators = _nested(subject, ["count"], part, {**rest, "count": {"eq": rest["count"]}})
        else:
            operators = _operators("certificate part" if subject == "certificate" else subject, rest, ())
    if subject in ("selector", "xpath") and part is None and set(operators) != {"exists"}:
        part = "text"
    return Assertion(
        subject=subject,
        argument=argument,
        part=part,
        row=row,
        operators=operators,
    )


def _argument(subject: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong("must be text", subject)
    if len(value) > MAX_ARGUMENT:
        raise Wrong(f"may have at most {MAX_ARGUMENT} characters", subject)
    return value


def _modifiers(subject: str, written: Mapping[str, Any]) -> tuple[str | None, str | None, dict[str, Any]]:
    """(row, part, what is left). `row` chooses among several values, `attribute` looks at an element's attribute."""
    rest = {key: value for key, value in written.items() if key != subject}
    row = rest.pop("row", None)
    if "row" in written and row not in ROWS:
        raise Wrong(f"must be one of {', '.join(ROWS)}", "row")
    attribute = rest.pop("attribute", None)
    if attribute is None:
        return row, None, rest
    if subject not in ("selector", "xpath") or not isinstance(attribute, str) or not attribute.strip():
        raise Wrong("names an attribute of the elements a selector or xpath finds", "attribute")
    return row, f"attribute:{attribute}", rest


def _nested(subject: str, nested: list[str], part: str | None, rest: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """`text: {…}` and `count: {…}` beside an argument: the part that is looked at, and its operators."""
    name = nested[0]
    if name == "text" and subject not in ("selector", "xpath"):
        raise Wrong(f"does not belong beside `{subject}`: write the operators beside it", name)
    if part is not None or len(rest) > 1:
        other = next((key for key in rest if key != name), "attribute")
        raise Wrong(f"does not belong beside `{name}`: write two assertions", other)
    return name, _operators("count" if name == "count" else subject, rest[name], (name,))


def _operators(subject: str, written: Mapping[str, Any], place: Place) -> dict[str, Any]:
    if not written:
        raise Wrong(f"says nothing to expect; write an operator: {', '.join(OPERATORS)}", *place)
    if len(written) > 6:
        raise Wrong("may have at most 6 operators", *place)
    found: dict[str, Any] = {}
    for operator, value in written.items():
        if operator not in OPERATORS:
            raise Wrong(f"unknown operator; {suggestion(operator, OPERATORS)}", *place, operator)
        found[operator] = _expected(subject, operator, value, (*place, operator))
    return found


def _expected(subject: str, operator: str, value: Any, place: Place) -> Any:
    if isinstance(value, str) and "${{" in value:
        return value
    if subject in SECONDS and operator in ("eq", "ne", "gt", "gte", "lt", "lte", "between"):
        return _durations(operator, value, place)
    if subject in ("count", "rows", "status", "size") and operator in (
        "eq",
        "ne",
        "gt",
        "gte",
        "lt",
        "lte",
    ):
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"must be a whole number: {subject} is one", *place)
        return value
    return _VALUES.get(operator, _anything)(value, place)


def _durations(operator: str, value: Any, place: Place) -> Any:
    """Durations as seconds; what an expression will give stays as it is."""
    if operator == "between":
        return [_seconds(item, (*place, at)) for at, item in enumerate(_list(value, place, size=2))]
    return _seconds(value, place)


def _seconds(value: Any, place: Place) -> Any:
    if isinstance(value, str) and "${{" in value:
        return value
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Wrong(str(error), *place) from None


def _anything(value: Any, place: Place) -> Any:
    return value


def _ordered(value: Any, place: Place) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Wrong("must be a number or a moment such as 2026-05-01T08:00:00Z", *place)
    if isinstance(value, str) and _ONLY_WORDS.match(value):
        raise Wrong(f"{shortened(value)} has no order; write a number or a moment", *place)
    return value


def _list(value: Any, place: Place, *, size: int | None = None) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise Wrong("must be a list: [low, high]" if size else "must be a list of values: [PAID, SHIPPED]", *place)
    if size and len(value) != size:
        raise Wrong(f"must be a list of {size}: [low, high]", *place)
    if len(value) > MAX_LIST:
        raise Wrong(f"may have at most {MAX_LIST} values", *place)
    return value


def _pair(value: Any, place: Place) -> list[Any]:
    return [_ordered(item, (*place, at)) for at, item in enumerate(_list(value, place, size=2))]


def _part_of(value: Any, place: Place) -> Any:
    if value is None or isinstance(value, list | dict):
        raise Wrong("must be text, a number, true or false", *place)
    return value


def _pattern(value: Any, place: Place) -> str:
    if not isinstance(value, str) or len(value) > MAX_ARGUMENT:
        raise Wrong(f"must be a regular expression of at most {MAX_ARGUMENT} characters", *place)
    return value


def _yes_or_no(value: Any, place: Place) -> bool:
    if not isinstance(value, bool):
        raise Wrong("must be true or false", *place)
    return value


def _type(value: Any, place: Place) -> str:
    if value not in TYPES:
        raise Wrong(f"unknown type; {suggestion(str(value), TYPES)}", *place)
    return str(value)


def _since(value: Any, place: Place) -> str:
    """A duration (back from now) or a moment; it stays text, so that both can be told apart."""
    if isinstance(value, str):
        if value[:4].isdigit() and "-" in value:
            return value
        _seconds(value, place)
        return value
    raise Wrong("must be a duration such as 24h, or a moment such as 2026-05-01T08:00:00Z", *place)


def _count(value: Any, place: Place) -> NoReturn:
    raise Wrong("count stands for itself: write {count: {eq: 1}}, or beside a selector {selector: …, count: 1}", *place)


def _schema(value: Any, place: Place) -> Any:
    if not isinstance(value, Mapping) or len(json.dumps(value, default=str)) > MAX_SCHEMA:
        raise Wrong(f"must be a JSON Schema of at most {MAX_SCHEMA} characters: {{type: object, …}}", *place)
    return dict(value)


_VALUES: dict[str, Callable[[Any, Place], Any]] = {
    "gt": _ordered,
    "gte": _ordered,
    "lt": _ordered,
    "lte": _ordered,
    "in": _list,
    "not_in": _list,
    "contains": _part_of,
    "matches": _pattern,
    "exists": _yes_or_no,
    "type": _type,
    "count": _count,
    "between": _pair,
    "newer_than": _since,
    "older_than": _since,
    "schema": _schema,
}


def write(assertion: Assertion) -> dict[str, Any]:
    """An assertion as a person would write it; `read` gives the same normal form back."""
    operators = {
        name: _spelled(assertion.subject, name, value, assertion.argument) if assertion.part != "count" else value
        for name, value in assertion.operators.items()
    }
    if assertion.argument is None:
        return {assertion.subject: operators}
    written: dict[str, Any] = {assertion.subject: assertion.argument}
    if assertion.row is not None:
        written["row"] = assertion.row
    if assertion.part in ("text", "count"):
        return written | {assertion.part: operators}
    if assertion.part is not None:
        written["attribute"] = assertion.part.removeprefix("attribute:")
    return written | operators


def _spelled(subject: str, operator: str, value: Any, argument: str | None = None) -> Any:
    if (
        subject not in SECONDS
        or argument is not None
        or operator not in ("eq", "ne", "gt", "gte", "lt", "lte", "between")
    ):
        return value
    if isinstance(value, list):
        return [_spelled(subject, "eq", item) for item in value]
    return format_duration(value) if isinstance(value, int | float) else value
