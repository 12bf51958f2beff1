"""What clients were told, and whether the system holds it: the invariants of the reliability promises by number.

Clients press Check with an idempotency key and try again until they are told a run id; listeners read the live stream
and come back where they were. Nothing here looks inside the product before everything is healed.
"""

import asyncio
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx2

from ..e2e.product import FINAL, Product, messages, poll
from .target import Target

PROCESS = "chaos"
STEPS = 4
PATIENCE_SECONDS = 240
"""The longest deadline of a run (150 s), plus grace, plus what promise 2 allows (60 s)."""
CLIENT_PAUSE_SECONDS = 0.2
_GOOD = frozenset({"passed"})


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
        "inputs": {"order": {"type": "string"}},
        "defaults": {"retry": {"count": 8, "interval": "500ms", "on": ["network", "timeout", "worker_lost"]}},
        "steps": steps,
    }


@dataclass
class Story:
    """What one round of chaos did, and what became of it."""

    accepted: dict[str, str] = field(default_factory=dict)
    """Run id by idempotency key, as clients were told."""
    cancelled: dict[str, float] = field(default_factory=dict)
    """When a cancel was confirmed, by run id."""
    again: Counter[str] = field(default_factory=Counter)
    """How often a client had to ask again, by what it was told."""
    violations: list[str] = field(default_factory=list)
    duplicates: int = 0
    late: int = 0
    recovery_seconds: float = 0.0

    def wrong(self, invariant: str, what: str) -> None:
        self.violations.append(f"{invariant}: {what}")


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


