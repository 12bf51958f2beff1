"""The same run from a terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from .product import Product, eventually

PROCESS = "order-to-cash-demo"


def steptrail(product: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steptrail_embedded", *arguments]
    environment = os.environ | {"STEPTRAIL_URL": product.url, "STEPTRAIL_TOKEN": product.token}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.req("FR-006")
@pytest.mark.parametrize(
    ("order", "code", "words"), [("4711", 1, "stuck at 5"), ("4712", 0, "passed"), ("9999", 1, "404")]
)
def test_check_watches_and_ends_with_the_verdict(product: Product, order: str, code: int, words: str) -> None:
    """Exit 0 for success, 1 for failed or stuck; plain lines where there is no terminal."""
    done = steptrail(product, "check", PROCESS, "--input", f"order_id={order}", "--watch")
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout
    assert "Order is visible in the shop" in done.stdout


def test_check_writes_json_and_junit(product: Product, tmp_path: Path) -> None:
    """`--json` prints the run, `--junit` writes a report with the overdue step as failure."""
    report = tmp_path / "report.xml"
    done = steptrail(product, "check", PROCESS, "-i", "order_id=4711", "--json", "--junit", str(report))
    assert json.loads(done.stdout)["status"] == "stuck"
    suite = ElementTree.fromstring(report.read_bytes())
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("7", "1", "1")


def test_wrong_usage_exits_with_3(product: Product) -> None:
    """A missing input, an unknown process and an unknown option are usage errors that say what to do."""
    missing = steptrail(product, "check", PROCESS)
    assert missing.returncode == 3
    assert "order_id" in missing.stderr
    assert steptrail(product, "check", "no-such-process").returncode == 3
    assert steptrail(product, "check", "--no-such-option").returncode == 3
    assert "Traceback" not in missing.stderr


def test_definitions_travel_as_files(product: Product, tmp_path: Path) -> None:
    """`export` writes YAML that `validate` accepts, `plan` explains and `apply` finds unchanged."""
    assert steptrail(product, "export", str(tmp_path)).returncode == 0
    file = tmp_path / f"{PROCESS}.yaml"
    assert steptrail(product, "validate", str(file)).returncode == 0
    plan = steptrail(product, "plan", str(file), "--json")
    assert "select invoice_no" in plan.stdout
    assert "unchanged" in steptrail(product, "apply", str(file)).stdout


def test_a_broken_definition_names_line_path_and_nearest_key(product: Product, tmp_path: Path) -> None:
    """`asert` is not a key; `assert` is what was meant."""
    file = tmp_path / "broken.yaml"
    file.write_text(
        "version: 1\nprocess: broken\nname: Broken\nsteps:\n  - id: a\n    name: A\n"
        "    check: {type: web_crawl, url: 'http://example.com'}\n    asert: []\n"
    )
    done = steptrail(product, "validate", str(file))
    assert done.returncode == 3
    assert "steps[0].asert" in done.stdout
    assert "assert" in done.stdout.replace("asert", "")
    assert ":8:" in done.stdout


def test_brackets_in_what_is_listed_are_text(product: Product, tmp_path: Path) -> None:
    """A statement of SQL Server names columns in brackets; they are neither left out nor taken for colours."""
    file = tmp_path / "brackets.yaml"
    file.write_text(
        "version: 1\nprocess: brackets\nname: Brackets\nsteps:\n  - id: a\n    name: A\n"
        '    check: {type: db_query, connection: erp, query: "select [red], [/b] from t"}\n'
        "    assert: [{rows: {eq: 1}}]\n"
    )
    done = steptrail(product, "plan", str(file))
    assert (done.returncode, done.stderr) == (0, "warning: the connection erp is not known here\n")
    assert "[red], [/b]" in done.stdout


def test_runs_and_processes_are_listed(product: Product) -> None:
    """The lists print JSON for programs."""
    product.check("shop-health-demo")
    runs = json.loads(steptrail(product, "runs", "--process", "shop-health-demo", "--json").stdout)
    assert runs[0]["status"] == "success"
    names = [row["process_id"] for row in json.loads(steptrail(product, "processes", "--json").stdout)]
    assert PROCESS in names


def test_a_narrow_terminal_cuts_no_id_and_an_empty_list_says_so(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are there to be copied; a frame without rows would leave open whether something is missing."""
    monkeypatch.setenv("COLUMNS", "80")
    run = product.check("shop-health-demo")["run_id"]
    shown = steptrail(product, "runs", "--process", "shop-health-demo").stdout
    assert run in "".join(line.split()[-1] for line in shown.splitlines() if line.strip())
    assert PROCESS in steptrail(product, "processes").stdout.split()
    assert "No runs here" in steptrail(product, "runs", "--key", uuid4().hex).stdout


@pytest.mark.req("IR-8")
def test_an_incident_is_listed_and_taken_in_hand(product: Product, tmp_path: Path) -> None:
    """Those that are not over, of one process or all; each deed says how the incident stands then."""
    process = f"front-{uuid4().hex[:6]}"
    file = tmp_path / "front.yaml"
    file.write_text(
        f"version: 1\nprocess: {process}\nname: Front page {process}\nsteps:\n  - id: front\n    name: Front\n"
        "    check: {type: web_crawl, connection: demo-shop, path: /}\n    assert: [{status: {eq: 299}}]\n"
    )
    assert steptrail(product, "apply", str(file)).returncode == 0
    assert product.check(process)["status"] == "failed"
    (row,) = eventually(lambda: listed(product, "--process", process))
    incident, title = row["incident_id"], f"Front page {process}: step 1 “Front” failed"
    assert (row["state"], row["title"]) == ("open", title)
    shown = steptrail(product, "incidents", "--process", process)
    assert (shown.returncode, "what is wrong" in shown.stdout) == (0, True)
    assert incident in [one["incident_id"] for one in listed(product, "--limit", "200")]

    done = steptrail(product, "incidents", "acknowledge", incident, "--note", "asking the shop team")
    assert (done.returncode, done.stdout) == (0, f"acknowledged  {title}\n")
    (held,) = listed(product, "--process", process, "--state", "acknowledged")
    assert (held["note"], held["acknowledged_by"]) == ("asking the shop team", "admin")
    given = steptrail(product, "incidents", "unacknowledge", incident, "--json")
    assert json.loads(given.stdout)["state"] == "open"

    assert steptrail(product, "incidents", "resolve", incident).stdout == f"resolved  {title}\n"
    assert listed(product, "--process", process) == []
    assert [one["incident_id"] for one in listed(product, "--process", process, "--state", "resolved")] == [incident]


@pytest.mark.req("IR-8")
def test_an_incident_that_is_unknown_is_wrong_usage(product: Product) -> None:
    """Exit 3, with a sentence; a state that does not exist names those that do."""
    unknown = steptrail(product, "incidents", "acknowledge", "abc")
    assert (unknown.returncode, unknown.stdout, "Traceback" in unknown.stderr) == (3, "", False)
    assert unknown.stderr.strip()
    state = steptrail(product, "incidents", "--state", "over")
    assert state.returncode == 3
    assert "resolved" in state.stderr


def listed(product: Product, *filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(steptrail(product, "incidents", *filters, "--json").stdout)
    return found
