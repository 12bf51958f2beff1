"""Every rule of the format: what is refused, where, and what the message says to do."""

import copy
import time
from pathlib import Path
from typing import Any

import pytest
from steptrail_catalog.domain.plan import plan
from steptrail_catalog.domain.validation import read_text, validate
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.definition import Definition
from steptrail_common.contracts.model import FieldError

BASE: dict[str, Any] = {
    "version": 1,
    "process": "orders",
    "name": "Orders",
    "inputs": {"order_id": {"type": "string", "matches": "^[0-9]+$"}},
    "vars": {"shop": "https://shop.example.com", "deep": {"a": {"b": 1}}},
    "steps": [
        {
            "id": "api",
            "name": "API",
            "check": {"type": "api_call", "url": "${{ vars.shop }}/api/${{ inputs.order_id }}"},
            "capture": {"placed_at": {"jsonpath": "$.placed_at", "type": "datetime"}},
            "assert": [{"status": {"eq": 200}}],
        },
        {
            "id": "rows",
            "name": "Rows",
            "check": {
                "type": "db_query",
                "connection": "erp",
                "query": "select status from t where o = :o",
                "params": {"o": "${{ inputs.order_id }}"},
            },
            "expect_within": "30m",
            "since": "${{ steps.api.placed_at }}",
        },
        {
            "id": "file",
            "name": "File",
            "check": {"type": "file_check", "connection": "out", "path": "in/*.xml"},
            "wait_until": {"interval": "1s", "timeout": "10s"},
        },
    ],
}


def changed(place: str, value: Any) -> dict[str, Any]:
    """The base document with one value put at a place such as `steps.0.check.url`; `...` removes it."""
    document = copy.deepcopy(BASE)
    *way, last = place.split(".")
    inside: Any = document
    for part in way:
        inside = inside[int(part)] if isinstance(inside, list) else inside.setdefault(part, {})
    key: Any = int(last) if isinstance(inside, list) else last
    if value is ...:
        del inside[key]
    else:
        inside[key] = value
    return document


def faults(document: dict[str, Any], **options: Any) -> list[FieldError]:
    return validate(document, **options).errors


def test_the_base_is_valid_and_gives_its_normal_form() -> None:
    """Durations are seconds, assertions normal, defaults filled in; its JSON gives the same definition back."""
    report = validate(BASE)
    assert (report.errors, report.warnings) == ([], [])
    definition = report.definition
    assert definition is not None
    assert definition.steps[1].expect_within == 1800.0
    assert definition.steps[0].assertions[0].operators == {"eq": 200}
    assert definition.key_input == "order_id"
    assert Definition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition


