"""Runs from the API to their end, on both databases, with a worker at the message contract."""

from typing import Any

import pytest


@pytest.mark.req("FR-008")
async def test_a_run_walks_its_steps_in_order_to_success(bench: Any) -> None:
    """Each step is dispatched after the one before has passed; the log is numbered without gaps."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"}, {"id": "three"})
    view = await here.ended(await here.start_run())
    assert view["status"] == "success"
    assert [request.step_id for request in here.worker.requests] == ["one", "two", "three"]
    assert view["verdict"]["text"].startswith("All 3 steps passed in ")
    events = await here.events(view["run_id"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events] == [
        "run.queued",
        "run.started",
        *(["step.started", "step.finished"] * 3),
        "run.finished",
    ]
