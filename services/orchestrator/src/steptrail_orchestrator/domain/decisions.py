"""What is decided about a run: to begin, to take an answer, to let time pass, to cancel."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from steptrail_common.contracts.model import FailureClass, RunStatus, StepStatus
from steptrail_common.contracts.workers import StepResult

from steptrail_orchestrator.domain.outcome import judge, may_retry
from steptrail_orchestrator.domain.run import TAKEN_SECONDS, AttemptState, Chain, StepState, World, later
from steptrail_orchestrator.domain.turns import WAITS, WAITS_TARGET
from steptrail_orchestrator.domain.walk import LateResult, Walk
from steptrail_orchestrator.domain.wording import span

_LEAST_AHEAD = timedelta(milliseconds=5)
"""A wake-up is always in the future, so that a run that cannot move does not spin."""
_PLACE_SECONDS = 5.0
"""A run that waits for a place is woken when one is free; this is for wake-ups that passed it over …"""
_FAR_SECONDS = 300.0
"""… and this for one that cannot be next: ten thousand of them must not keep the sweeper from others."""


def begin(walk: Walk, now: datetime) -> None:
    """Queue, start, and dispatch the first step of a new run."""
    steps = _planned(walk.chain)
    kept = {state.step_id: state.status.value for state in walk.steps.values() if state.reused_from}
    if kept:
        steps = [
            {**step, "status": kept[step["step_id"]], "reused": True} if step["step_id"] in kept else step
            for step in steps
        ]
    walk.emit_run("run.queued", now, steps=steps)
    walk.run.status, walk.run.started_at = RunStatus.RUNNING, now
    walk.emit_run("run.started", now)
    walk.proceed(now)
    set_wake(walk, World(now))


@lru_cache(maxsize=256)
def _planned(chain: Chain) -> list[dict[str, Any]]:
    """What the first event tells of each step. Nobody changes it."""
    return [
        {
            "step_id": step.id,
            "number": number,
            "name": step.name,
            "check_type": step.check.type,
            "always_run": step.always_run,
        }
        for number, step in enumerate(chain.steps, 1)
    ]


def accept(walk: Walk, result: StepResult, world: World) -> bool:
    """Take an answer if it belongs to the open attempt; otherwise keep it as late and change nothing."""
    attempt = walk.attempt
    if attempt is None or (attempt.step_id, attempt.attempt) != (result.step_id, result.attempt):
        walk.late.append(LateResult(result, "the attempt is over"))
        return False
    if attempt.token != result.token:
        walk.late.append(LateResult(result, "wrong token"))
        return False
    now = world.now
    state = walk.steps[result.step_id]
    _start_by_result(attempt, result, now)
    walk.end_attempt(
        "passed" if result.ok else "error" if result.ours else "failed",
        now,
        result,
        failure_class=result.failure_class,
        reason=result.reason,
        message=result.message,
    )
    _follow(walk, state, result, attempt, now)
    set_wake(walk, world)
    return True


def tick(walk: Walk, world: World) -> None:
    """Let time pass: the run's deadline, lost workers, lost messages, due retries and looks, repairs."""
    now = world.now
    if walk.run.status.final:
        return
    if now >= walk.run.deadline_at:
        _time_out(walk, now)
        return
    if walk.attempt is not None:
        _watch_attempt(walk, walk.attempt, world)
    else:
        state = walk.open_step
        if state is not None and state.next_attempt_at is not None:
            if state.next_attempt_at <= now:
                _again(walk, state, now)
        elif state is not None:
            walk.repaired += 1
            _lose(walk, state, now, "the attempt left no trace")
        else:
            walk.repaired += 1
            walk.proceed(now)
    set_wake(walk, world)


def wait_for_target(walk: Walk, token: str, waits: str, now: datetime) -> None:
    """A worker says for what the attempt with this token waits, or, with an empty text, that it waits no more."""
    if walk.attempt is None or walk.attempt.token != token:
        return
    state = walk.steps[walk.attempt.step_id]
    if waits and walk.attempt.started_at is None and state.reason != WAITS_TARGET:
        state.reason, state.message = WAITS_TARGET, waits
    elif not waits and state.reason == WAITS_TARGET:
        state.reason = state.message = None
    else:
        return
    walk.emit("step.started", now, state)


