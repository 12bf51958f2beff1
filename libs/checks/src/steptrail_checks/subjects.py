"""What a check saw, in a form assertions and captures can ask: one class per shape of answer.

`lookup` gives every value a source finds, `[]` when there is none; it raises `CheckFailed` when the question cannot
be asked (wrong selector, no JSON, a subject this kind does not have). Values are JSON; `from_text` says that they
come out of plain text, where `"200"` may be compared with 200.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from steptrail_common.contracts.definition import Assertion, Capture
from steptrail_common.contracts.model import FailureClass, Json

from steptrail_checks import apart, documents
from steptrail_checks.patterns import pattern
from steptrail_checks.port import CheckFailed
from steptrail_checks.values import json_value

MAX_REGEX_TEXT_CHARACTERS = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """Where to look. `row`: which of several values counts; None leaves it to the subject's habit."""

    subject: str
    argument: str | None = None
    part: str | None = None
    row: str | None = None

    @classmethod
    def of_assertion(cls, assertion: Assertion) -> "Source":
        return cls(assertion.subject, assertion.argument, assertion.part, assertion.row)

    @classmethod
    def of_capture(cls, capture: Capture) -> "Source":
        for subject in ("jsonpath", "selector", "xpath", "regex", "header", "column", "jsonld"):
            if (argument := getattr(capture, subject)) is not None:
                part = f"attribute:{capture.attribute}" if capture.attribute else None
                return cls(subject, argument, part, capture.row)
        if capture.finding is not None:
            return cls(capture.finding, None, None, capture.row)
        if capture.cookies is not None:
            return cls("cookies")
        return cls("file", capture.file, None, capture.row)

    @property
    def label(self) -> str:
        """How it is called in results: `$.state`, `column status`, `text of .order-number`."""
        if self.subject == "jsonpath":
            return self.argument or "$"
        if self.subject in ("selector", "xpath"):
            return f"{(self.part or 'text').replace('attribute:', 'attribute ')} of {self.argument}"
        return f"{self.subject} {self.argument}" if self.argument else self.subject


@dataclass(frozen=True, slots=True)
class Found:
    """The values of a source, in order, and how to treat them."""

    values: Sequence[Json]
    from_text: bool = False
    default_row: str = "first"
    """Which values an assertion looks at if it does not say: `first` or `all`."""


class Subject(Protocol):
    """What a check kind fills in."""

    def lookup(self, source: Source) -> Found:
        """Every value a source finds. Raises `CheckFailed` when the question cannot be asked."""

    def faults(self, asked: frozenset[str]) -> "list[Fault]":
        """What is wrong without any assertion; `asked`: the subjects the step's assertions look at themselves."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that holds by default and does not hold here."""

    label: str
    operator: str
    expected: Json
    actual: Json
    failure_class: FailureClass
    message: str
    reason: str | None = None
    ours: bool = False


def not_here(source: Source, kind: str, offers: str) -> CheckFailed:
    """The subject does not exist for this kind of check."""
    return CheckFailed(
        FailureClass.INVALID_DEFINITION,
        f"{source.label!r} cannot be asked of {kind}: use one of {offers}",
        reason="unknown_subject",
    )


_STATUS_CLASS = {
    401: FailureClass.AUTH,
    403: FailureClass.PERMISSION,
    407: FailureClass.AUTH,
    429: FailureClass.RATE_LIMITED,
}

_UNAVAILABLE = {502, 503, 504}
"""A gateway or the server itself says that it cannot serve anything now: no matter of this page or call alone."""


