"""The embedded product on its own machine: killed in mid-run, backed up, restored."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from .product import Product, eventually, statuses, step
from .topologies import embedded

PROCESS = "order-to-cash-demo"


def at_work(run: dict[str, Any]) -> bool:
    """Whether a worker has said that it is at the first step."""
    return any(attempt.get("worker_id") for attempt in step(run, "shop_page")["attempts"])


@pytest.mark.req("NFR-006")
def test_a_run_survives_the_death_of_the_whole_product(tmp_path: Path) -> None:
    """Killed while step 1 is at work; after the next start the run goes on and ends, every step once."""
    with embedded(tmp_path) as product:
        run_id = product.start(PROCESS, "4714")
        with product.client() as client:
            eventually(lambda: at_work(client.get(f"/runs/{run_id}").json()))
        product.processes["steptrail"].kill()
        product.processes["steptrail"].start()
        run = product.wait(run_id, 110)
        assert run["status"] == "success", run["verdict"]["text"]
        assert set(statuses(run).values()) == {"success"}
        assert step(run, "shop_page")["attempt"] >= 2, "the attempt that died was followed by another"


@pytest.mark.req("IR-7")
def test_a_backup_taken_while_it_runs_can_be_restored(tmp_path: Path) -> None:
    """The restored installation knows the run and its evidence, and opens the sealed secrets."""
    archive, restored = tmp_path / "backup.tar.gz", tmp_path / "restored"
    with embedded(tmp_path) as product:
        before = product.check(PROCESS, "4712")
        run_command("backup", str(archive), "--data", str(tmp_path / "data"))
    run_command("restore", str(archive), "--data", str(restored))
    with embedded(tmp_path, data=restored) as product:
        with product.client() as client:
            run = client.get(f"/runs/{before['run_id']}").json()
            evidence = step(run, "order_api")["evidence"][0]
            assert client.get(f"/runs/{run['run_id']}/evidence/{evidence['evidence_id']}").status_code == 200
        assert (run["status"], run["key"]) == ("success", "4712")
        assert product.check(PROCESS, "4712")["status"] == "success"


def test_a_data_folder_in_use_is_refused(tmp_path: Path) -> None:
    """A second server on the same folder says what to do, and touches nothing."""
    with embedded(tmp_path) as product:
        done = subprocess.run(
            [sys.executable, "-m", "steptrail_embedded", "up", "--port", "0", "--data", str(tmp_path / "data")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert "steptrail down" in done.stderr
        assert "Traceback" not in done.stderr
        assert product.check("shop-health-demo")["status"] == "success"


def test_the_sign_in_link_works_once(tmp_path: Path) -> None:
    """The link of the start signs in, and is then used up."""
    with embedded(tmp_path) as product:
        link = next(word for word in product.processes["steptrail"].log.split() if "#code=" in word)
        code = link.split("#code=")[1]
        with anonymous(product) as client:
            assert client.post("/session/link", json={"code": code}).status_code in (200, 201, 204)
            assert client.get("/me").json()["username"] == "admin"
        with anonymous(product) as client:
            assert client.post("/session/link", json={"code": code}).status_code == 401


def anonymous(product: Product) -> httpx2.Client:
    """A client without a token that keeps cookies, as a browser does."""
    headers = {"X-Steptrail-Request": "1", "Origin": product.url}
    return httpx2.Client(base_url=f"{product.url}/api/v1", headers=headers, timeout=30)


def run_command(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "steptrail_embedded", *arguments],
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, json.dumps([done.stdout, done.stderr])
