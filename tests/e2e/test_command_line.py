"""The same run from a terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .product import Product

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


def test_runs_and_processes_are_listed(product: Product) -> None:
    """The lists print JSON for programs."""
    product.check("shop-health-demo")
    runs = json.loads(steptrail(product, "runs", "--process", "shop-health-demo", "--json").stdout)
    assert runs[0]["status"] == "success"
    names = [row["process_id"] for row in json.loads(steptrail(product, "processes", "--json").stdout)]
    assert PROCESS in names