class Oracle:
    """Compares what was told with what is held, after everything is healed."""

    def __init__(self, product: Product, target: Target, listeners: list[Listener]) -> None:
        self._product, self._target, self._listeners = product, target, listeners

    def begin(self) -> None:
        """A new round: a listener that was told to reload in an earlier one counts again."""
        for listener in self._listeners:
            listener.resets = 0

    def wait(self, story: Story) -> None:
        """I2: every accepted run ends, without a human."""
        began = time.monotonic()
        open_runs = set(story.accepted.values())
        for _ in poll(PATIENCE_SECONDS, every=0.25):
            open_runs = {run_id for run_id in open_runs if not self._over(run_id)}
            if not open_runs:
                break
        story.recovery_seconds = time.monotonic() - began
        for run_id in sorted(open_runs):
            story.wrong("I2", f"run {run_id} is still open")

    def _over(self, run_id: str) -> bool:
        try:
            with self._product.client() as client:
                answer = client.get(f"/runs/{run_id}", timeout=10)
        except httpx2.HTTPError:
            return False
        return answer.status_code == 200 and answer.json()["status"] in FINAL

    def judge(self, story: Story, *, statuses: frozenset[str] = frozenset({"success"})) -> None:
        """Every invariant that can be seen from outside or in the tables. `statuses`: how runs may have ended."""
        held = asyncio.run(self._held(list(story.accepted.values())))
        by_order = {run["inputs"]["order"]: run_id for run_id, run in held["runs"].items()}
        for order, run_id in story.accepted.items():
            if run_id not in held["runs"]:
                story.wrong("I1", f"run {run_id} was accepted and is not there")
            elif by_order.get(order) != run_id:
                story.wrong("I19", f"the key {order} made more than one run")
        for run_id, run in held["runs"].items():
            self._judge_run(story, run_id, run, held, statuses)
        if held["orders"] != len(held["runs"]):
            story.wrong("I19", f"{held['orders']} runs exist for {len(held['runs'])} keys")
        if held["outbox"]:
            story.wrong("I7", f"{held['outbox']} messages were never published")
        story.late = held["late"]
        self._judge_listeners(story, held)
        self._judge_reports(story, held)
        self._judge_notifications(story, held)

    def _judge_run(
        self, story: Story, run_id: str, run: dict[str, Any], held: dict[str, Any], statuses: frozenset[str]
    ) -> None:
        if run["status"] not in statuses:
            story.wrong("I2", f"run {run_id} ended {run['status']}: {run['verdict']}")
        numbers = [seq for seq, _, _, _ in held["events"][run_id]]
        if numbers != list(range(1, len(numbers) + 1)):
            story.wrong("I6", f"the events of run {run_id} are numbered {numbers}")
        endings = [status for _, kind, _, status in held["events"][run_id] if kind == "run.finished"]
        if endings != [run["status"]]:
            story.wrong("I5", f"run {run_id} ended {endings}, and is {run['status']}")
        finished = Counter(step for _, kind, step, _ in held["events"][run_id] if kind == "step.finished")
        if doubled := [step for step, count in finished.items() if count > 1]:
            story.wrong("I3", f"steps {doubled} of run {run_id} ended more than once")
        for step in range(1, STEPS + 1):
            self._judge_step(story, run_id, f"s{step}", run, held)

    def _judge_step(self, story: Story, run_id: str, step: str, run: dict[str, Any], held: dict[str, Any]) -> None:
        attempts = held["attempts"].get((run_id, step), [])
        order = run["inputs"]["order"]
        hits = self._target.hits[order, step]
        if [number for number, _, _ in attempts] != list(range(1, len(attempts) + 1)):
            story.wrong("I4", f"attempts of {step} of run {run_id}: {[number for number, _, _ in attempts]}")
        accepted = [number for number, status, _ in attempts if status in _GOOD]
        if len(accepted) > 1:
            story.wrong("I3", f"{step} of run {run_id} was accepted {len(accepted)} times")
        if run["status"] == "success" and (len(accepted) != 1 or not hits):
            story.wrong("I9", f"{step} of run {run_id} is good, accepted {len(accepted)} times, asked {hits} times")
        story.duplicates += max(hits - 1, 0)
        if run_id in story.cancelled and self._target.last_hit.get(order, 0) > story.cancelled[run_id] + 10:
            story.wrong("I15", f"run {run_id} went on after it was cancelled")

    def _judge_listeners(self, story: Story, held: dict[str, Any]) -> None:
        """I12, once each listener had a moment to be told the rest."""
        for gateway, listener in enumerate(self._listeners):
            for _ in poll(20):
                missing = [run_id for run_id in held["runs"] if not _complete(listener, run_id, held)]
                if not missing or listener.resets:
                    break
            if listener.resets:
                continue  # it was told to reload: what it shows then is what I6 has judged
            for run_id in missing:
                seen = [number for number, _ in listener.events[run_id]]
                story.wrong("I12", f"the stream of gateway {gateway + 1} showed {seen} of run {run_id}")

    def _judge_reports(self, story: Story, held: dict[str, Any]) -> None:
        """I11: the history says what the runs say, each once."""
        history: dict[str, list[str]] = {}
        for _ in poll(30, every=0.5):
            history = self._history()
            if all(history.get(run_id) == [run["status"]] for run_id, run in held["runs"].items()):
                return
        for run_id, run in held["runs"].items():
            if history.get(run_id) != [run["status"]]:
                story.wrong("I11", f"history has run {run_id} as {history.get(run_id)}, it is {run['status']}")

    def _history(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        cursor: str | None = None
        with self._product.client() as client:
            while True:
                params: dict[str, str] = {"process_id": PROCESS, "limit": "200"}
                params |= {"cursor": cursor} if cursor else {}
                page = client.get("/reports/runs", params=params).json()
                for item in page["items"]:
                    found[item["run_id"]].append(item["status"])
                cursor = page.get("next_cursor")
                if not cursor:
                    return found

    def _judge_notifications(self, story: Story, held: dict[str, Any]) -> None:
        """I10: every end was told at least once, and only runs that ended."""
        untold: list[str] = []
        for _ in poll(60, every=0.5):
            untold = [run_id for run_id in held["runs"] if not self._target.told[run_id]]
            if not untold:
                break
        for run_id in untold:
            story.wrong("I10", f"nobody was told of the end of run {run_id}")

    async def _held(self, run_ids: list[str]) -> dict[str, Any]:
        """The tables of the orchestrator, as they are when the outbox has drained."""
        url = _orchestrator_store(self._product)
        connection = await asyncpg.connect(url)
        try:
            outbox = 1
            for _ in range(300):
                outbox = await connection.fetchval("select count(*) from outbox")
                if not outbox:
                    break
                await asyncio.sleep(0.1)
            runs = await connection.fetch(
                "select run_id, status, inputs, verdict from runs where run_id = any($1::text[])", run_ids
            )
            events = await connection.fetch(
                "select run_id, seq, document from events where run_id = any($1::text[]) order by run_id, seq", run_ids
            )
            attempts = await connection.fetch(
                "select run_id, step_id, attempt, status, late from attempts where run_id = any($1::text[]) "
                "order by run_id, step_id, attempt",
                run_ids,
            )
            keys = [json.loads(row["inputs"])["order"] for row in runs]
            orders = await connection.fetchval(
                "select count(*) from runs where (inputs::json ->> 'order') = any($1::text[])", keys
            )
            late = await connection.fetchval(
                "select count(*) from late_results where run_id = any($1::text[])", run_ids
            )
        finally:
            await connection.close()
        by_run: dict[str, list[tuple[int, str, str | None, str]]] = defaultdict(list)
        for row in events:
            document = json.loads(row["document"])
            by_run[row["run_id"]].append((row["seq"], document["type"], document.get("step_id"), document["status"]))
        by_step: dict[tuple[str, str], list[tuple[int, str, bool]]] = defaultdict(list)
        for row in attempts:
            by_step[row["run_id"], row["step_id"]].append((row["attempt"], row["status"], row["late"]))
        return {
            "runs": {
                row["run_id"]: {
                    "status": row["status"],
                    "inputs": json.loads(row["inputs"]),
                    "verdict": row["verdict"],
                }
                for row in runs
            },
            "events": by_run,
            "attempts": by_step,
            "outbox": outbox,
            "orders": orders,
            "late": late,
        }


def _complete(listener: Listener, run_id: str, held: dict[str, Any]) -> bool:
    """In order, without holes. A stream begins somewhere: a run it saw from the middle may lack its beginning."""
    seen = [number for number, _ in listener.events[run_id]]
    wanted = [number for number, *_ in held["events"][run_id]]
    return seen == wanted


def _orchestrator_store(product: Product) -> str:
    url = str(product.servers["postgres"].url)
    return url.replace("+asyncpg", "").rsplit("/", 1)[0] + "/steptrail_orchestrator"
