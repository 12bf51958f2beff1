"""One process over every kind of check and a plugin's: tried, planned, run, and compared when the world changes."""

import json
import socketserver
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from steptrail_common.testing.wheels import installed

from .browsing import browsing
from .product import Product, step
from .topologies import embedded

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin-check"
STEPS = ("page", "order", "lines", "invoice", "greeting")
"""`web_crawl`, `api_call`, `db_query`, `file_check`, and the plugin's `tcp_check`."""
CAPTURES = {"page": {"number": "4711", "state": "PAID"}, "order": {"total": 30}}


@dataclass
class World:
    """What the process looks at: a shop with a page and an API, its database, its folder, a server that greets."""

    folder: Path
    state: str = "PAID"
    greeting: bytes = b"220 ready\r\n"
    seconds: float = 0.0
    addresses: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sql("create table lines (order_no text, sku text, amount int)")
        self.sql("insert into lines values ('4711', 'A1', 10), ('4711', 'B2', 20)")
        (self.folder / "4711.txt").write_text("invoice 4711\ntotal 30\n")

    def sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self.folder / "erp.db")) as database, database:
            database.execute(statement)

    def turn(self) -> None:
        """Everything goes wrong at once."""
        self.state, self.greeting, self.seconds = "OPEN", b"421 busy\r\n", 0.3
        self.sql("delete from lines where sku = 'B2'")
        self.sql("alter table lines add column note text")
        (self.folder / "4711.txt").write_text("invoice 4711\ntotal 10\n")

    def answer(self, path: str) -> tuple[str, str]:
        """(media type, body)."""
        if path.startswith("/orders/"):
            time.sleep(self.seconds)
            return "application/json", json.dumps({"no": path[8:], "state": self.state, "total": 30})
        return "text/html", f"<title>Shop</title><b class=no>4711</b><i class=state>{self.state}</i>"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"))

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            media_type, body = world.answer(self.path)
            self.send_response(404 if self.path == "/robots.txt" else 200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    class Greeter(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(world.greeting)

    shop = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    greeter = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter)
    for server in (shop, greeter):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        world.addresses.append(f"127.0.0.1:{server.server_address[1]}")
    yield world
    for server in (shop, greeter):
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def everything(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The embedded product with the plugin installed, and the connections of the process."""
    settings = {
        "PYTHONPATH": str(installed(PLUGIN, tmp_path_factory.mktemp("plugin"))),
        "STEPTRAIL_FILE_ROOTS": json.dumps([str(world.folder)]),
    }
    connections = {
        "erp": {"kind": "sqlite", "path": str(world.folder / "erp.db")},
        "box": {"kind": "files", "root": str(world.folder)},
    }
    with embedded(tmp_path_factory.mktemp("every"), exceptions=world.addresses, settings=settings) as product:
        with product.client() as client:
            for name, connection in connections.items():
                body = {"connection_id": name, "name": name, "settings": connection}
                assert client.post("/connections", json=body).status_code == 201
        yield product


def document(world: World) -> dict[str, Any]:
    shop, greeter = world.addresses
    number = "${{ steps.page.number }}"
    checks: dict[str, dict[str, Any]] = {
        "page": {
            "check": {"type": "web_crawl", "url": f"http://{shop}/"},
            "capture": {"number": {"selector": ".no"}, "state": {"selector": ".state"}},
        },
        "order": {
            "check": {"type": "api_call", "url": f"http://{shop}/orders/{number}"},
            "assert": [{"jsonpath": "$.state", "eq": "PAID"}],
            "capture": {"total": {"jsonpath": "$.total"}},
        },
        "lines": {
            "check": {
                "type": "db_query",
                "connection": "erp",
                "query": "select * from lines where order_no = :no",
                "params": {"no": number},
            },
            "assert": [{"rows": {"eq": 2}}],
        },
        "invoice": {
            "check": {"type": "file_check", "connection": "box", "path": f"{number}.txt"},
            "assert": [{"regex": "total ([0-9]+)", "eq": "30"}],
        },
        "greeting": {
            "check": {"type": "tcp_check", "host": "127.0.0.1", "port": int(greeter.split(":")[1])},
            "assert": [{"regex": "^220 ", "exists": True}],
        },
    }
    steps = [{"id": name, "name": name.title(), "on_failure": "continue"} | more for name, more in checks.items()]
    return {"version": 1, "process": "everything", "name": "Everything", "steps": steps}


@pytest.mark.req("FR-005")
def test_a_step_of_every_kind_can_be_tried_in_a_draft(everything: Product, world: World) -> None:
    """With the values that steps before it would have captured, and its own captures in the answer."""
    with everything.client() as client:
        for step_id in STEPS:
            body = {"definition": document(world), "step_id": step_id, "inputs": {}, "captures": CAPTURES}
            tried = client.post("/steps/try", json=body)
            assert (tried.status_code, tried.json()["ok"]) == (200, True), tried.text
            assert tried.json()["captures"] == CAPTURES.get(step_id, {})
        assert client.get("/runs", params={"process_id": "everything"}).json()["items"] == []


@pytest.mark.req("FR-005")
def test_the_plan_of_every_kind_touches_nothing(everything: Product, world: World) -> None:
    """Hosts, statements and files, with what is only known during the run left as it is written."""
    with everything.client() as client:
        planned = client.post("/processes/plan", json={"document": document(world)}).json()
    shop, greeter = world.addresses
    touched = {(item["step_id"], item["kind"]): item["target"] for item in planned["items"]}
    assert touched[("page", "host")] == touched[("order", "host")] == shop
    assert touched[("lines", "statement")] == "select * from lines where order_no = :no"
    assert "${{ steps.page.number }}.txt" in touched[("invoice", "file")]
    assert touched[("greeting", "host")] == greeter


@pytest.mark.req("FR-020")
def test_every_kind_tells_what_changed_since_the_last_good_run(everything: Product, world: World) -> None:
    """Values, missing rows, new columns, lines, slower by, and the definition; first aid beside each failure."""
    with everything.client() as client:
        assert client.post("/processes", json=document(world)).status_code == 201
        good = everything.check("everything")
        assert good["status"] == "success", good
        changed = document(world)
        changed["steps"][2]["assert"] = [{"rows": {"eq": 2}}, {"column": "amount", "row": "any", "eq": 20}]
        saved = client.put("/processes/everything", json=changed, headers={"If-Match": '"1"'})
        assert saved.status_code == 200, saved.text
        world.turn()
        bad = everything.check("everything")
        diff = client.get(f"/runs/{bad['run_id']}/diff").json()
    assert diff["against_run_id"] == good["run_id"]
    for step_id in STEPS[1:]:
        failed = step(bad, step_id)
        assert (failed["status"], failed["failure_class"], bool(failed["first_aid"])) == ("failed", "assertion", True)
    told = {one["step_id"]: one for one in diff["steps"]}
    assert ("PAID", "OPEN") in _changes(told["page"])
    assert ("PAID", "OPEN") in _changes(told["order"])
    assert ("PAID", "OPEN") in _changes(told["order"]["contents"][0])
    assert told["order"]["slower_by_seconds"] > 0
    table = told["lines"]["contents"][0]["table"]
    assert (table["new_columns"], table["before_rows"], table["after_rows"]) == (["note"], 2, 1)
    assert [row["sku"] for row in table["missing_rows"]] == ["B2"]
    assert any(change["path"].startswith("assert") for change in told["lines"]["definition"])
    assert ("30", "10") in _changes(told["invoice"])
    lines = [(one["missing_lines"], one["new_lines"]) for one in told["invoice"]["contents"]]
    assert (["total 30"], ["total 10"]) in lines
    assert (["220 ready"], ["421 busy"]) in [
        (one["missing_lines"], one["new_lines"]) for one in told["greeting"]["contents"]
    ]


def _changes(told: dict[str, Any]) -> list[tuple[Any, Any]]:
    return [(change["before"], change["after"]) for change in told["changes"]]


@pytest.mark.req("NFR-016")
def test_the_editor_has_a_form_for_the_plugins_kind(everything: Product, browser: Browser) -> None:
    """Made from its JSON Schema: fields with their descriptions; what is typed lands in the YAML."""
    with browsing(everything, browser) as page:
        page.goto("/processes/new")
        page.get_by_role("button", name="One step").click()
        page.get_by_role("group", name="Form").get_by_label("Kind of check").select_option("tcp_check")
        check = page.get_by_role("region", name="Check", exact=True)
        check.get_by_label("Host").fill("mail.example.com")
        check.get_by_label("Port").fill("465")
        check.get_by_label("TLS", exact=False).check()
        expect(check).to_contain_text("Name or address of the machine")
        text = page.get_by_role("textbox", name="YAML")
        for line in ("type: tcp_check", "mail.example.com", "port: 465", "tls: true"):
            expect(text).to_contain_text(line)
