"""Rows to nouns and back."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from steptrail_common.contracts.model import FailureClass, RunStatus, StepStatus
from steptrail_common.contracts.orchestrator import Verdict

from steptrail_orchestrator.domain.run import AttemptEnd, AttemptState, RunState, StepState
from steptrail_orchestrator.domain.walk import Walk

Row = Any
Values = dict[str, Any]


def run_state(row: Row) -> RunState:
    return RunState(
        run_id=row.run_id,
        process_id=row.process_id,
        process_name=row.process_name,
        definition_id=row.definition_id,
        revision=row.revision,
        trigger=row.trigger,
        initiated_by=row.initiated_by,
        key=row.key,
        inputs=from_json(row.inputs),
        queued_at=row.queued_at,
        deadline_at=row.deadline_at,
        status=RunStatus(row.status),
        started_at=row.started_at,
        ended_at=row.ended_at,
        wake_at=row.wake_at,
        current_step=row.current_step,
        seq=row.seq,
        verdict=Verdict.model_validate_json(row.verdict) if row.verdict else None,
        failure_class=failure(row.failure_class),
        from_run=row.from_run,
        from_step=row.from_step,
        trace=row.trace,
    )


def run_values(run: RunState) -> Values:
    """Every column of a run."""
    return changing_run_values(run) | {
        "process_id": run.process_id,
        "process_name": clean(run.process_name),
        "definition_id": run.definition_id,
        "revision": run.revision,
        "trigger": run.trigger,
        "initiated_by": clean(run.initiated_by),
        "key": clean(run.key),
        "inputs": json_text(run.inputs),
        "queued_at": run.queued_at,
        "deadline_at": run.deadline_at,
        "from_run": run.from_run,
        "from_step": run.from_step,
        "trace": run.trace,
    }


def changing_run_values(run: RunState) -> Values:
    """The columns of a run that change while it is walked, and its id."""
    return {
        "run_id": run.run_id,
        "status": run.status.value,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "wake_at": run.wake_at,
        "current_step": run.current_step,
        "seq": run.seq,
        "verdict": run.verdict.model_dump_json() if run.verdict else None,
        "failure_class": run.failure_class,
    }


def step_state(row: Row) -> StepState:
    return StepState(
        step_id=row.step_id,
        number=row.number,
        status=StepStatus(row.status),
        attempt=row.attempt,
        base_attempt=row.base_attempt,
        started_at=row.started_at,
        ended_at=row.ended_at,
        next_attempt_at=row.next_attempt_at,
        waiting_until=row.waiting_until,
        since_at=row.since_at,
        due_at=row.due_at,
        failure_class=failure(row.failure_class),
        reason=row.reason,
        message=row.message,
        duration_seconds=row.duration_seconds,
        captures=from_json(row.captures) if row.captures else {},
        capture_types=from_json(row.capture_types) if row.capture_types else {},
        reused_from=row.reused_from,
    )


def step_values(run_id: str, state: StepState) -> Values:
    return {
        "run_id": run_id,
        "step_id": state.step_id,
        "number": state.number,
        "status": state.status.value,
        "attempt": state.attempt,
        "base_attempt": state.base_attempt,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "next_attempt_at": state.next_attempt_at,
        "waiting_until": state.waiting_until,
        "since_at": state.since_at,
        "due_at": state.due_at,
        "failure_class": state.failure_class,
        "reason": clean(state.reason),
        "message": clean(state.message),
        "duration_seconds": state.duration_seconds,
        "captures": json_text(state.captures) if state.captures else None,
        "capture_types": json_text(state.capture_types) if state.capture_types else None,
        "reused_from": state.reused_from,
    }


def attempt_state(row: Row) -> AttemptState:
    return AttemptState(
        run_id=row.run_id,
        step_id=row.step_id,
        attempt=row.attempt,
        token=row.token,
        dispatched_at=row.dispatched_at,
        started_at=row.started_at,
        lease_until=row.lease_until,
        published_at=row.published_at,
        publications=row.publications,
        worker_id=row.worker_id,
    )


def attempt_beside(row: Row) -> AttemptState:
    """The open attempt in the row of its run, whose columns begin with `open_`."""
    return AttemptState(
        run_id=row.run_id,
        step_id=row.open_step_id,
        attempt=row.open_attempt,
        token=row.open_token,
        dispatched_at=row.open_dispatched_at,
        started_at=row.open_started_at,
        lease_until=row.open_lease_until,
        published_at=row.open_published_at,
        publications=row.open_publications,
        worker_id=row.open_worker_id,
    )


def attempt_values(walk: Walk, attempt: AttemptState) -> Values:
    """A new attempt."""
    step = walk.chain.step(attempt.step_id)
    return {
        "run_id": attempt.run_id,
        "step_id": attempt.step_id,
        "attempt": attempt.attempt,
        "token": attempt.token,
        "status": "dispatched",
        "check_type": step.check.work,
        "timeout_seconds": walk.chain.timeout_seconds(step),
        "dispatched_at": attempt.dispatched_at,
        "published_at": attempt.published_at or attempt.dispatched_at,
        "publications": attempt.publications,
        "late": False,
    }


def end_values(end: AttemptEnd) -> Values:
    """How an attempt ended; the keys it is found by carry `b_`."""
    attempt, result = end.attempt, end.result
    return {
        "b_run_id": attempt.run_id,
        "b_step_id": attempt.step_id,
        "b_attempt": attempt.attempt,
        "b_token": attempt.token,
        "status": end.status,
        "started_at": attempt.started_at,
        "ended_at": end.ended_at,
        "worker_id": clean(attempt.worker_id),
        "failure_class": end.failure_class,
        "reason": clean(end.reason),
        "message": clean(end.message),
        "duration_seconds": result.duration_seconds if result else None,
        "result": result.model_dump_json(exclude={"token"}, exclude_none=True) if result else None,
    }


def evidence_values(end: AttemptEnd) -> list[Values]:
    """The pieces of evidence that came with an answer."""
    attempt = end.attempt
    return [
        {
            "run_id": attempt.run_id,
            "evidence_id": piece.evidence_id,
            "step_id": attempt.step_id,
            "attempt": attempt.attempt,
            "document": piece.model_dump_json(),
        }
        for piece in (end.result.evidence if end.result else ())
    ]


def as_stored(run: RunState) -> RunState:
    """The same values that reading the row of a new run would give."""
    return replace(
        run,
        process_name=clean(run.process_name) or "",
        initiated_by=clean(run.initiated_by) or "",
        key=clean(run.key),
        inputs=from_json(json_text(run.inputs)),
    )


def clean(text: str | None) -> str | None:
    """Text as PostgreSQL takes it: without the character NUL."""
    return text.replace("\x00", "�") if text and "\x00" in text else text


def json_text(value: Any) -> str:
    return to_json(value, inf_nan_mode="null").decode()


def columns(table: sa.Table, *without: str) -> list[str]:
    return [column.name for column in table.columns if column.name not in without]


def failure(text: str | None) -> FailureClass | None:
    return FailureClass(text) if text else None
