"""A running Steptrail as its users have it: an address, a sign-in, a token."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

FINAL = {"success", "warning", "not_yet", "stuck", "failed", "timeout", "error", "cancelled"}
PASSWORD = "a long password for tests"


@dataclass
class Product:
    """One installation. `urls` are its gateways (one embedded, two distributed); `processes` what can be killed."""

    topology: str
    urls: list[str]
    token: str
    folder: Path
    processes: dict[str, Any] = field(default_factory=dict)
    servers: dict[str, Any] = field(default_factory=dict)
    session: Any = None
    """What a browser of the administrator keeps, once one has signed in through the page."""

    @property
    def url(self) -> str:
        return self.urls[0]

    def client(self, *, gateway: int = 0, token: str | None = None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx2.Client(base_url=f"{self.urls[gateway]}/api/v1", headers=headers, timeout=30)

    def start(self, process: str, key: str | None = None, **inputs: Any) -> str:
        """Start a check; its run id."""
        given = ({"order_id": key} if key else {}) | inputs
        with self.client() as client:
            answer = client.post("/runs", json={"process_id": process, "inputs": given})
            assert answer.status_code == 202, answer.text
            assert answer.headers["location"].endswith(answer.json()["run_id"])
            return str(answer.json()["run_id"])

    def wait(self, run_id: str, seconds: float = 60) -> dict[str, Any]:
        """The run when it is final."""
        with self.client() as client:
            run = {}
            for _ in poll(seconds):
                run = client.get(f"/runs/{run_id}").json()
                if run["status"] in FINAL:
                    return run
        raise AssertionError(f"run {run_id} did not end within {seconds} s: {json.dumps(run)[:2000]}")

    def check(self, process: str, key: str | None = None, **inputs: Any) -> dict[str, Any]:
        return self.wait(self.start(process, key, **inputs))

    @contextmanager
    def stream(self, *, gateway: int = 0, last_event_id: str | None = None, **params: Any) -> Iterator[Iterator[Any]]:
        """The live stream as (id, event, data) tuples."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        with (
            self.client(gateway=gateway) as client,
            client.stream("GET", "/events", params=params, headers=headers) as answer,
        ):
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield messages(answer.iter_lines())


def messages(lines: Iterator[str]) -> Iterator[tuple[str, str, Any]]:
    """Parse a server-sent event stream."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line and name:
            fields[name] = value.strip()
        elif not line and fields.get("data"):
            yield fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"])
            fields = {}


def poll(seconds: float, every: float = 0.1) -> Iterator[None]:
    """Try again until the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(every)


def eventually(probe: Any, seconds: float = 15) -> Any:
    """The first true answer of `probe`. Fails when there is none in time."""
    answer = None
    for _ in poll(seconds):
        answer = probe()
        if answer:
            return answer
    raise AssertionError(f"not within {seconds} s; the last answer was {answer!r}")


def step(run: dict[str, Any], step_id: str) -> dict[str, Any]:
    return next(found for found in run["steps"] if found["step_id"] == step_id)


def statuses(run: dict[str, Any]) -> dict[str, str]:
    return {found["step_id"]: found["status"] for found in run["steps"]}
