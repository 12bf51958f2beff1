"""A secret that a check really used lies nowhere afterwards: no log, no file of the broker or the databases (I17)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Stage

CANARY = "canary-5e1ed-do-not-repeat"
CONNECTION = {
    "connection_id": "chaos-secret",
    "name": "Chaos with a secret",
    "secrets": {"token": CANARY},
}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


@pytest.mark.req("NFR-014")
def test_no_secret_lies_anywhere_after_it_was_used(stage: Stage) -> None:
    """Saved, sent to the target as a bearer token, and found in none of the bytes that all our servers keep."""
    settings = {"kind": "http", "base_url": stage.target.url, "auth": "bearer"}
    step = {
        "id": "s1",
        "name": "With a token",
        "check": {"type": "api_call", "connection": "chaos-secret", "path": "/s1/${{ inputs.order }}"},
        "assert": [{"jsonpath": "$.state", "eq": "OK"}],
    }
    process = {"version": 1, "process": "secret", "name": "Secret", "inputs": {"order": {"type": "string"}}}
    with stage.product.client() as client:
        made = client.post("/connections", json=CONNECTION | {"settings": settings})
        assert made.status_code == 201, made.text
        made = client.post("/processes", json=process | {"steps": [step]})
        assert made.status_code == 201, made.text
    run = stage.product.check("secret", order="canary-1")
    assert run["status"] == "success", run["verdict"]
    assert stage.target.tokens == {f"Bearer {CANARY}"}
    folders = [stage.product.folder, *(one.folder for one in stage.product.processes.values())]
    folders += [server.folder for name, server in stage.product.servers.items() if name != "network"]
    found = [path for folder in folders for path in _files(folder) if CANARY.encode() in path.read_bytes()]
    assert found == []
