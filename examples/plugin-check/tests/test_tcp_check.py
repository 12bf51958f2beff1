"""The plugin as a user has it: installed from its wheel, found by every service, run by the whole product."""

import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from steptrail_common.testing.process import free_port
from steptrail_common.testing.wheels import installed

PROJECT = Path(__file__).parents[1]
GREETING = b"220 mail.example.com ready\r\n"


class Greeter(socketserver.BaseRequestHandler):
    """A server that speaks first, like those for mail."""

    def handle(self) -> None:
        self.request.sendall(GREETING)


@pytest.fixture(scope="module")
def greeter() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


@pytest.fixture(scope="module")
def product(greeter: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """`steptrail up` with the plugin installed and the greeter allowed; a signed-in client."""
    data, port = tmp_path_factory.mktemp("data"), free_port()
    command = [sys.executable, "-m", "steptrail_embedded", "up", "--port", str(port), "--data", str(data), "--no-demo"]
    path = os.pathsep.join(
        filter(None, [str(installed(PROJECT, tmp_path_factory.mktemp("plugin"))), os.environ.get("PYTHONPATH")])
    )
    allowed = {"STEPTRAIL_EGRESS_EXCEPTIONS": json.dumps([f"127.0.0.1:{greeter}"])}
    log = data / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | allowed | {"PYTHONPATH": path}, stdout=output, stderr=output
        )
        try:
            token = _token(process, data / "access.json", log)
            headers = {"Authorization": f"Bearer {token}"}
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=30) as client:
                yield client
        finally:
            process.terminate()
            process.wait(30)


def _token(process: "subprocess.Popen[bytes]", access: Path, log: Path) -> str:
    for _ in range(600):
        if access.exists():
            return str(json.loads(access.read_text())["token"])
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"the product did not start:\n{log.read_text()}")


def definition(port: Any, **check: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "process": "mail",
        "name": "Mail server greets",
        "inputs": {"port": {"type": "integer"}},
        "steps": [
            {
                "id": "greeting",
                "name": "Greeting",
                "check": {"type": "tcp_check", "host": "127.0.0.1", "port": port} | check,
                "assert": [{"regex": "^220 ", "exists": True}, {"jsonpath": "$.port", "eq": "${{ inputs.port }}"}],
                "capture": {"banner": {"jsonpath": "$.greeting"}},
            }
        ],
    }


@pytest.mark.req("FR-013")
@pytest.mark.req("NFR-016")
def test_a_process_with_the_plugins_kind_runs(product: httpx2.Client, greeter: int) -> None:
    """Saved, started, rendered (`port` from an input), checked by the crawler, with captures and evidence."""
    saved = product.post("/processes", json=definition("${{ inputs.port }}"))
    assert saved.status_code == 201, saved.text
    run_id = product.post("/runs", json={"process_id": "mail", "inputs": {"port": greeter}}).json()["run_id"]
    run = _ended(product, run_id)
    step = run["steps"][0]
    assert (run["status"], step["check_type"]) == ("success", "tcp_check"), step
    assert step["captures"] == {"banner": GREETING.decode()}
    assert step["target"] == f"127.0.0.1:{greeter}"
    piece = product.get(f"/runs/{run_id}/evidence/{step['evidence'][0]['evidence_id']}")
    assert piece.content == GREETING


def _ended(product: httpx2.Client, run_id: str) -> dict[str, Any]:
    for _ in range(200):
        run: dict[str, Any] = product.get(f"/runs/{run_id}").json()
        if run["status"] not in ("queued", "running"):
            return run
        time.sleep(0.1)
    raise AssertionError(run)


def test_mistakes_are_named_as_for_built_in_kinds(product: httpx2.Client) -> None:
    """Unknown keys with the nearest known one, wrong values, wrong subjects, unknown types with the nearest type."""

    def faults(document: dict[str, Any]) -> dict[str, str]:
        report = product.post("/processes/validate", json=document).json()
        return {fault["path"]: fault["message"] for fault in report["errors"]}

    assert faults(definition(25, prt=1)) == {"steps[0].check.prt": "unknown key; did you mean `port`?"}
    assert faults(definition(70000)) == {"steps[0].check.port": "must be at most 65535"}
    unknown = faults(definition(25, type="tcp_chek"))
    assert unknown == {"steps[0].check": "unknown check type tcp_chek; did you mean `tcp_check`?"}
    columns = definition(25)
    columns["steps"][0]["assert"] = [{"column": "x", "eq": 1}]
    assert "tcp_check has no `column`" in faults(columns)["steps[0].assert[0].column"]


def test_the_plan_names_the_host_without_touching_it(product: httpx2.Client) -> None:
    """Nothing listens on port 9 of that address, and nothing is asked."""
    plan = product.post("/processes/plan", json={"document": definition(9)}).json()
    assert [(item["kind"], item["target"], item["detail"]) for item in plan["items"]] == [
        ("host", "127.0.0.1:9", "TCP")
    ]


def test_the_editor_gets_its_form(product: httpx2.Client) -> None:
    """The JSON Schema of the process format knows the kind and describes its fields."""
    kinds = product.get("/schemas/process").json()["$defs"]
    assert kinds["TcpCheck"]["properties"]["host"]["description"] == "Name or address of the machine"
    assert kinds["TcpCheck"]["additionalProperties"] is False


def test_a_step_can_be_tried_and_the_egress_policy_holds(product: httpx2.Client, greeter: int) -> None:
    """Trying answers at once; another port of this machine is refused as for every other kind."""

    def tried(port: int) -> dict[str, Any]:
        body = {"definition": definition(port), "step_id": "greeting", "inputs": {"port": port}}
        answer: dict[str, Any] = product.post("/steps/try", json=body).json()
        return answer

    assert tried(greeter)["ok"] is True
    refused = tried(1)
    assert (refused["failure_class"], refused["ours"]) == ("blocked_by_policy", True)