def cancel(walk: Walk, by: str, now: datetime) -> bool:
    """End the run now, without a worker. No step starts after this, `always_run` steps included.

    False if the run was over already.
    """
    if walk.run.status.final:
        return False
    walk.end_attempt("cancelled", now, reason=f"cancelled by {by}")
    state = walk.open_step or next((s for s in walk.steps.values() if s.status is StepStatus.PENDING), None)
    if state is not None:
        walk.end_step(state, StepStatus.CANCELLED, now, reason=f"cancelled by {by}")
    _skip_rest(walk, now, "the run was cancelled")
    walk.finish(now, RunStatus.CANCELLED)
    return True


def set_wake(walk: Walk, world: World) -> None:
    """Note by when something must have happened. An earlier wake-up that is already noted is kept: to wake too early
    costs a look, to change an indexed column on every step costs more."""
    run = walk.run
    if run.status.final:
        run.wake_at = None
        return
    wanted = max(min(run.deadline_at, _next_due(walk, world)), world.now + _LEAST_AHEAD)
    if run.wake_at is None or not world.now < run.wake_at <= wanted:
        run.wake_at = wanted


def _next_due(walk: Walk, world: World) -> datetime:
    attempt, limits = walk.attempt, walk.limits
    if attempt is None:
        state = walk.open_step
        if state is not None and state.reason == WAITS:
            far = walk.turns is not None and walk.turns.far_behind(walk.run.run_id)
            return later(world.now, _FAR_SECONDS if far else _PLACE_SECONDS)
        return (state.next_attempt_at if state else None) or world.now
    if attempt.lease_until is not None:
        return attempt.lease_until
    check_type = walk.chain.step(attempt.step_id).check.work
    ahead = [
        later(attempt.dispatched_at, limits.pickup_seconds),
        later(attempt.published_at or attempt.dispatched_at, limits.republish_seconds),
        # A worker that died counts as living for a while: nobody may listen though somebody seemed to at the last look.
        later(world.now, limits.republish_seconds),
    ]
    if check_type not in walk.listened:
        ahead.append(later(attempt.dispatched_at, limits.notice_seconds))
    if ahead[1] <= world.now and check_type in world.empty_queues:
        ahead.append(later(world.now, TAKEN_SECONDS))  # taken this moment, or lost: the next look knows
    return min(due for due in ahead if due > world.now)


def _start_by_result(attempt: AttemptState, result: StepResult, now: datetime) -> None:
    """An answer can overtake the heartbeat that told of the start: reckon it from the duration."""
    if attempt.started_at is None:
        seconds = min(max(result.duration_seconds, 0.0), 366 * 86400.0)
        attempt.started_at = max(attempt.dispatched_at, now - timedelta(seconds=seconds))
    attempt.worker_id = result.worker_id


def _follow(walk: Walk, state: StepState, result: StepResult, attempt: AttemptState, now: datetime) -> None:
    """Apply the outcome of an answer to its step."""
    step = walk.chain.step(state.step_id)
    state.captures, state.capture_types = result.captures, result.capture_types
    if step.wait_until is not None and state.waiting_until is None:
        state.waiting_until = later(now, step.wait_until.timeout)
    outcome = judge(step, walk.chain.retry(step), state, result, now)
    if outcome.next == "end":
        wait = (attempt.started_at or now) - attempt.dispatched_at
        walk.end_step(
            state,
            outcome.status,
            now,
            failure_class=result.failure_class if not result.ok else None,
            reason=result.reason,
            message=result.message,
            duration_seconds=result.duration_seconds,
            queue_wait_seconds=wait.total_seconds(),
        )
        walk.proceed(now)
        return
    if outcome.next == "look":
        state.base_attempt = state.attempt
    state.status, state.next_attempt_at = outcome.status, outcome.at
    state.failure_class, state.reason, state.message = result.failure_class, result.reason, result.message
    walk.emit("step.waiting" if outcome.next == "look" else "step.retrying", now, state)


