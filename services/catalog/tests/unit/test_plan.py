"""What a run would touch."""

from typing import Any

import pytest
from pydantic import TypeAdapter
from steptrail_catalog.domain.plan import plan
from steptrail_catalog.domain.validation import validate
from steptrail_catalog.service import plan_text
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.errors import InvalidInput

SETTINGS: TypeAdapter[ConnectionSettings] = TypeAdapter(ConnectionSettings)
QUERY = "select a\n  from b where c = :o and d = :n"
BINDS = {"o": "${{ inputs.order_id }}", "n": 1}
POSTGRES = {"kind": "postgresql", "host": "db.example.com", "database": "erp", "username": "probe"}


def _planned(
    check: dict[str, Any], inputs: dict[str, Any] | None = None, **connections: Any
) -> list[tuple[str, str, str | None]]:
    document = {
        "version": 1,
        "process": "p",
        "name": "P",
        "inputs": {"order_id": {"type": "string"}, "region": {"type": "string", "default": "eu"}},
        "vars": {"shop": "https://shop.example.com:8443"},
        "steps": [
            {
                "id": "one",
                "name": "One",
                "check": {"type": "web_crawl", "url": "https://a.example.com"},
                "capture": {"no": {"selector": "b"}},
            },
            {"id": "two", "name": "Two", "check": check},
        ],
    }
    report = validate(document)
    assert report.definition is not None, report.errors
    known = {name.replace("_", "-"): SETTINGS.validate_python(given) for name, given in connections.items()}
    items = plan(report.definition, inputs or {}, known).items
    return [(item.kind, item.target, item.detail) for item in items if item.step_id == "two"]


@pytest.mark.req("FR-003")
@pytest.mark.parametrize(
    ("check", "connections", "touched"),
    [
        (
            {"type": "web_crawl", "url": "${{ vars.shop }}/${{ inputs.region }}/${{ inputs.order_id }}"},
            {},
            [("host", "shop.example.com:8443", "GET https://shop.example.com:8443/eu/47%2F11")],
        ),
        (
            {"type": "web_crawl", "url": "https://x.example.com/", "render": True},
            {},
            [("host", "x.example.com:443", "GET https://x.example.com/ in a browser, with everything it loads")],
        ),
        (
            {"type": "web_crawl", "connection": "shop", "path": "/a", "browser": {"actions": [{"click": "#b"}]}},
            {"shop": {"kind": "http", "base_url": "https://x.example.com", "auth": "form", "username": "ann",
                      "login": {"path": "/login"}}},
            [
                ("host", "x.example.com:443", "GET https://x.example.com/a in a browser, with everything it loads"),
                ("host", "x.example.com:443", "signs in through its login form"),
                ("secret", "shop.password", "form sign-in"),
            ],
        ),
        (
            {"type": "web_crawl", "url": "https://x.example.com/", "crawl": {
                "max_pages": 9, "hosts": ["*.y.example"], "links": "all", "sitemap": "https://z.example/map.xml"}},
            {},
            [
                ("host", "x.example.com:443", "GET https://x.example.com/ and up to 8 pages it links to"),
                ("host", "*.y.example", "pages of the crawl"),
                ("host", "every host its pages link to", "HEAD, whether the links work"),
                ("host", "z.example:443", "GET https://z.example/map.xml"),
            ],
        ),
        (
            {"type": "api_call", "url": "https://x.example.com/${{ steps.one.no }}", "method": "DELETE"},
            {},
            [("host", "x.example.com:443", "DELETE https://x.example.com/${{ steps.one.no }}")],
        ),
        (
            {"type": "api_call", "connection": "shop", "path": "/orders/${{ inputs.order_id }}"},
            {"shop": {"kind": "http", "base_url": "http://shop.example.com/api/", "auth": "bearer"}},
            [
                ("host", "shop.example.com:80", "GET http://shop.example.com/api/orders/47%2F11"),
                ("secret", "shop.token", "bearer sign-in"),
            ],
        ),
        (
            {"type": "api_call", "connection": "shop", "path": "/graphql", "graphql": {"query": "{ a }"}},
            {"shop": {"kind": "http", "base_url": "http://shop.example.com"}},
            [("host", "shop.example.com:80", "POST http://shop.example.com/graphql")],
        ),
        (
            {"type": "db_query", "connection": "erp", "query": QUERY, "params": BINDS},
            {"erp": POSTGRES},
            [
                ("host", "db.example.com:5432", "database erp as probe"),
                ("statement", "select a from b where c = :o and d = :n", "o = 47/11, n = 1"),
                ("secret", "erp.password", "of probe"),
            ],
        ),
        (
            {"type": "db_query", "connection": "erp", "query": "select 1"},
            {"erp": {"kind": "sqlite", "path": "/data/erp.db"}},
            [("file", "/data/erp.db", "connection erp"), ("statement", "select 1", None)],
        ),
        (
            {"type": "file_check", "connection": "bank-out", "path": "in/${{ steps.one.no }}.xml"},
            {"bank_out": {"kind": "files", "root": "/data/"}},
            [("file", "/data/in/${{ steps.one.no }}.xml", "connection bank-out")],
        ),
        (
            {"type": "file_check", "connection": "bank-out", "path": "x"},
            {},
            [("file", "connection bank-out", "x")],
        ),
    ],
)  # fmt: skip
def test_hosts_statements_files_and_secrets_are_listed(
    check: dict[str, Any], connections: dict[str, Any], touched: list[tuple[str, str, str | None]]
) -> None:
    """With given inputs filled in as a run would, the rest as the expressions that will give it."""
    assert _planned(check, {"order_id": "47/11"}, **connections) == touched


def test_a_plan_without_a_server_says_what_it_does_not_know() -> None:
    """The command line has the file alone; a wrong file is refused with its line."""
    text = "version: 1\nprocess: p\nname: P\nsteps:\n- {id: a, name: A, enabled: %s, check: {CHECK}}\n"
    text = text.replace("{CHECK}", "{type: api_call, connection: shop, path: /x}")
    found = plan_text(text % "true", "application/yaml")
    assert found.warnings == ["the connection shop is not known here"]
    assert [(item.kind, item.target) for item in found.items] == [("host", "connection shop")]
    off = plan_text(text % "false", "application/yaml")
    assert (off.items, off.warnings) == ([], ["step 1 (a) is not enabled"])
    with pytest.raises(InvalidInput) as refused:
        plan_text(text % "maybe", "application/yaml")
    assert refused.value.errors is not None
    assert refused.value.errors[0].line == 5
