"""One run being walked: the only place where a run changes state. Pure: it collects what is to be written and sent.

A decision (`decisions.py`) calls these moves; the store writes the collected effects in one transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steptrail_common.contracts.definition import Step
from steptrail_common.contracts.model import FailureClass, RunStatus, StepStatus
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.contracts.workers import StepRequest, StepResult

from steptrail_orchestrator.domain.ends import TOLD_BY_STEPS, step_end
from steptrail_orchestrator.domain.expressions import ExpressionError, Scope, StepNotRun, condition
from steptrail_orchestrator.domain.rendering import render_assertions, render_captures, render_check, render_since
from steptrail_orchestrator.domain.run import AttemptEnd, AttemptState, Chain, Limits, RunState, StepState, later
from steptrail_orchestrator.domain.scope import scope_of
from steptrail_orchestrator.domain.turns import WAITS, Turns, in_words, limits_of
from steptrail_orchestrator.domain.verdict import RUN_STATUS, deciding_step, telling_step, verdict

_STOPPING = {
    StepStatus.FAILED: "step {} failed",
    StepStatus.TIMEOUT: "step {} timed out",
    StepStatus.ERROR: "step {} could not be checked",
    StepStatus.OVERDUE: "step {} is overdue",
    StepStatus.NOT_YET: "step {} is not there yet",
}
_WARNED = {StepStatus.FAILED, StepStatus.TIMEOUT, StepStatus.ERROR, StepStatus.OVERDUE}


@dataclass(frozen=True, slots=True)
class LateResult:
    """An answer that changed nothing. `known`: its token is that of an attempt that was given up."""

    result: StepResult
    why: str


class Walk:
    """A run with its steps, its open attempt, and what a decision does to them."""

    def __init__(
        self,
        chain: Chain,
        run: RunState,
        steps: Mapping[str, StepState],
        attempt: AttemptState | None,
        *,
        limits: Limits,
        new_token: Callable[[], str],
        listened: frozenset[str] = frozenset(),
    ) -> None:
        """`listened`: check types with a live worker at the last look; who looks wakes the run when there is none."""
        self.chain = chain
        self.run = run
        self.steps = {
            step.id: steps.get(step.id) or StepState(step.id, number) for number, step in enumerate(chain.steps, 1)
        }
        self.attempt = attempt
        self.limits = limits
        self.listened = listened
        self._new_token = new_token
        self.turns: Turns | None = None
        """Given when a step of the chain stands under a limit."""
        self.events: list[RunEvent] = []
        self.changed: dict[str, StepState] = {}
        self.opened: list[AttemptState] = []
        self.ended: list[AttemptEnd] = []
        self.resent: list[AttemptState] = []
        self.requests: list[StepRequest] = []
        self.late: list[LateResult] = []
        self.repaired = 0
        self._was = (run.wake_at, run.seq)

    # --- looking ---------------------------------------------------------------------------------------------------

    @property
    def moved(self) -> bool:
        """Whether the run itself has to be written."""
        return (self.run.wake_at, self.run.seq) != self._was

    @property
    def open_step(self) -> StepState | None:
        """The step under way: at most one, because steps are strictly sequential."""
        return next((s for s in self.steps.values() if s.status.final is False and s.status is not _PENDING), None)

    def of_attempts(self, state: StepState) -> int:
        """Attempts there may be in all, as known now: each clean look of `wait_until` gives the budget anew."""
        return state.base_attempt + self.chain.retry(self.chain.step(state.step_id)).count + 1

    def stop_reason(self) -> str | None:
        """Why later steps do not run: the first step that stopped the chain."""
        for step in self.chain.steps:
            state = self.steps[step.id]
            if step.on_failure == "stop" and state.status in _STOPPING and not state.reused_from:
                return _STOPPING[state.status].format(state.number)
        return None

    # --- moving ----------------------------------------------------------------------------------------------------

    def proceed(self, now: datetime) -> None:
        """Go on to the next step that can start; skip what must be skipped; end the run after the last one."""
        for step in self.chain.steps:
            state = self.steps[step.id]
            if state.status is not _PENDING:
                continue
            if not self._passed_over(step, state, now):
                self.dispatch(step, state, now)
                if not state.status.final:
                    return
        self.finish(now)

    def dispatch(self, step: Step, state: StepState, now: datetime) -> None:
        """Start the next attempt, or wait for a place. A step whose values cannot be computed ends here, untried."""
        try:
            if state.since_at is None and step.expect_within is not None:
                state.since_at = render_since(step, self._scope(), self.run.started_at or now)
                state.due_at = later(state.since_at, step.expect_within)
            attempt = self._new_attempt(state, now)
            request = self.request(step, state, attempt)
        except StepNotRun as gap:
            self._end_unstarted(state, now, StepStatus.SKIPPED, f"it needs {self._named(gap.step_id)}")
            return
        except ExpressionError as error:
            self._end_unstarted(state, now, StepStatus.ERROR, "expression_error", str(error))
            return
        limits = limits_of(self.chain, step)
        full = self.turns.take(self.run, limits) if self.turns is not None else None
        if full is not None:
            self._wait_for_place(step, state, in_words(full, limits[full]), now)
            return
        state.attempt = attempt.attempt
        state.status = StepStatus.RUNNING
        if state.started_at is None or (state.reason == WAITS and attempt.attempt == 1):
            state.started_at = now
        state.next_attempt_at = None
        state.reason = state.message = state.failure_class = None
        self.attempt = attempt
        self.opened.append(attempt)
        self.requests.append(request)
        self.run.current_step = step.id
        self.emit("step.started", now, state)

    def request(self, step: Step, state: StepState, attempt: AttemptState) -> StepRequest:
        """The message to a worker for this attempt; the same state always gives the same message."""
        check, assertions, captures = step.check, step.assertions, step.capture
        if not self.chain.is_static(step):
            scope = self._scope()
            check = render_check(check, scope, self.chain.texts(step))
            assertions, captures = render_assertions(assertions, scope), render_captures(captures, scope)
        return StepRequest(
            run_id=self.run.run_id,
            process_id=self.run.process_id,
            step_id=step.id,
            step_number=state.number,
            step_name=step.name,
            attempt=attempt.attempt,
            of_attempts=self.of_attempts(state),
            token=attempt.token,
            check=check,
            connection=self.chain.connection(step),
            assertions=assertions,
            captures=captures,
            share=step.share,
            timeout_seconds=self.chain.timeout_seconds(step),
            lease_seconds=self.limits.lease_seconds,
            heartbeat_seconds=self.limits.heartbeat_seconds,
            issued_at=attempt.dispatched_at,
            idempotency_key=f"{self.run.run_id}-{step.id}",
        )

    def end_attempt(self, status: str, now: datetime, result: StepResult | None = None, **why: Any) -> None:
        """Close the open attempt; no result can reach it any more."""
        if self.turns is not None:
            self.turns.give_back(self.run.run_id)
        if self.attempt is not None:
            self.ended.append(AttemptEnd(self.attempt, status, now, result=result, **why))
            self.attempt = None

    def end_step(
        self,
        state: StepState,
        status: StepStatus,
        now: datetime,
        *,
        failure_class: FailureClass | None = None,
        reason: str | None = None,
        message: str | None = None,
        duration_seconds: float | None = None,
        queue_wait_seconds: float | None = None,
    ) -> None:
        """Give a step its final status; `on_failure: warn` makes a warning of a failure."""
        if self.chain.step(state.step_id).on_failure == "warn" and status in _WARNED:
            status = StepStatus.WARNING
        state.status, state.ended_at, state.next_attempt_at = status, now, None
        state.failure_class, state.reason, state.message = failure_class, reason, message
        state.duration_seconds = duration_seconds
        self.emit("step.finished", now, state, queue_wait_seconds=queue_wait_seconds)

    def finish(self, now: datetime, status: RunStatus | None = None) -> None:
        """End the run; its status is that of its worst step unless given."""
        if self.turns is not None:
            self.turns.give_back(self.run.run_id)
        worst = deciding_step(self.steps)
        run = self.run
        run.status = status or (RUN_STATUS[worst.status] if worst else RunStatus.SUCCESS)
        step = telling_step(run, self.steps)
        run.ended_at, run.wake_at, run.current_step = now, None, step.step_id if step else None
        run.failure_class = step.failure_class if step else None
        run.verdict = verdict(self.chain, run, self.steps, now)
        self._emit_finished(now, step)

    def emit(self, kind: Any, now: datetime, state: StepState, **more: Any) -> None:
        """Number and keep an event of a step, which thereby counts as changed."""
        self.changed[state.step_id] = state
        step = self.chain.step(state.step_id)
        self.run.seq += 1
        self.events.append(
            RunEvent(
                run_id=self.run.run_id,
                process_id=self.run.process_id,
                seq=self.run.seq,
                at=now,
                type=kind,
                status=state.status.value,
                trigger=self.run.trigger,
                key=self.run.key,
                started_at=state.started_at,
                duration_seconds=state.duration_seconds,
                step_id=state.step_id,
                step_number=state.number,
                step_name=step.name,
                check_type=step.check.type,
                owner=step.owner or self.chain.definition.owner,
                attempt=state.attempt,
                of_attempts=self.of_attempts(state),
                next_attempt_at=state.next_attempt_at,
                waiting_until=state.waiting_until,
                due_at=state.due_at,
                failure_class=state.failure_class,
                reason=state.reason,
                message=state.message,
                **more,
            )
        )

    def emit_run(self, kind: Any, now: datetime, **more: Any) -> None:
        """Number and keep an event of the run itself."""
        run = self.run
        run.seq += 1
        self.events.append(
            RunEvent(
                run_id=run.run_id,
                process_id=run.process_id,
                seq=run.seq,
                at=now,
                type=kind,
                status=run.status.value,
                process_name=run.process_name,
                revision=run.revision,
                trigger=run.trigger,
                initiated_by=run.initiated_by,
                key=run.key,
                inputs=run.inputs,
                queued_at=run.queued_at,
                started_at=run.started_at,
                steps_planned=self.chain.planned,
                from_run=run.from_run,
                **more,
            )
        )

    # --- inside ----------------------------------------------------------------------------------------------------

    def _passed_over(self, step: Step, state: StepState, now: datetime) -> bool:
        """Whether the step ends without being tried: disabled, stopped, its condition false or not computable."""
        stopped = self.stop_reason()
        if not step.enabled:
            self._end_unstarted(state, now, StepStatus.SKIPPED, "disabled")
        elif stopped and not step.always_run:
            self._end_unstarted(state, now, StepStatus.SKIPPED, stopped)
        elif step.condition is not None:
            try:
                if condition(step.condition, self._scope()):
                    return False
                self._end_unstarted(state, now, StepStatus.SKIPPED, f"not needed: {step.condition} is false")
            except StepNotRun as gap:
                self._end_unstarted(state, now, StepStatus.SKIPPED, f"its condition needs {self._named(gap.step_id)}")
            except ExpressionError as error:
                self._end_unstarted(state, now, StepStatus.ERROR, "expression_error", str(error))
        else:
            return False
        return True

    def _end_unstarted(
        self, state: StepState, now: datetime, status: StepStatus, reason: str, message: str | None = None
    ) -> None:
        failure = FailureClass.INVALID_DEFINITION if status is StepStatus.ERROR else None
        self.end_step(state, status, now, failure_class=failure, reason=reason, message=message)

    def _wait_for_place(self, step: Step, state: StepState, message: str, now: datetime) -> None:
        """Told once; the run is woken when a place is free."""
        if state.reason == WAITS:
            return
        state.status, state.started_at, state.next_attempt_at = StepStatus.RUNNING, state.started_at or now, now
        state.failure_class, state.reason, state.message = None, WAITS, message
        self.run.current_step = step.id
        self.emit("step.started", now, state)

    def _named(self, step_id: str) -> str:
        """Why a step has not given what another one needs."""
        state = self.steps.get(step_id)
        if state is None:
            return f"a step {step_id} that does not exist"
        if not state.status.final or state.status is StepStatus.SKIPPED:
            return f"step {state.number}, which did not run"
        return f"a value that step {state.number} did not give ({state.status.value.replace('_', ' ')})"

    def _new_attempt(self, state: StepState, now: datetime) -> AttemptState:
        return AttemptState(self.run.run_id, state.step_id, state.attempt + 1, self._new_token(), now, published_at=now)

    def _scope(self) -> Scope:
        """What expressions see now."""
        return scope_of(self.chain, self.run, self.steps)

    def _emit_finished(self, now: datetime, step: StepState | None) -> None:
        run = self.run
        more: dict[str, Any] = {}
        if step is not None:
            spec = self.chain.step(step.step_id)
            more = {
                "step_id": step.step_id,
                "step_number": step.number,
                "step_name": spec.name,
                "check_type": spec.check.type,
                "owner": spec.owner or self.chain.definition.owner,
                "reason": step.reason,
                "message": step.message,
                "due_at": step.due_at,
            }
        if run.status in TOLD_BY_STEPS:
            scope = self._scope()
            more["ends"] = [step_end(self.chain, spec, self.steps[spec.id], scope) for spec in self.chain.steps]
        seconds = (now - (run.started_at or run.queued_at)).total_seconds()
        text = run.verdict.text if run.verdict else None
        self.emit_run(
            "run.finished", now, duration_seconds=seconds, verdict=text, failure_class=run.failure_class, **more
        )


_PENDING = StepStatus.PENDING