SHAPE = [
    ("version", 2, "version", "must be 1"),
    ("version", "1", "version", "must be 1"),
    ("version", ..., "version", "is required"),
    ("process", ..., "process", "is required"),
    ("process", None, "process", "must be text"),
    ("process", 4711, "process", 'put it in quotes: "4711"'),
    ("process", "Orders", "process", "lower-case letters"),
    ("process", "../x", "process", "lower-case letters"),
    ("process", "validate", "process", "reserved"),
    ("nmae", "x", "nmae", "did you mean `name`?"),
    ("steps.0.asert", [], "steps[0].asert", "did you mean `assert`?"),
    ("steps.0.assertions", [], "steps[0].assertions", "did you mean `assert`?"),
    ("steps.0.condition", "true", "steps[0].condition", "unknown key"),
    ("steps.0.check.body", {}, "steps[0].check.body", "unknown key"),
    ("steps.0.check.methd", "GET", "steps[0].check.methd", "did you mean `method`?"),
    ("steps.1.check.url", "https://x.example.com", "steps[1].check.url", "unknown key"),
    ("steps.0.retry", {"cuont": 1}, "steps[0].retry.cuont", "did you mean `count`?"),
    ("steps.0.capture.placed_at.jsonpth", "$", "steps[0].capture.placed_at.jsonpth", "did you mean `jsonpath`?"),
    ("inputs.order_id.lable", "x", "inputs.order_id.lable", "did you mean `label`?"),
    ("steps", [], "steps", "at least one"),
    ("steps", {}, "steps", "must be a list"),
    ("steps", ..., "steps", "is required"),
    ("steps.0", "x", "steps[0]", "must be a mapping"),
    ("steps.0.id", ..., "steps[0].id", "is required"),
    ("steps.0.id", "Api-1", "steps[0].id", "underscores"),
    ("steps.0.check", ..., "steps[0].check", "is required"),
    ("steps.0.check", [], "steps[0].check", "must be a mapping"),
    ("steps.0.check.type", ..., "steps[0].check", "needs a `type`"),
    ("steps.0.check.type", "api_cal", "steps[0].check", "did you mean `api_call`?"),
    ("steps.0.check.method", "FETCH", "steps[0].check.method", "unknown value FETCH"),
    ("steps.0.enabled", "yes", "steps[0].enabled", "true or false"),
    ("steps.0.assert", {"status": 200}, "steps[0].assert", "must be a list"),
    ("steps.0.assert.0", {"status": {"eqq": 1}}, "steps[0].assert[0].status.eqq", "did you mean `eq`?"),
    ("steps.0.on_failure", "skip", "steps[0].on_failure", "unknown value skip"),
    ("steps.0.runbook", "wiki/x", "steps[0].runbook", "http:// or https://"),
    ("steps.0.timeout", 0, "steps[0].timeout", "with its unit"),
    ("steps.0.timeout", "0s", "steps[0].timeout", "above 0"),
    ("steps.0.timeout", "-5s", "steps[0].timeout", "with its unit"),
    ("steps.0.timeout", "5 m", "steps[0].timeout", "with its unit"),
    ("steps.0.timeout", "2h", "steps[0].timeout", "at most 1h"),
    ("steps.0.timeout", "9" * 400 + "d", "steps[0].timeout", "at most 366d"),
    ("steps.0.timeout", float("nan"), "steps[0].timeout", "with its unit"),
    ("timeout", "366d", "timeout", "at most 7d"),
    ("timeout", "1e9s", "timeout", "with its unit"),
    ("defaults", {"timeout": "2h"}, "defaults.timeout", "at most 1h"),
    ("steps.0.retry", {"count": "5m"}, "steps[0].retry.count", "whole number"),
    ("steps.0.retry", {"count": 11}, "steps[0].retry.count", "at most 10"),
    ("steps.0.retry", {"count": 10**9}, "steps[0].retry.count", "at most 10"),
    ("steps.0.retry", {"on": ["network", "netwrk"]}, "steps[0].retry.on[1]", "unknown value netwrk"),
    ("steps.0.capture", {"x": {"jsonpath": "$.a", "regex": "a"}}, "steps[0].capture.x", "exactly one source"),
    ("steps.0.capture", {"x": {}}, "steps[0].capture.x", "exactly one source"),
    ("steps.0.capture", {"Bad-Name": {"jsonpath": "$.a"}}, 'steps[0].capture.Bad-Name', "underscores"),
    ("steps.1.check.query", "select ${{ inputs.order_id }}", "steps[1].check.query", "never templated"),
    ("steps.1.check.params", [1], "steps[1].check.params", "must be a mapping"),
    ("steps.0.check.query", {"a": {"b": 1}}, "steps[0].check.query.a", "text"),
    ("schedule", [{"every": "5m", "cron": "* * * * *"}], "schedule[0]", "either every or cron"),
    ("notify", [{"channel": "ops"}], "notify[0].on", "is required"),
    ("notify", [{"channel": "ops", "on": ["broken"]}], "notify[0].on[0]", "unknown value broken"),
    ("tags", "critical", "tags", "must be a list"),
    ("tags", [2026], "tags[0]", 'put it in quotes: "2026"'),
    ("name", "x" * 201, "name", "at most 200 characters"),
    ("description", "x" * 1_000_00, "description", "at most 4000 characters"),
]  # fmt: skip

