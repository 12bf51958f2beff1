"""What an assertion means, operator by operator, and what it says when it does not hold."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from steptrail_checks.assertions import Verdict, evaluate
from steptrail_checks.files import FileFact, FilesSubject
from steptrail_checks.subjects import HttpSubject, TableSubject
from steptrail_common.contracts.definition import Assertion
from steptrail_common.contracts.model import FailureClass

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
PAGE = b"""<html><head><title> Order  4711 </title><script>var x = 1</script></head><body>
<p class=order-number>4711</p><p class=total>99.50</p><a href="/a">one</a><a href="/b">two</a></body></html>"""
ANSWER = b"""{"state": "PAID", "total": 99.5, "count": 3, "paid": true, "code": "007", "note": null,
"placed_at": "2026-11-02T11:30:00Z", "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}"""


def page(status: int = 200, body: bytes = PAGE, content_type: str = "text/html") -> HttpSubject:
    headers = (("Content-Type", content_type), ("X-Count", "12"), ("Last-Modified", "Mon, 02 Nov 2026 11:00:00 GMT"))
    return HttpSubject(status, "https://shop.example/orders/4711", headers, body, 0.25)


def api(body: bytes = ANSWER, status: int = 200, *, graphql: bool = False, credentials: bool = False) -> HttpSubject:
    headers = (("Content-Type", "application/json"),)
    return HttpSubject(status, "https://api.example/", headers, body, 0.1, graphql, credentials)


def rows(*values: Any) -> TableSubject:
    return TableSubject(["status", "Amount"], [(value, Decimal("10.50")) for value in values])


def files(*ages_hours: float, content: bytes | None = None) -> FilesSubject:
    found = [
        FileFact(f"f{n}.xml", f"out/f{n}.xml", 100 * n, NOW - timedelta(hours=age)) for n, age in enumerate(ages_hours)
    ]
    return FilesSubject(found, "out/*.xml", NOW, content)


def judge(seen: Any, /, **assertion: Any) -> Verdict:
    return evaluate([Assertion.model_validate(assertion)], seen, NOW)


def holds(subject: Any, what: dict[str, Any], /, **operators: Any) -> bool:
    return judge(subject, **what, operators=operators).ok


STATUS = {"subject": "status"}
NUMBER = {"subject": "selector", "argument": ".order-number"}
TOTAL = {"subject": "selector", "argument": ".total"}
LINKS = {"subject": "selector", "argument": "a"}


def path(argument: str, **more: Any) -> dict[str, Any]:
    return {"subject": "jsonpath", "argument": argument, **more}


def column(argument: str = "status", **more: Any) -> dict[str, Any]:
    return {"subject": "column", "argument": argument, **more}


@pytest.mark.req("FR-011")
@pytest.mark.parametrize(
    ("what", "operators", "met"),
    [
        (STATUS, {"eq": 200}, True), (STATUS, {"ne": 200}, False), (STATUS, {"in": [200, 201]}, True),
        (STATUS, {"gte": 200, "lt": 300}, True), (STATUS, {"between": [200, 299]}, True),
        (STATUS, {"between": [201, 299]}, False), (STATUS, {"not_in": [404]}, True), (STATUS, {"eq": "200"}, False),
        (NUMBER, {"eq": "4711"}, True), (NUMBER, {"eq": 4711}, True), (NUMBER, {"eq": 4712}, False),
        (NUMBER, {"matches": "^[0-9]{4}$"}, True), (NUMBER, {"contains": "71"}, True), (NUMBER, {"exists": True}, True),
        (NUMBER, {"exists": False}, False), (TOTAL, {"gt": 99}, True), (TOTAL, {"gt": 100}, False),
        (LINKS, {"count": 2}, True), (LINKS, {"count": {"gte": 3}}, False),
        ({**LINKS, "part": "count"}, {"eq": 2}, True),
        ({**LINKS, "part": "attribute:href"}, {"eq": "/a"}, True),
        ({**LINKS, "part": "attribute:href", "row": "last"}, {"eq": "/b"}, True),
        ({**LINKS, "row": "any"}, {"eq": "two"}, True), ({**LINKS, "row": "all"}, {"eq": "two"}, False),
        ({"subject": "title"}, {"eq": "Order 4711"}, True), ({"subject": "text"}, {"contains": "one two"}, True),
        ({"subject": "text"}, {"contains": "var x"}, False), ({"subject": "body"}, {"contains": "var x"}, True),
        ({"subject": "regex", "argument": "order-number>([0-9]+)"}, {"eq": "4711"}, True),
        ({"subject": "xpath", "argument": "count(//a)"}, {"eq": 2}, True),
        ({"subject": "xpath", "argument": "//a[2]/text()"}, {"eq": "two"}, True),
        ({"subject": "header", "argument": "x-count"}, {"lte": 12}, True),
        ({"subject": "header", "argument": "x-none"}, {"exists": False}, True),
        ({"subject": "header", "argument": "last-modified"}, {"newer_than": "2h"}, True),
        ({"subject": "header", "argument": "last-modified"}, {"newer_than": "30m"}, False),
        ({"subject": "url"}, {"contains": "/orders/"}, True), ({"subject": "elapsed"}, {"lt": "2s"}, True),
        ({"subject": "elapsed"}, {"lt": "100ms"}, False), ({"subject": "size"}, {"gt": 100}, True),
    ],
)  # fmt: skip
def test_pages(what: dict[str, Any], operators: dict[str, Any], met: bool) -> None:
    """Status, selectors, text, headers, times and sizes of a page."""
    assert holds(page(), what, **operators) is met


@pytest.mark.req("FR-013")
@pytest.mark.parametrize(
    ("what", "operators", "met"),
    [
        (path("$.state"), {"in": ["PAID", "SHIPPED"]}, True), (path("$.state"), {"eq": "OPEN"}, False),
        (path("$.total"), {"eq": 99.5}, True), (path("$.count"), {"eq": 3.0}, True),
        (path("$.count"), {"eq": "3"}, False),
        (path("$.paid"), {"eq": True}, True), (path("$.paid"), {"eq": 1}, False), (path("$.code"), {"eq": 7}, False),
        (path("$.code"), {"eq": "007"}, True), (path("$.code"), {"type": "string"}, True),
        (path("$.count"), {"type": "integer"}, True), (path("$.total"), {"type": "integer"}, False),
        (path("$.total"), {"type": "number"}, True), (path("$.note"), {"type": "null"}, True),
        (path("$.placed_at"), {"type": "datetime"}, True), (path("$.items"), {"type": "list"}, True),
        (path("$.note"), {"exists": True}, True), (path("$.none"), {"exists": False}, True),
        (path("$.none"), {"eq": 1}, False), (path("$.none"), {"ne": 1}, True), (path("$.items[*]"), {"count": 2}, True),
        (path("$.items[*].n"), {"gte": 1}, True), (path("$.items[*].n"), {"gte": 2}, False),
        (path("$.items[*].n", row="any"), {"gte": 2}, True), (path("$.items[*].sku"), {"in": ["a", "b"]}, True),
        (path("$.items[?@.sku=='b'].n"), {"eq": 2}, True), (path("$.items[?search(@.sku, '^b')].n"), {"eq": 2}, True),
        (path("$.items"), {"contains": {"sku": "a", "n": 1}}, True), (path("$"), {"contains": "state"}, True),
        (path("$.placed_at"), {"newer_than": "1h"}, True), (path("$.placed_at"), {"older_than": "15m"}, True),
        (path("$.placed_at"), {"gt": "2026-11-02T12:00:00+01:00"}, True), (path("$.code"), {"gt": 1}, False),
        (path("$.state"), {"gt": "OPEN"}, False), (path("$.count"), {"matches": "^3$"}, True),
    ],
)  # fmt: skip
def test_answers(what: dict[str, Any], operators: dict[str, Any], met: bool) -> None:
    """JSON keeps its types: text is no number, 1 is not true, every value of a path counts."""
    assert holds(api(), what, **operators) is met


@pytest.mark.req("FR-012")
@pytest.mark.parametrize(
    ("subject", "what", "operators", "met"),
    [
        (rows("BOOKED"), {"subject": "rows"}, {"eq": 1}, True), (rows(), {"subject": "rows"}, {"eq": 0}, True),
        (rows("BOOKED", "BOOKED"), column(), {"eq": "BOOKED"}, True),
        (rows("BOOKED", "OPEN"), column(), {"eq": "BOOKED"}, False),
        (rows("BOOKED", "OPEN"), column(row="first"), {"eq": "BOOKED"}, True),
        (rows("BOOKED", "OPEN"), column(row="any"), {"eq": "OPEN"}, True), (rows(), column(), {"eq": "BOOKED"}, False),
        (rows("x"), column("amount"), {"eq": 10.5}, True), (rows("x"), column("AMOUNT"), {"between": [10, 11]}, True),
        (rows(7), column(), {"eq": "7"}, False), (rows(None), column(), {"type": "null"}, True),
        (rows(NOW - timedelta(minutes=5)), column(), {"newer_than": "10m"}, True),
    ],
)  # fmt: skip
def test_rows(subject: TableSubject, what: dict[str, Any], operators: dict[str, Any], met: bool) -> None:
    """Columns count in every row unless the step says otherwise; none at all is not met."""
    assert holds(subject, what, **operators) is met


@pytest.mark.req("FR-013")
@pytest.mark.parametrize(
    ("subject", "what", "operators", "met"),
    [
        (files(1, 30), {"subject": "count"}, {"eq": 2}, True), (files(1, 30), {"subject": "age"}, {"lt": "24h"}, True),
        (files(1, 30), {"subject": "age", "row": "all"}, {"lt": "24h"}, False),
        (files(1, 30), {"subject": "size"}, {"gt": 0}, False),
        (files(1), {"subject": "size", "row": "any"}, {"eq": 0}, True),
        (files(), {"subject": "count"}, {"eq": 0}, True), (files(1), {"subject": "age"}, {"newer_than": "2h"}, True),
        (files(1, content=b"<a><b>5</b></a>"), {"subject": "xpath", "argument": "//b"}, {"eq": 5}, True),
        (files(1, content=b"total: 12"), {"subject": "content"}, {"contains": "total"}, True),
        (files(1, content=b"total: 12"), {"subject": "regex", "argument": "total: (\\d+)"}, {"eq": 12}, True),
    ],
)  # fmt: skip
def test_files(subject: FilesSubject, what: dict[str, Any], operators: dict[str, Any], met: bool) -> None:
    """Size counts for every file, age and content for the newest."""
    assert holds(subject, what, **operators) is met


def test_a_failure_says_what_was_found_and_what_was_expected() -> None:
    """One sentence a person understands, with short values on both sides."""
    assert judge(page(404), subject="status", operators={"eq": 200}).message == "HTTP status 404, expected 200"
    verdict = judge(api(), subject="jsonpath", argument="$.state", operators={"in": ["OPEN", "NEW"]})
    assert verdict.message == '$.state "PAID", expected one of "OPEN", "NEW"'
    assert verdict.outcomes[0].actual == "PAID"
    verdict = judge(files(3.2), subject="age", operators={"lt": "2h"})
    assert verdict.message == "age 3 h 12 m, expected below 2h"
    assert verdict.outcomes[0].actual == "3 h 12 m"
    assert "types differ" in str(judge(api(), **path("$.count"), operators={"eq": "3"}).message)
    long = judge(page(body=b"x" * 5000), subject="body", operators={"eq": "y"})
    assert len(str(long.outcomes[0].actual)) == 300


@pytest.mark.parametrize(
    ("subject", "what", "operators", "failure_class"),
    [
        (files(30), {"subject": "age"}, {"lt": "24h"}, FailureClass.STALE),
        (files(), {"subject": "age"}, {"lt": "24h"}, FailureClass.NOT_FOUND),
        (files(), {"subject": "count"}, {"eq": 1}, FailureClass.NOT_FOUND),
        (files(1, 2), {"subject": "count"}, {"eq": 1}, FailureClass.ASSERTION),
        (page(404), {"subject": "status"}, {"eq": 200}, FailureClass.ASSERTION),
        (page(404), {"subject": "title"}, {"exists": True}, FailureClass.HTTP_STATUS),
        (page(401), {"subject": "title"}, {"exists": True}, FailureClass.AUTH),
        (page(403), {"subject": "title"}, {"exists": True}, FailureClass.PERMISSION),
        (page(429), {"subject": "title"}, {"exists": True}, FailureClass.RATE_LIMITED),
        (rows("x"), column("none"), {"eq": 1}, FailureClass.SCHEMA_CHANGED),
        (page(body=b"{"), path("$.a"), {"eq": 1}, FailureClass.PROTOCOL),
        (page(), {"subject": "selector", "argument": "p["}, {"exists": True}, FailureClass.INVALID_DEFINITION),
        (page(), {"subject": "xpath", "argument": "//["}, {"exists": True}, FailureClass.INVALID_DEFINITION),
        (page(), {"subject": "regex", "argument": "(?=a)"}, {"exists": True}, FailureClass.INVALID_DEFINITION),
        (page(), {"subject": "title"}, {"matches": "(a"}, FailureClass.INVALID_DEFINITION),
        (api(), path("$["), {"eq": 1}, FailureClass.INVALID_DEFINITION),
        (rows("x"), {"subject": "status"}, {"eq": 1}, FailureClass.INVALID_DEFINITION),
        (page(), {"subject": "title"}, {"like": "x"}, FailureClass.INVALID_DEFINITION),
    ],
)  # fmt: skip
def test_each_failure_has_its_class(subject: Any, what: Any, operators: Any, failure_class: FailureClass) -> None:
    """Stale is not missing, missing is not wrong, and a wrong selector is not the target's fault."""
    verdict = judge(subject, **what, operators=operators)
    assert verdict.failure_class == failure_class
    assert verdict.message


def test_without_assertions_an_error_status_and_a_missing_file_still_fail() -> None:
    """The default rules; a status of 400 and above, or no file at all."""
    assert evaluate([], page(), NOW).ok
    assert evaluate([], page(500), NOW).message == "HTTP status 500, expected below 400"
    assert evaluate([], files(), NOW).message == "no file matches out/*.xml"
    assert evaluate([], page(401), NOW).ours is False
    assert evaluate([], api(status=401, credentials=True), NOW).ours is True


def test_an_asserted_status_replaces_the_default_rule() -> None:
    """A step may want to see 404."""
    assert judge(page(404), subject="status", operators={"eq": 404}).ok


def test_graphql_errors_fail_the_step() -> None:
    """Even with status 200 and data beside them."""
    verdict = evaluate([], api(b'{"data": {}, "errors": [{"message": "no such order"}]}', graphql=True), NOW)
    assert verdict.message == "GraphQL error: no such order"
    assert verdict.reason == "graphql_errors"
    assert evaluate([], api(b'{"data": {"order": 1}, "errors": []}', graphql=True), NOW).ok
    assert evaluate([], api(b"[]", graphql=True), NOW).reason == "bad_graphql"
    assert evaluate([], api(b"<html>", graphql=True), NOW).reason == "bad_json"


def test_all_assertions_are_told_not_only_the_first_that_fails() -> None:
    """A result shows the whole list, met and unmet."""
    wanted = [
        Assertion.model_validate({**path("$.state"), "operators": {"eq": "PAID"}}),
        Assertion.model_validate({**path("$.count"), "operators": {"gt": 5, "lt": 10}}),
    ]
    verdict = evaluate(wanted, api(), NOW)
    assert [outcome.met for outcome in verdict.outcomes] == [True, False, True]


def test_expressions_that_backtrack_elsewhere_take_no_time() -> None:
    """RE2 is linear, also inside JSON path filters."""
    body = b"a" * 200_000 + b"!"
    assert not judge(page(body=body), subject="body", operators={"matches": "^(a+)+$"}).ok
    assert judge(api(b'["' + b"a" * 100_000 + b'!"]'), **path("$[?search(@, '^(a+)+$')]"), operators={"count": 0}).ok


@pytest.mark.parametrize(
    ("seconds", "operators", "sentence"),
    [
        (0.013, {"lt": 0.001}, "elapsed 13 ms, expected below 1 ms"),
        (3.2, {"lte": 2}, "elapsed 3.2 s, expected at most 2 s"),
        (400.0, {"lt": 300}, "elapsed 6 min 40 s, expected below 5 min"),
        (2.0004, {"lt": 2}, "elapsed 2.0004 s, expected below 2 s"),
    ],
)
def test_a_time_is_said_with_its_unit(seconds: float, operators: dict[str, Any], sentence: str) -> None:
    """On both sides; nothing is rounded where it would hide the difference."""
    found = HttpSubject(200, "https://x.example/", [("content-type", "text/html")], b"", seconds)
    assert judge(found, subject="elapsed", operators=operators).message == sentence


@pytest.mark.parametrize(
    ("size", "operators", "sentence"),
    [
        (12_345_678, {"lt": 10_485_760}, "size 11.8 MiB, expected below 10.0 MiB"),
        (78, {"gt": 100}, "size 78 B, expected above 100 B"),
        (10_485_761, {"lt": 10_485_760}, "size 10485761 B, expected below 10485760 B"),
        (4_200, {"between": [0, 1024]}, "size 4.1 KiB, expected between 0 B and 1.0 KiB"),
    ],
)
def test_a_size_is_said_with_its_unit_and_kept_to_the_byte(size: int, operators: dict[str, Any], sentence: str) -> None:
    """People read the sentence, the outcome holds the bytes; nothing is rounded where it would hide the difference."""
    found = FilesSubject([FileFact("a.csv", "out/a.csv", size, NOW)], "out/*.csv", NOW)
    verdict = judge(found, subject="size", operators=operators)
    assert verdict.outcomes[0].actual == size
    assert verdict.message == sentence