@dataclass(frozen=True)
class HttpSubject:
    """An HTTP answer: page or API. `elapsed` in seconds; `headers` in order, names as sent."""

    status: int
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    elapsed: float
    graphql: bool = False
    with_credentials: bool = False
    certificate: Mapping[str, Json] = field(default_factory=dict)
    """Of the server, over TLS: `seconds_left`, and what `certificate: issuer` asks for."""
    cookies: str | None = None
    """Encrypted for workers; filled only if a capture asks for it."""

    @property
    def content_type(self) -> str | None:
        return self.header("content-type")

    def header(self, name: str) -> str | None:
        """The first value of a header, any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @cached_property
    def _decoded(self) -> tuple[str, str, bool]:
        return documents.decode(self.body, self.content_type)

    @property
    def text(self) -> str:
        return self._decoded[0]

    @property
    def charset(self) -> str:
        return self._decoded[1]

    @property
    def damaged(self) -> bool:
        """Some bytes did not belong to the character set and were replaced."""
        plain = self.body.isascii() and b"\x00" not in self.body
        return not (plain and "json" in (self.content_type or "")) and self._decoded[2]

    @cached_property
    def json(self) -> Json:
        return documents.parse_json(self.body, self.content_type)

    @cached_property
    def tree(self) -> Any:
        return documents.tree(self.text, self.content_type)

    def lookup(self, source: Source) -> Found:
        ask = _HTTP_SOURCES.get(source.subject)
        if ask is None:
            raise not_here(source, "an HTTP answer", ", ".join(sorted(_HTTP_SOURCES)))
        return ask(self, source)

    def faults(self, asked: frozenset[str]) -> list[Fault]:
        found: list[Fault] = []
        if self.status >= 400 and "status" not in asked:
            failure_class = _STATUS_CLASS.get(self.status, FailureClass.HTTP_STATUS)
            ours = self.with_credentials and failure_class is FailureClass.AUTH
            message = f"HTTP status {self.status}, expected below 400"
            reason = "unavailable" if self.status in _UNAVAILABLE else None
            found.append(Fault("status", "lt", 400, self.status, failure_class, message, reason=reason, ours=ours))
        if self.graphql and not found:
            found += self._graphql_faults()
        return found

    def _graphql_faults(self) -> list[Fault]:
        answer = self.json
        if not isinstance(answer, dict) or not ({"data", "errors"} & answer.keys()):
            message = "the answer is not a GraphQL answer: it has neither data nor errors"
            return [
                Fault("data", "exists", True, False, FailureClass.PROTOCOL, message, reason="bad_graphql"),
            ]
        errors = answer.get("errors")
        if not errors:
            return []
        first = errors[0].get("message") if isinstance(errors, list) and isinstance(errors[0], dict) else errors
        message = f"GraphQL error: {first}"
        return [Fault("errors", "exists", False, first, FailureClass.ASSERTION, message, reason="graphql_errors")]

    def _select(self, source: Source) -> Found:
        kind, expression, part = source.subject, source.argument or "", source.part or "text"
        if apart.costly(kind, expression, len(self.text)):
            return Found(apart.select(self.text, self.content_type, kind, expression, part), from_text=True)
        return Found(documents.select(self.tree, kind, expression, part), from_text=True)

    def _regex(self, source: Source) -> Found:
        compiled = pattern(source.argument or "")
        values: list[Json] = []
        for match in compiled.finditer(self.text[:MAX_REGEX_TEXT_CHARACTERS]):
            values.append(match.group(1) if match.re.groups else match.group(0))
            if len(values) >= documents.MAX_MATCHES:
                break
        return Found([value for value in values if value is not None], from_text=True)


def _of_certificate(seen: HttpSubject, source: Source) -> Found:
    value = seen.certificate.get(source.argument or "seconds_left")
    values = value if isinstance(value, list) else [] if value is None else [value]
    return Found(values, default_row="any" if source.argument == "names" else "first")


_HTTP_SOURCES: dict[str, Callable[[HttpSubject, Source], Found]] = {
    "status": lambda seen, _: Found([seen.status]),
    "url": lambda seen, _: Found([seen.url], from_text=True),
    "elapsed": lambda seen, _: Found([seen.elapsed]),
    "size": lambda seen, _: Found([len(seen.body)]),
    "body": lambda seen, _: Found([seen.text], from_text=True),
    "content": lambda seen, _: Found([seen.text], from_text=True),
    "text": lambda seen, _: Found([documents.visible_text(seen.tree)], from_text=True),
    "title": lambda seen, _: Found(
        [" ".join(title.split()) for title in seen.tree.xpath("//title[1]/text()").getall()[:1]], from_text=True
    ),
    "header": lambda seen, source: Found(
        [value for name, value in seen.headers if name.lower() == (source.argument or "").lower()], from_text=True
    ),
    "jsonpath": lambda seen, source: Found(documents.find_json(seen.json, source.argument or "$"), default_row="all"),
    "selector": lambda seen, source: seen._select(source),
    "xpath": lambda seen, source: seen._select(source),
    "regex": lambda seen, source: seen._regex(source),
    "certificate": _of_certificate,
    "cookies": lambda seen, _: Found([] if seen.cookies is None else [seen.cookies]),
}


@dataclass(frozen=True)
class TableSubject:
    """Rows of a query. Cells are what the driver gave, or JSON already; `elapsed` in seconds."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    elapsed: float = 0.0

    def lookup(self, source: Source) -> Found:
        if source.subject in ("rows", "count"):
            return Found([len(self.rows)])
        if source.subject == "elapsed":
            return Found([self.elapsed])
        if source.subject == "jsonpath":
            return Found(documents.find_json(self._as_json, source.argument or "$"), default_row="all")
        if source.subject != "column":
            raise not_here(source, "rows", "column, rows, elapsed, jsonpath")
        position = self._position(source.argument or "")
        return Found([json_value(row[position]) for row in self.rows], default_row="all")

    def faults(self, asked: frozenset[str]) -> list[Fault]:
        return []

    @cached_property
    def _as_json(self) -> Json:
        return [dict(zip(self.columns, map(json_value, row), strict=False)) for row in self.rows]

    def _position(self, name: str) -> int:
        if name in self.columns:
            return list(self.columns).index(name)
        folded = [column.lower() for column in self.columns]
        if folded.count(name.lower()) == 1:
            return folded.index(name.lower())
        have = ", ".join(self.columns[:20]) or "none"
        raise CheckFailed(
            FailureClass.SCHEMA_CHANGED, f"the result has no column {name!r}; it has {have}", reason="column_missing"
        )
