"""A run as clients see it, made from what is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from steptrail_common.contracts.checks import Check, DbQuery
from steptrail_common.contracts.definition import Step
from steptrail_common.contracts.model import StepStatus
from steptrail_common.contracts.orchestrator import AttemptView, RunSummary, RunView, StepView
from steptrail_common.contracts.workers import StepResult

from steptrail_orchestrator.domain.first_aid import first_aid
from steptrail_orchestrator.domain.prediction import Sample, Usual, usual
from steptrail_orchestrator.domain.run import AttemptEnd, AttemptState, Chain, RunState, StepState
from steptrail_orchestrator.domain.verdict import verdict


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt with its end, if it has one."""

    state: AttemptState
    status: str
    end: AttemptEnd | None
    duration_seconds: float | None
    late: bool


@dataclass(frozen=True, slots=True)
class Background:
    """What other runs say about this one: how long the last good ones took, newest first."""

    step_samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    run_samples: Sequence[Sample] = ()
    rechecked_by: Sequence[str] = ()
    last_good_run: str | None = None
    last_good_of: Literal["key", "process"] | None = None


def summary(run: RunState, chain: Chain | None, steps: Mapping[str, StepState], now: datetime) -> RunSummary:
    """One row of the list of runs. A finished run tells its stored sentence; an open one needs chain and steps."""
    said = run.verdict
    if said is None and chain is not None:
        said = verdict(chain, run, steps, now)
    if said is None:
        raise ValueError(f"the open run {run.run_id} came without its chain")
    return RunSummary(
        run_id=run.run_id,
        process_id=run.process_id,
        process_name=run.process_name,
        revision=run.revision,
        status=run.status,
        trigger=run.trigger,
        initiated_by=run.initiated_by,
        key=run.key,
        inputs=run.inputs,
        queued_at=run.queued_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        duration_seconds=(run.ended_at - run.started_at).total_seconds() if run.ended_at and run.started_at else None,
        current_step=run.current_step,
        verdict=said,
        failure_class=run.failure_class,
    )


def view(
    run: RunState,
    chain: Chain,
    steps: Mapping[str, StepState],
    tried: Sequence[Tried],
    background: Background,
    now: datetime,
) -> RunView:
    """A run with its whole planned chain."""
    states = [steps.get(step.id) or StepState(step.id, number) for number, step in enumerate(chain.steps, 1)]
    row = summary(run, chain, steps, now)
    expected = usual(background.run_samples, run.started_at or run.queued_at)
    return RunView(
        **{name: getattr(row, name) for name in RunSummary.model_fields},
        process_owner=chain.definition.owner,
        deadline_at=run.deadline_at,
        expected_duration_seconds=expected.seconds if expected else None,
        slow_after_seconds=expected.slow_after_seconds if expected else None,
        steps_done=sum(state.status.final and step.enabled for state, step in zip(states, chain.steps, strict=True)),
        steps_planned=chain.planned,
        from_run=run.from_run,
        from_step=run.from_step,
        rechecked_by=list(background.rechecked_by),
        last_good_run=background.last_good_run,
        last_good_of=background.last_good_of,
        last_seq=run.seq,
        steps=[
            _step_view(
                chain,
                step,
                state,
                [one for one in tried if one.state.step_id == step.id],
                usual(background.step_samples.get(step.id, ()), run.started_at or run.queued_at),
            )
            for step, state in zip(chain.steps, states, strict=True)
        ],
    )


def _step_view(chain: Chain, step: Step, state: StepState, tried: Sequence[Tried], expected: Usual | None) -> StepView:
    result = _telling_result(state, tried)
    taken = bool(tried) and tried[-1].end is None and tried[-1].state.lease_until is not None
    unheard = state.reason == "no_worker" and taken
    return StepView(
        step_id=step.id,
        number=state.number,
        name=step.name,
        description=step.description,
        check_type=step.check.type,
        target=result.target if result and result.target else planned_target(step.check),
        owner=step.owner or chain.definition.owner,
        runbook=step.runbook,
        always_run=step.always_run,
        status=state.status,
        reason=None if unheard else state.reason,
        failure_class=state.failure_class,
        message=None if unheard else state.message,
        first_aid=first_aid(state.status, state.failure_class, state.reason),
        attempt=state.attempt,
        of_attempts=max(state.attempt, state.base_attempt + chain.retry(step).count + 1),
        next_attempt_at=state.next_attempt_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
        duration_seconds=state.duration_seconds,
        expected_duration_seconds=expected.seconds if expected else None,
        slow_after_seconds=expected.slow_after_seconds if expected else None,
        timeout_seconds=chain.timeout_seconds(step),
        expect_within_seconds=step.expect_within,
        since_at=state.since_at,
        due_at=state.due_at,
        waiting_until=state.waiting_until,
        assertions=result.assertions if result else [],
        captures=state.captures,
        findings=result.findings if result else [],
        timings=result.timings if result else {},
        evidence=result.evidence if result else [],
        attempts=[_attempt_view(one) for one in tried],
    )


def _telling_result(state: StepState, tried: Sequence[Tried]) -> StepResult | None:
    """The newest result of the step; none while it has not been tried."""
    if state.status is StepStatus.PENDING:
        return None
    return next((one.end.result for one in reversed(tried) if one.end and one.end.result), None)


def _attempt_view(tried: Tried) -> AttemptView:
    end = tried.end
    return AttemptView.model_validate(
        {
            "attempt": tried.state.attempt,
            "status": tried.status,
            "dispatched_at": tried.state.dispatched_at,
            "started_at": tried.state.started_at,
            "ended_at": end.ended_at if end else None,
            "worker_id": tried.state.worker_id,
            "failure_class": end.failure_class if end else None,
            "reason": end.reason if end else None,
            "message": end.message if end else None,
            "duration_seconds": tried.duration_seconds,
            "evidence": end.result.evidence if end and end.result else [],
            "late": tried.late,
        }
    )


def planned_target(check: Check) -> str:
    """What a step will touch, as the definition says it."""
    where = check.connection_id
    if isinstance(check, DbQuery):
        line = check.statement
        return f"{where} · {line if len(line) <= 120 else line[:119] + '…'}"
    what = getattr(check, "url", None) or getattr(check, "path", None)
    if what is None and where is None:
        what = next((touch.target for touch in check.touches(None)), check.type)
    what = what or ""
    return f"{where} · {what}" if where else what