def _again(walk: Walk, state: StepState, now: datetime) -> None:
    """Dispatch the next attempt of a step; if its values cannot be computed any more, go on behind it."""
    walk.dispatch(walk.chain.step(state.step_id), state, now)
    if state.status.final:
        walk.proceed(now)


def _watch_attempt(walk: Walk, attempt: AttemptState, world: World) -> None:
    """Is its worker alive? Did anybody take it? A lease says so, also while the attempt waits for its turn."""
    now, limits = world.now, walk.limits
    state = walk.steps[attempt.step_id]
    check_type = walk.chain.step(attempt.step_id).check.work
    if attempt.lease_until is not None:
        if attempt.lease_until <= now:
            worker = attempt.worker_id or "the worker"
            _lose(walk, state, now, f"{worker} stopped answering")
        return
    if check_type not in world.live_types:
        unheard_from = _unheard_from(attempt, world)
        if now >= later(unheard_from, limits.pickup_seconds):
            _give_up(walk, state, check_type, now)
        elif state.reason != "no_worker" and now >= later(unheard_from, limits.notice_seconds):
            state.reason, state.message = "no_worker", f"no worker listens for {check_type}"
            walk.emit("step.started", now, state)
        return
    sent_at = attempt.published_at or attempt.dispatched_at
    empty_seconds = world.empty_queues.get(check_type, 0.0)
    if empty_seconds >= TAKEN_SECONDS and now >= later(sent_at, max(limits.republish_seconds, empty_seconds)):
        attempt.published_at = now
        attempt.publications += 1
        walk.resent.append(attempt)
        walk.requests.append(walk.request(walk.chain.step(attempt.step_id), state, attempt))
        walk.repaired += 1


def _unheard_from(attempt: AttemptState, world: World) -> datetime:
    """Since when a worker for the attempt could have been heard: right after an outage all of them are silent."""
    seconds = min((world.now - attempt.dispatched_at).total_seconds(), world.heard_seconds)
    return later(world.now, -seconds)


def _lose(walk: Walk, state: StepState, now: datetime, message: str) -> None:
    """The attempt is lost: another one within the budget, else the step ends as an error of ours."""
    step = walk.chain.step(state.step_id)
    walk.end_attempt("lost", now, failure_class=FailureClass.WORKER_LOST, message=message)
    if may_retry(walk.chain.retry(step), state):
        state.status, state.next_attempt_at = StepStatus.RETRYING, now
        state.failure_class, state.reason, state.message = FailureClass.WORKER_LOST, None, message
        walk.emit("step.retrying", now, state)
        _again(walk, state, now)
        return
    walk.end_step(state, StepStatus.ERROR, now, failure_class=FailureClass.WORKER_LOST, message=message)
    walk.proceed(now)


def _give_up(walk: Walk, state: StepState, check_type: str, now: datetime) -> None:
    message = f"no worker listened for {check_type} within {span(walk.limits.pickup_seconds)}"
    walk.end_attempt("lost", now, failure_class=FailureClass.WORKER_LOST, reason="no_worker", message=message)
    walk.end_step(
        state, StepStatus.ERROR, now, failure_class=FailureClass.WORKER_LOST, reason="no_worker", message=message
    )
    walk.proceed(now)


def _time_out(walk: Walk, now: datetime) -> None:
    """The run's own time is over. `always_run` steps do not start any more: an accepted run must end."""
    limit = span(walk.chain.definition.timeout)
    message = f"the run's timeout of {limit} is over"
    walk.end_attempt("lost", now, failure_class=FailureClass.TIMEOUT, reason="run_timeout", message=message)
    state = walk.open_step or next((s for s in walk.steps.values() if s.status is StepStatus.PENDING), None)
    if state is not None:
        walk.end_step(
            state,
            StepStatus.TIMEOUT,
            now,
            failure_class=FailureClass.TIMEOUT,
            reason="run_timeout",
            message=message,
        )
    _skip_rest(walk, now, "the run timed out")
    walk.finish(now, RunStatus.TIMEOUT)


def _skip_rest(walk: Walk, now: datetime, reason: str) -> None:
    for state in walk.steps.values():
        if state.status is StepStatus.PENDING:
            walk.end_step(state, StepStatus.SKIPPED, now, reason=reason)
