"""What a result means for its step: success, another attempt, another look, or an end."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from steptrail_common.contracts.definition import Retry, Step
from steptrail_common.contracts.model import FailureClass, StepStatus
from steptrail_common.contracts.workers import StepResult

from steptrail_orchestrator.domain.run import StepState, later

JITTER = 0.2
"""Share of a retry delay that is drawn, so that many runs do not come back at the same moment."""
_ABSENT = {FailureClass.ASSERTION, FailureClass.NOT_FOUND, FailureClass.STALE}
_OURS = {FailureClass.WORKER_LOST, FailureClass.INTERNAL, FailureClass.INVALID_DEFINITION}
_GONE = {404, 410}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`next`: end with `status`, or come back at `at` (retry: trouble in checking; look: not there yet)."""

    next: Literal["end", "retry", "look"]
    status: StepStatus
    at: datetime | None = None


def judge(step: Step, retry: Retry, state: StepState, result: StepResult, now: datetime) -> Outcome:
    """Decide what follows from an answer. `state.waiting_until` and `state.due_at` are set when the step starts."""
    if result.ok:
        return Outcome("end", StepStatus.SUCCESS)
    if is_absent(result):
        if step.wait_until is not None and state.waiting_until is not None:
            look_at = later(now, step.wait_until.interval)
            if look_at <= state.waiting_until:
                return Outcome("look", StepStatus.WAITING, look_at)
        return Outcome("end", _lateness(step, state, now))
    failure = result.failure_class or FailureClass.INTERNAL
    elsewhere = failure is FailureClass.WORKER_LOST  # another worker may have what this one lacks
    if (elsewhere or failure in retry.on) and may_retry(retry, state):
        return Outcome("retry", StepStatus.RETRYING, later(now, delay_seconds(retry, state, result.run_id)))
    if failure is FailureClass.TIMEOUT and not result.ours:
        return Outcome("end", StepStatus.TIMEOUT)
    return Outcome("end", StepStatus.ERROR if result.ours or failure in _OURS else StepStatus.FAILED)


def is_absent(result: StepResult) -> bool:
    """Whether the check itself went well and the state it looks for is not there (an HTTP 404 or 410 counts)."""
    if result.ok or result.ours:
        return False
    if result.failure_class is FailureClass.HTTP_STATUS:
        seen = [outcome.actual for outcome in result.assertions if outcome.label == "status"]
        seen += [finding.value for finding in result.findings if finding.label == "HTTP status"]
        return any(value in _GONE for value in seen if isinstance(value, int))
    return result.failure_class in _ABSENT


def may_retry(retry: Retry, state: StepState) -> bool:
    """Whether the budget of attempts since the last clean look allows one more."""
    return state.attempt - state.base_attempt < retry.count + 1


def delay_seconds(retry: Retry, state: StepState, run_id: str) -> float:
    """How long to wait before the next attempt: fixed or doubling up to `max_interval`, less up to 20 % jitter.

    The jitter comes from the names of the attempt, so that the same decision always gives the same delay.
    """
    failures = max(1, state.attempt - state.base_attempt)
    delay: float = retry.interval
    if retry.backoff == "exponential":
        delay = min(retry.interval * 2.0 ** min(failures - 1, 30), max(retry.max_interval, retry.interval))
    digest = hashlib.sha256(f"{run_id}/{state.step_id}/{state.attempt}".encode()).digest()
    return delay * (1.0 - JITTER * int.from_bytes(digest[:4], "big") / 2**32)


def _lateness(step: Step, state: StepState, now: datetime) -> StepStatus:
    """A state that is not there: not yet while its allowance lasts, overdue after it, failed without one."""
    if step.expect_within is None or state.due_at is None:
        return StepStatus.FAILED
    return StepStatus.NOT_YET if now < state.due_at else StepStatus.OVERDUE
