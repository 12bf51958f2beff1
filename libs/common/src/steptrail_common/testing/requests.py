"""A step request as the orchestrator sends it."""

from datetime import UTC, datetime
from typing import Any

from steptrail_common.contracts.workers import StepRequest


def step_request(check: object, **more: Any) -> StepRequest:
    """The only attempt at the only step of a run, issued now; `more`: what is otherwise in the test at hand."""
    known = {
        "run_id": "run-1",
        "process_id": "p",
        "step_id": "s",
        "step_number": 1,
        "step_name": "S",
        "attempt": 1,
        "of_attempts": 1,
        "token": "t1",
        "check": check,
        "timeout_seconds": 5.0,
        "lease_seconds": 30.0,
        "heartbeat_seconds": 5.0,
        "issued_at": datetime.now(UTC),
        "idempotency_key": "run-1/s",
    }
    return StepRequest.model_validate({**known, **more})
