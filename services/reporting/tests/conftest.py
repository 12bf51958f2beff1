"""Stores of both kinds, and histories of runs as the orchestrator would tell them."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_reporting.adapters.sql import SqlFactStore

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
STEP_OF = {"success": "success", "warning": "warning", "stuck": "overdue"}
"""How the last step of a told run ended, by the run's status; otherwise the same word."""
Story = Callable[..., list[RunEvent]]


def tell(
    run_id: str,
    *,
    process_id: str = "order-to-cash",
    status: str = "success",
    at: datetime = NOON,
    key: str | None = "4711",
    trigger: str = "manual",
    steps: Sequence[str] = ("page", "api"),
    step_seconds: float = 2.0,
    retries: int = 0,
    **more: Any,
) -> list[RunEvent]:
    """All events of one run, in order: every step passes except the last, which ends as the run does."""
    common = {"run_id": run_id, "process_id": process_id}
    planned = [
        {"step_id": step, "number": number, "name": step.title(), "check_type": "api_call"}
        for number, step in enumerate(steps, 1)
    ]
    facts: list[dict[str, Any]] = [
        {"type": "run.queued", "status": "queued", "process_name": "Order to cash", "revision": 3, "trigger": trigger,
         "initiated_by": "ada", "key": key, "queued_at": at, "steps": planned, "steps_planned": len(steps), **more},
        {"type": "run.started", "status": "running", "after": 0.5},
    ]  # fmt: skip
    for number, step in enumerate(steps, 1):
        last = number == len(steps)
        ended = STEP_OF.get(status, status) if last else "success"
        about = {"step_id": step, "step_number": number, "step_name": step.title(), "of_attempts": 3}
        for attempt in range(1, (retries if last else 0) + 1):
            facts.append({"type": "step.started", "status": "running", "attempt": attempt, **about})
            facts.append({"type": "step.retrying", "status": "retrying", "attempt": attempt, **about})
        attempt = (retries if last else 0) + 1
        facts.append({"type": "step.started", "status": "running", "attempt": attempt, **about})
        facts.append(
            {"type": "step.finished", "status": ended, "attempt": attempt, **about, "after": step_seconds,
             "duration_seconds": step_seconds, "queue_wait_seconds": 0.05,
             "failure_class": None if ended in ("success", "warning") else "assertion"}
        )  # fmt: skip
    facts.append({"type": "run.finished", "status": status, "verdict": f"{status} of {key}"})
    events, moment = [], at
    for seq, fact in enumerate(facts, 1):
        moment += timedelta(seconds=fact.pop("after", 0.0))
        events.append(RunEvent(seq=seq, at=moment, **common, **fact))
    took = (moment - at).total_seconds()
    return [*events[:-1], events[-1].model_copy(update={"duration_seconds": took})]


@pytest.fixture(scope="session")
def story() -> Story:
    return tell


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlFactStore]:
    """An empty store of each kind, its schema made by the migrations."""
    address = f"sqlite+aiosqlite:///{tmp_path}/reporting.db"
    if request.param == "postgresql":
        address = request.getfixturevalue("fresh_postgres")
    opened = SqlFactStore.open(address)
    await opened.start()
    yield opened
    await opened.close()
