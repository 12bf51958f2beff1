"""The embedded product on SQLite, killed again and again while people press Check."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from ..e2e.topologies import embedded
from .clients import Clients, Listener
from .conftest import SETTINGS, prepare
from .oracle import Oracle
from .story import Story
from .target import target
from .test_chaos import FULL, SEED

KILLS = 12
KILLING_SECONDS = 75.0
"""On a busy machine, where every start takes long, it is killed less often: half of the time that a run may take."""
RUNS = 48
PRESSING_SECONDS = 24.0
SOONEST_SECONDS, LATEST_SECONDS = 0.5, 3.0
IN_ITS_START = 0.3
"""So many of the kills hit a product that is still starting."""


@pytest.mark.skipif(not FULL, reason="only in `make chaos`: once is tested by test_embedded_restart.py")
@pytest.mark.timeout(600)
@pytest.mark.req("NFR-006")
def test_the_embedded_product_is_killed_every_few_seconds(tmp_path: Path, record_property: Any) -> None:
    """Half a second to three seconds after it is ready, or in its start: whatever was accepted ends, once, and was told
    to history, stream and webhooks. The one file of each store is all that survives, so requests are sent again."""
    chance = random.Random(f"{SEED} embedded")
    with target() as aim, embedded(tmp_path, exceptions=[aim.address], settings=SETTINGS) as product:
        with product.client() as client:  # the start makes a new token of its own, which a kill can prevent
            product.token = client.post("/tokens", json={"name": "chaos", "role": "admin"}).json()["token"]
        prepare(product, aim)
        listeners = [Listener(product, 0)]
        oracle, story, process = (
            Oracle(product, aim, listeners),
            Story(repairs_expected=True),
            product.processes["steptrail"],
        )
        oracle.household.settle()
        oracle.begin()
        clients = Clients(product, story, chance.randrange(10**9), prefix="embedded-")
        clients.press(RUNS, over_seconds=PRESSING_SECONDS)
        kills, enough = 0, time.monotonic() + KILLING_SECONDS
        while kills < KILLS and time.monotonic() < enough:
            kills += 1
            if chance.random() < IN_ITS_START:
                process.kill()
                process.launch()
            time.sleep(chance.uniform(SOONEST_SECONDS, LATEST_SECONDS))
            process.kill()
            process.start()
        healed = time.monotonic()
        clients.join()
        oracle.wait(story)
        story.recovery_seconds = time.monotonic() - healed
        oracle.judge(story)
        for listener in listeners:
            listener.stop()
    row = {
        "test": "embedded product killed every few seconds",
        "seed": SEED,
        "runs": len(story.accepted),
        "faults": kills,
        "violations": len(story.violations),
        "asked_again": sum(story.again.values()),
        "duplicates": story.duplicates,
        "late": story.late,
        "recovery_seconds": round(story.recovery_seconds, 1),
    }
    record_property("chaos", json.dumps(row))
    assert story.violations == [], f"seed {SEED}: " + "\n".join(story.violations[:20])
    assert len(story.accepted) == RUNS
    assert story.again, "nobody noticed that the product was killed"
