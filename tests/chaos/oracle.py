"""What clients were told, and whether the system holds it: the invariants of the reliability promises by number.

Clients press Check with an idempotency key and try again until they are told a run id; listeners read the live stream
and come back where they were. Nothing here looks inside the product before everything is healed.
"""

import asyncio
import time
from collections import Counter, defaultdict
from typing import Any

import httpx2

from ..e2e.product import FINAL, Product, poll
from . import books
from .clients import PATIENCE_SECONDS, PROCESS, STEPS, Listener
from .household import Household
from .story import Story
from .target import Target

STREAM_SECONDS = 45.0
"""A gateway whose connection to the broker is stuck notices by the heartbeat: half a minute."""
_GOOD = frozenset({"passed"})


class Oracle:
    """Compares what was told with what is held, after everything is healed."""

    def __init__(self, product: Product, target: Target, listeners: list[Listener]) -> None:
        self._product, self._target, self._listeners = product, target, listeners
        self.household = Household(product, target)

    def begin(self) -> None:
        """A new round: a listener that was told to reload in an earlier one counts again."""
        self.household.begin()
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
        held = asyncio.run(books.held(books.orchestrator_store(self._product), list(story.accepted.values())))
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
        self.household.judge(story)
        asyncio.run(self.household.forget_dead_letters())

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
            for _ in poll(STREAM_SECONDS):
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


def _complete(listener: Listener, run_id: str, held: dict[str, Any]) -> bool:
    """In order, without holes. A stream begins somewhere: a run it saw from the middle may lack its beginning."""
    seen = [number for number, _ in listener.events[run_id]]
    wanted = [number for number, *_ in held["events"][run_id]]
    return seen == wanted
