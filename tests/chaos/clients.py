"""Who presses Check, with a key until a run id was told, and browsers that watch the live stream."""

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import httpx2

from ..e2e.product import Product, messages
from .story import Story
from .target import Target

PROCESS = "chaos"
STEPS = 4
AT_ONCE = 12
"""Steps of the process under way at once, over all its runs."""
PATIENCE_SECONDS = 240
"""The longest deadline of a run (150 s), plus grace, plus what promise 2 allows (60 s)."""
CLIENT_PAUSE_SECONDS = 0.2


def definition(target: Target) -> dict[str, Any]:
    """Steps in a row, each one request; trouble in checking is repeated."""
    steps = [
        {
            "id": f"s{number}",
            "name": f"Step {number}",
            "check": {"type": "api_call", "url": f"{target.url}/s{number}/${{{{ inputs.order }}}}"},
            "assert": [{"jsonpath": "$.state", "eq": "OK"}],
            "timeout": "5s",
        }
        for number in range(1, STEPS + 1)
    ]
    return {
        "version": 1,
        "process": PROCESS,
        "name": "Chaos",
        "timeout": "150s",
        "concurrency": AT_ONCE,
        "inputs": {"order": {"type": "string"}},
        "defaults": {"retry": {"count": 8, "interval": "500ms", "on": ["network", "timeout", "worker_lost"]}},
        "steps": steps,
    }


class Clients:
    """People and programs that press Check, at any gateway, until they are told that it is accepted."""

    def __init__(self, product: Product, story: Story, seed: int, *, prefix: str) -> None:
        self._product, self._story = product, story
        self._random = random.Random(seed)
        self._prefix = prefix
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def press(self, count: int, *, over_seconds: float) -> None:
        """`count` checks by four clients, spread over the time. Returns at once."""
        orders = [f"{self._prefix}{number}" for number in range(count)]
        pauses = [self._random.uniform(0, 2 * over_seconds * 4 / count) for _ in orders]
        for client in range(4):
            mine = list(zip(orders[client::4], pauses[client::4], strict=True))
            thread = threading.Thread(target=self._work, args=(mine, self._random.randrange(10**6)), daemon=True)
            thread.start()
            self._threads.append(thread)

    def join(self) -> None:
        """Until every client was told a run id. Fails when one was not within the patience."""
        end = time.monotonic() + PATIENCE_SECONDS
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0))
            if thread.is_alive():
                self._story.wrong("I1", "a client was not told within its patience that its check is accepted")
        self._threads.clear()

    def _work(self, orders: Iterable[tuple[str, float]], seed: int) -> None:
        chance = random.Random(seed)
        for order, pause in orders:
            time.sleep(pause)
            run_id = self._until_accepted(order, chance)
            with self._lock:
                self._story.accepted[order] = run_id

    def _until_accepted(self, order: str, chance: random.Random) -> str:
        body = {"process_id": PROCESS, "inputs": {"order": order}}
        while True:
            gateway = chance.randrange(len(self._product.urls))
            try:
                with self._product.client(gateway=gateway) as client:
                    answer = client.post("/runs", json=body, headers={"Idempotency-Key": order}, timeout=5)
                if answer.status_code == 202:
                    return str(answer.json()["run_id"])
                told = str(answer.status_code)
            except httpx2.HTTPError as error:
                told = type(error).__name__
            with self._lock:
                self._story.again[told] += 1
            time.sleep(CLIENT_PAUSE_SECONDS)


class Listener:
    """One browser on the live stream of one gateway: comes back with the last id it saw."""

    def __init__(self, product: Product, gateway: int) -> None:
        self._product, self._gateway = product, gateway
        self.events: dict[str, list[tuple[int, str]]] = defaultdict(list)
        """(number, type) by run, as they came."""
        self.resets = 0
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._ready.wait(30)

    def stop(self) -> None:
        self._stop.set()

    def _listen(self) -> None:
        last: str | None = None
        while not self._stop.is_set():
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
            try:
                with (
                    self._product.client(gateway=self._gateway) as client,
                    client.stream("GET", "/events", headers=headers, timeout=40) as answer,
                ):
                    if answer.status_code != 200:
                        time.sleep(CLIENT_PAUSE_SECONDS)
                        continue
                    self._ready.set()
                    for event_id, kind, data in messages(answer.iter_lines()):
                        last = event_id or last
                        self._take(kind, data)
                        if self._stop.is_set():
                            return
            except (httpx2.HTTPError, json.JSONDecodeError):
                time.sleep(CLIENT_PAUSE_SECONDS)

    def _take(self, kind: str, data: Any) -> None:
        if kind == "reset":
            self.resets += 1  # told to read everything again: what came before does not count
            self.events.clear()
        elif isinstance(data, dict) and "seq" in data:
            seen = self.events[data["run_id"]]
            if data["seq"] not in [number for number, _ in seen]:  # a stream that begins again overlaps a little
                seen.append((data["seq"], data["type"]))
