"""Runs survive what happens to machines: every promise of the README's list, with real servers and real deaths."""

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..e2e.product import Product
from .clients import Clients
from .conftest import Stage
from .faults import FAULTS, Fault
from .story import Story

FULL = os.environ.get("STEPTRAIL_CHAOS") == "full"
ROUNDS = int(os.environ.get("STEPTRAIL_CHAOS_ROUNDS", "3" if FULL else "1"))
SEED = int(os.environ.get("STEPTRAIL_CHAOS_SEED", "0")) or random.randrange(1, 10**6)
"""Give the printed seed again to replay the same pauses and choices; the machine's own timing stays its own."""
RUNS = 24
QUICK_SECONDS, SLOW_SECONDS = 0.05, 1.0
"""How long the target takes to answer."""
PRESSING_SECONDS = 4.0
RUSH_SECONDS = 0.5
"""So that every worker has something under way when it is paused."""
CANARY = "canary-5e1ed-do-not-repeat"
CONNECTION = {
    "connection_id": "chaos-secret",
    "name": "Chaos with a secret",
    "secrets": {"token": CANARY},
}
CHOSEN = [fault for fault in FAULTS if FULL or fault.smoke]


@pytest.mark.req("NFR-006")
@pytest.mark.req("NFR-018")
@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
@pytest.mark.parametrize("fault", CHOSEN, ids=[fault.name.replace(" ", "-") for fault in CHOSEN])
def test_what_was_accepted_ends_once_and_is_told(stage: Stage, fault: Fault, number: int, record_property: Any) -> None:
    """While clients press Check, something dies: afterwards everything they were told is so, in runs, events, stream,
    history and notifications, each exactly once."""
    seed = SEED + number
    story, chance = Story(repairs_expected=fault.repairs), random.Random(f"{seed} {fault.name}")
    stage.oracle.begin()
    clients = Clients(stage.product, story, chance.randrange(10**9), prefix=f"{fault.name.replace(' ', '-')}-{number}-")
    stage.target.seconds = SLOW_SECONDS if fault.slow else QUICK_SECONDS
    clients.press(RUNS, over_seconds=RUSH_SECONDS if fault.slow else PRESSING_SECONDS)
    time.sleep(chance.uniform(1.0, 2.0))
    faults = fault.harm(stage.product, story, chance)
    healed = time.monotonic()
    clients.join()
    stage.oracle.wait(story)
    story.recovery_seconds = time.monotonic() - healed
    stage.oracle.judge(story, statuses=fault.ends)
    row = {
        "test": fault.name,
        "seed": seed,
        "runs": len(story.accepted),
        "faults": faults,
        "violations": len(story.violations),
        "asked_again": sum(story.again.values()),
        "duplicates": story.duplicates,
        "late": story.late,
        "recovery_seconds": round(story.recovery_seconds, 1),
    }
    record_property("chaos", json.dumps(row))
    kept = _kept_logs(stage.product) if story.violations else None
    assert story.violations == [], f"seed {seed}, logs in {kept}: " + "\n".join(story.violations[:20])
    assert len(story.accepted) == RUNS
    assert faults > 0, "nothing was harmed"
    if fault.late:
        assert story.late > 0, "a worker that came back late must have been refused"


def _kept_logs(product: Product) -> Path:
    """What the processes said, where it outlives them."""
    folder = Path(tempfile.mkdtemp(prefix="steptrail-chaos-"))
    for name, process in product.processes.items():
        shutil.copy(process.folder / "log", folder / f"{name}.log")
    return folder


@pytest.mark.req("NFR-014")
def test_no_secret_lies_anywhere_after_it_was_used(stage: Stage) -> None:
    """A secret that a check really used lies nowhere afterwards (I17): saved, sent to the target as a bearer token, and
    found in none of the bytes that all our servers keep, after everything that happened to them above."""
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


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