RULES = [
    ("name", "  \t ", "name", "only blanks"),
    ("name", "Order\nto cash", "name", "line breaks"),
    ("name", "Order \u202ehsac ot", "name", "direction of writing"),
    ("name", "Z" + "\u0301" * 20, "name", "combining marks"),
    ("name", "a\x00b", "name", "NUL"),
    ("name", "half \ud800", "name", "half of a character"),
    ("vars.shop", "half \udfff", "vars.shop", "half of a character"),
    ("category", " ", "category", "only blanks"),
    ("owner", "a\x07b", "owner", "control characters"),
    ("tags", ["a", "a"], "tags[1]", "twice"),
    ("key", "ordr_id", "key", "did you mean `order_id`?"),
    ("inputs.order_id.matches", "(a+", "inputs.order_id.matches", "no regular expression"),
    ("inputs.order_id.matches", "(?=a)", "inputs.order_id.matches", "look-around"),
    ("inputs.order_id.default", "x", "inputs.order_id.default", "must match"),
    ("inputs.order_id.example", 4711, "inputs.order_id.example", 'put it in quotes: "4711"'),
    ("inputs.order_id.options", [1], "inputs.order_id.options[0]", "in quotes"),
    ("inputs.day", {"type": "date", "default": "yesterday"}, "inputs.day.default", "a date such as"),
    ("inputs.number", {"type": "integer", "default": True}, "inputs.number.default", "whole number"),
    ("inputs.number", {"type": "integer", "matches": "1"}, "inputs.number.matches", "type string"),
    ("schedule", [{"every": "1s", "inputs": {"order_id": "1"}}], "schedule[0].every", "at least 10s"),
    ("schedule", [{"cron": "61 * * * *", "inputs": {"order_id": "1"}}], "schedule[0].cron", "`61` is no minute (0 to 59)"),
    ("schedule", [{"cron": "0 6 * * MON-FRY", "inputs": {"order_id": "1"}}], "schedule[0].cron", "is no weekday"),
    ("schedule", [{"cron": "nonsense", "inputs": {"order_id": "1"}}], "schedule[0].cron", "weekday, and has 1"),
    ("schedule", [{"cron": "* * * * * *", "inputs": {"order_id": "1"}}], "schedule[0].cron", "five fields"),
    ("schedule", [{"cron": "0 0 30 2 *", "inputs": {"order_id": "1"}}], "schedule[0].cron", "there is no such day"),
    ("schedule", [{"every": "1m", "jitter": "31s", "inputs": {"order_id": "1"}}], "schedule[0].jitter", "at most 30s"),
    ("schedule", [{"every": "1h", "catch_up": "all"}], "schedule[0].catch_up", "skip"),
    ("steps.0.set", {"query": "select 1"}, "steps[0].set", "needs a `population`"),
    ("population", {"query": "select 1"}, "population.connection", "is required"),
    ("population", {"query": "", "connection": "erp"}, "population.query", "empty"),
    ("population", {"query": "select 1", "connection": "erp", "input": "ordr_id"}, "population.input", "order_id"),
    ("population", {"query": "select 1", "connection": "erp", "timeout": "2m"}, "population.timeout", "at most 1m"),
    ("maintenance", [{"cron": "0 1 * * *"}], "maintenance[0]", "either cron and duration, or from and until"),
    ("maintenance", [{"cron": "0 1 * *", "duration": "1h"}], "maintenance[0].cron", "five fields"),
    ("maintenance", [{"cron": "0 1 * * *", "duration": "32d"}], "maintenance[0].duration", "at most 31d"),
    ("maintenance", [{"from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}], "maintenance[0]", "before"),
    ("maintenance", [{"from": "tomorrow", "until": "2026-01-01T00:00:00Z"}], "maintenance[0].from", "moment"),
    ("schedule", [{"every": "1h", "timezone": "Mars/Base"}], "schedule[0].timezone", "time zone"),
    ("schedule", [{"every": "1h", "timezone": "Europe/Berln"}], "schedule[0].timezone", "did you mean `Europe/Berlin`?"),
    ("schedule", [{"every": "1h", "timezone": "../etc/passwd"}], "schedule[0].timezone", "time zone"),
    ("schedule", [{"every": "1h"}], "schedule[0].inputs.order_id", "is required"),
    ("schedule", [{"every": "1h", "inputs": {"order_id": 1}}], "schedule[0].inputs.order_id", "in quotes"),
    ("schedule", [{"every": "1h", "inputs": {"order_id": "1", "x": 1}}], "schedule[0].inputs.x", "unknown input"),
    ("steps.1.id", "api", "steps[1].id", "id of step 1 already"),
    ("steps.0.capture.status", {"jsonpath": "$.status"}, "steps[0].capture.status", "another name"),
    ("steps.0.check.connection", "shop", "steps[0].check.url", "either url, or connection"),
    ("steps.0.check", {"type": "api_call"}, "steps[0].check", "either url, or connection"),
    ("steps.0.check.path", "/x", "steps[0].check.path", "belongs to a connection"),
    ("steps.2.check.path", ..., "steps[2].check.path", "is required"),
    ("steps.2.check.path", "../../etc/passwd", "steps[2].check.path", "step up"),
    ("steps.2.check.path", "in/%2e%2e/%2e%2e/x", "steps[2].check.path", "step up"),
    ("steps.2.check.path", "/etc/passwd", "steps[2].check.path", "relative"),
    ("steps.2.check.path", "C:\\x", "steps[2].check.path", "written with /"),
    ("steps.2.check.path", "\\\\server\\share", "steps[2].check.path", "written with /"),
    ("steps.2.check.path", "zip://x::s3://y", "steps[2].check.path", "relative"),
    ("steps.2.check.path", "a\nb", "steps[2].check.path", "line breaks"),
    ("steps.0.check.headers", {"Host": "x"}, "steps[0].check.headers.Host", "set by Steptrail"),
    ("steps.0.check.headers", {"X A": "x"}, 'steps[0].check.headers["X A"]', "no header name"),
    ("steps.0.check.headers", {"X": "a\r\nY: b"}, "steps[0].check.headers.X", "line breaks"),
    ("steps.0.check.json", {"a": 1}, "steps[0].check.json", "method: POST"),
    ("steps.0.check", {"type": "api_call", "json": {}, "form": {}}, "steps[0].check.form", "one body"),
    ("steps.0.check.graphql", {"query": "{ a(b: ${{ x }}) }"}, "steps[0].check.graphql.query", "never templated"),
    ("steps.1.check.params", {}, "steps[1].check.params.o", "uses :o"),
    ("steps.1.check.query", " -- nothing", "steps[1].check.query", "must hold a statement"),
    ("steps.0.assert.0", {"rows": 1}, "steps[0].assert[0].rows", "api_call has no `rows`"),
    ("steps.1.assert", [{"status": 200}], "steps[1].assert[0].status", "db_query has no `status`"),
    ("steps.2.assert", [{"header": "a", "eq": "1"}], "steps[2].assert[0].header", "file_check has no `header`"),
    ("steps.0.assert.0", {"jsonpath": "$.a[", "exists": True}, "steps[0].assert[0].jsonpath", "no JSON path"),
    ("steps.0.assert.0", {"selector": "div >", "exists": True}, "steps[0].assert[0].selector", "no CSS selector"),
    ("steps.0.assert.0", {"xpath": "//a[", "exists": True}, "steps[0].assert[0].xpath", "no XPath"),
    ("steps.0.assert.0", {"regex": "(?<!a)b", "exists": True}, "steps[0].assert[0].regex", "look-around"),
    ("steps.0.assert.0", {"jsonpath": "$.a", "matches": "(a"}, "steps[0].assert[0].matches", "no regular expression"),
    ("steps.0.assert.0", {"selector": "a", "text": {"matches": "(a"}}, "steps[0].assert[0].text.matches", "no regular"),
    ("steps.0.capture.x", {"column": "a"}, "steps[0].capture.x.column", "api_call has no `column`"),
    ("steps.1.capture", {"x": {"selector": "a"}}, "steps[1].capture.x.selector", "db_query has no `selector`"),
    ("steps.0.capture.x", {"jsonpath": "$..["}, "steps[0].capture.x.jsonpath", "no JSON path"),
    ("steps.0.capture.x", {"jsonpath": "$.a", "attribute": "b"}, "steps[0].capture.x.attribute", "selector or xpath"),
    ("steps.2.wait_until.interval", "10ms", "steps[2].wait_until.interval", "at least 100ms"),
    ("steps.2.wait_until.timeout", "5m", "steps[2].wait_until.timeout", "shorter than"),
    ("steps.1.expect_within", ..., "steps[1].since", "expect_within"),
    ("steps.1.since", "2026-01-01", "steps[1].since", "must be one expression"),
    ("steps.1.since", "at ${{ steps.api.placed_at }}", "steps[1].since", "nothing else"),
    ("steps.1.if", "${{ true }} ${{ true }}", "steps[1].if", "nothing else"),
]  # fmt: skip

REFERENCES = [
    ("${{ inputs.ordr_id }}", "did you mean `order_id`?"),
    ("${{ vars.shp }}", "did you mean `shop`?"),
    ("${{ vars.deep.a.c }}", "`vars.deep.a.c` does not exist"),
    ("${{ run.nmae }}", "`run.nmae` does not exist"),
    ("${{ secrets.token }}", "`secrets` is unknown"),
    ("${{ env('HOME') }}", "no function env()"),
    ("${{ steps.rows.status }}", "cannot refer to itself"),
    ("${{ steps.file.status }}", "runs later"),
    ("${{ steps.ap.placed_at }}", "did you mean `api`?"),
    ("${{ steps.api.placed }}", "did you mean `placed_at`?"),
    ("${{ steps['api'].placed }}", "did you mean `placed_at`?"),
    ("${{ inputs.order_id + }}", "cannot be read"),
    ("${{ inputs.order_id", "closing }}"),
]

URLS = [
    "ftp://shop.example.com",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    " file:///etc/passwd",
    "\tfile:///etc/passwd",
    "source:file:///etc/passwd",
    "view-source:http://x",
    "jar:http://x!/y",
    "gopher://x",
    "dict://x",
    "ldap://x",
    "data:text/html,x",
    "javascript:alert(1)",
    "//shop.example.com",
    "shop.example.com",
    "http://",
    "http:///x",
    "http://user:pass@shop.example.com/",
    "http://user@shop.example.com/",
    "http://shop.example.com:99999/",
    "http://shop.example.com:0/",
    "http://shop.example.com:x/",
    "http://[::1/",
    "http://shop.example.com/\r\nHost: x",
    "http://shop.example.com/\x00",
    "http://shop.example.com/ ",
    "http://shop.example.com/a b",
    "http://shop.example.com/\u202etxt",
    "http://shop.example.com\\@evil.example.com/",
    "http://shop.example.com/" + "a" * 9000,
    "http://shop.example.com/?" + "&".join(["a=b"] * 10_000),
    "${{ vars.deep.a.b }}/x",
]


def _assert_told(document: dict[str, Any], path: str, told: str) -> None:
    found = faults(document)
    assert path in [fault.path for fault in found], found
    assert told in next(fault.message for fault in found if fault.path == path)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(("place", "value", "path", "told"), SHAPE)
def test_a_wrong_shape_is_named(place: str, value: Any, path: str, told: str) -> None:
    """Unknown keys with the nearest known one, wrong types, missing fields, limits."""
    _assert_told(changed(place, value), path, told)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(("place", "value", "path", "told"), RULES)
def test_a_broken_rule_is_named(place: str, value: Any, path: str, told: str) -> None:
    """Names, inputs, schedules, targets, assertions, captures, times."""
    _assert_told(changed(place, value), path, told)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(("text", "told"), REFERENCES)
def test_a_reference_to_nothing_is_named(text: str, told: str) -> None:
    """Unknown, misspelt, later and own steps; unknown captures, inputs, variables, functions."""
    _assert_told(changed("steps.1.check.params.o", text), "steps[1].check.params.o", told)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("url", URLS)
def test_an_address_that_leads_elsewhere_is_refused(url: str) -> None:
    """Only http and https, no credentials, no control or invisible characters, at most 8 kB."""
    assert [fault.path for fault in faults(changed("steps.0.check.url", url))] == ["steps[0].check.url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "HTTP://Shop.example.com:8080/a%20b?c=d#e",
        "https://bücher.example/ä",
        "http://127.0.0.1/",
        "${{ inputs.order_id }}/x",
        "https://${{ inputs.order_id }}.example.com/${{ vars.shop }}",
    ],
)
def test_other_addresses_are_the_egress_policys_matter(url: str) -> None:
    """Whether an address may be reached is decided when it is reached."""
    assert faults(changed("steps.0.check.url", url)) == []


@pytest.mark.parametrize(
    ("place", "value", "path", "told"),
    [
        ("population", {"query": "select 1", "connection": "erp"}, "population", "places nothing"),
        ("maintenance", [{"cron": "0 1 * * *", "duration": "1h"}], "maintenance", "nothing without a schedule"),
        ("name", "{{7*7}} ${{ inputs.order_id }}", "name", "not evaluated here"),
        ("vars.other", "${{ vars.shop }}", "vars.other", "not evaluated here"),
        ("steps.0.check.headers", {"Authorization": "Bearer abc"}, "steps[0].check.headers.Authorization", "secret"),
        ("steps.0.check.headers", {"X-API-Key": "abc"}, "steps[0].check.headers.X-API-Key", "secret"),
        ("steps.1.check.params.unused", 1, "steps[1].check.params.unused", "does not use"),
        ("steps.0.timeout", "50m", "steps[0].timeout", "longer than"),
        ("steps.2.wait_until.interval", "20s", "steps[2].wait_until.interval", "looks once"),
    ],
)
def test_what_is_doubtful_is_a_warning(place: str, value: Any, path: str, told: str) -> None:
    """The definition is valid; other templates' marks are plain text."""
    report = validate(changed(place, value))
    assert report.errors == []
    assert path in [fault.path for fault in report.warnings]
    assert told in next(fault.message for fault in report.warnings if fault.path == path)


def test_secrets_from_elsewhere_are_no_warning() -> None:
    """A value that an expression brings, or a key that only sounds alike."""
    headers = {"X-Token": "${{ inputs.order_id }}", "X-Tokenizer-Name": "a", "X-Order": "secretary"}
    assert validate(changed("steps.0.check.headers", headers)).warnings == []


def test_every_fault_is_told_at_once_but_not_without_end() -> None:
    """A page can mark all of them; a hostile document does not make megabytes of answer."""
    document = copy.deepcopy(BASE)
    document["steps"] = [{"id": f"s{n}", "nmae": "x" * 5000} for n in range(150)]
    found = faults(document)
    assert len(found) == 100
    assert sum(len(fault.path) + len(fault.message) for fault in found) < 50_000


@pytest.mark.req("NFR-012")
def test_ten_thousand_steps_are_refused_quickly() -> None:
    """With the path, and without looking at each of them."""
    document = BASE | {"steps": [BASE["steps"][0] | {"id": f"s{n}"} for n in range(10_000)]}
    began = time.perf_counter()
    found = faults(document)
    assert time.perf_counter() - began < 0.5
    assert [(fault.path, "10000 steps" in fault.message) for fault in found] == [("steps", True)]


@pytest.mark.parametrize(
    "document", [{}, {"a": [[[[]]] * 50]}, {"steps": [None, 1, "x", [], {}]}, {"steps": {"$gt": ""}}]
)
def test_any_document_gets_an_answer(document: dict[str, Any]) -> None:
    """Whatever it is, it is refused by name and nothing breaks."""
    assert faults(document)


def test_deep_documents_are_refused() -> None:
    """Before anything walks down into them."""
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert "nested deeper" in faults({"vars": {"a": deep}})[0].message


@pytest.mark.req("FR-005")
def test_faults_in_yaml_name_their_line() -> None:
    """Of the key that is to blame, or of what it is missing in."""
    text = (
        "version: 1\nprocess: orders\nname: Orders\nsteps:\n  - id: page\n    check:\n      type: web_crawl\n"
        "      url: https://x.example.com/${{ inputs.nothing }}\n    assert:\n      - {status: {eq: 200}}\n"
        "      - {status: {eqq: 200}}\n"
    )
    shape = {(fault.path, fault.line) for fault in faults_of_text(text)}
    assert shape == {("steps[0].name", 5), ("steps[0].assert[1].status.eqq", 11)}
    named = text.replace("- id: page", "- id: page\n    name: Page").replace("eqq", "eq")
    assert [(fault.path, fault.line) for fault in faults_of_text(named)] == [("steps[0].check.url", 9)]


def faults_of_text(text: str) -> list[FieldError]:
    return validate(read_text(text, "application/yaml")).errors


@pytest.mark.parametrize(
    ("known", "active", "errors", "warnings"),
    [
        ({"erp": "postgresql", "out": "files"}, True, [], []),
        ({"erp": "sqlite", "out": "http"}, True, [], []),
        ({"erp": "http", "out": "files"}, True, ["steps[1].check.connection"], []),
        ({"erp": "postgresql"}, True, ["steps[2].check.connection"], []),
        ({"erp": "postgresql"}, False, [], ["steps[2].check.connection"]),
        (None, True, [], []),
    ],
)
def test_connections_must_exist_and_fit(
    known: dict[str, str] | None, active: bool, errors: list[str], warnings: list[str]
) -> None:
    """An inactive process may wait for its connections; without a server nothing is known of them."""
    report = validate(BASE | {"active": active}, connections=known)
    assert [fault.path for fault in report.errors] == errors
    assert [fault.path for fault in report.warnings] == warnings


@pytest.mark.parametrize(
    ("check", "place"),
    [({"render": True}, "render"), ({"browser": {"screenshot": "never"}}, "browser"), ({}, None)],
)
def test_a_browser_and_a_client_certificate_do_not_go_together(check: dict[str, Any], place: str | None) -> None:
    """Told where it is saved, and named; the page as it is sent can be looked at with one."""
    pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----"
    settings = HttpSettings(kind="http", base_url="https://shop.example", client_certificate=pem)
    step = {"id": "page", "name": "Page", "check": {"type": "web_crawl", "connection": "shop", "path": "/", **check}}
    document = {"version": 1, "process": "p", "name": "P", "steps": [step]}
    report = validate(document, connections={"shop": "http"}, settings={"shop": settings})
    assert [fault.path for fault in report.errors] == ([f"steps[0].check.{place}"] if place else [])
    assert all("cannot identify with the client_certificate" in fault.message for fault in report.errors)
    definition = validate(document).definition
    assert definition is not None
    warned = plan(definition, {}, {"shop": settings}).warnings
    assert [text.partition(":")[0] for text in warned] == ([f"step 1 (page), {place}"] if place else [])


def test_the_examples_of_the_project_are_valid() -> None:
    """And have nothing doubtful about them."""
    folder = Path(__file__).parents[4] / "examples"
    files = sorted(folder.glob("*.yaml"))
    assert len(files) >= 4
    for file in files:
        report = validate(read_text(file.read_text(encoding="utf-8"), "application/yaml"))
        assert (file.name, report.errors, report.warnings) == (file.name, [], [])
        assert report.definition is not None
        assert report.definition.process == file.stem
