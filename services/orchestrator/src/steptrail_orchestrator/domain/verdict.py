"""The run in one sentence."""

from collections.abc import Mapping
from datetime import datetime

from steptrail_common.contracts.model import RunStatus, StepStatus
from steptrail_common.contracts.orchestrator import Verdict

from steptrail_orchestrator.domain.run import Chain, RunState, StepState
from steptrail_orchestrator.domain.turns import WAITS, WAITS_TARGET
from steptrail_orchestrator.domain.wording import ahead, allowance, ranges, sentence, span

SEVERITY = (
    StepStatus.FAILED,
    StepStatus.OVERDUE,
    StepStatus.TIMEOUT,
    StepStatus.ERROR,
    StepStatus.NOT_YET,
    StepStatus.WARNING,
)
"""Which step decides about a run, worst first. A definite finding (failed, overdue) stands before a check that could
not be made, so that trouble of ours never hides trouble of theirs."""
RUN_STATUS = {
    StepStatus.FAILED: RunStatus.FAILED,
    StepStatus.OVERDUE: RunStatus.STUCK,
    StepStatus.TIMEOUT: RunStatus.TIMEOUT,
    StepStatus.ERROR: RunStatus.ERROR,
    StepStatus.NOT_YET: RunStatus.NOT_YET,
    StepStatus.WARNING: RunStatus.WARNING,
}
_PASSED = {StepStatus.SUCCESS, StepStatus.WARNING}
_AT = {
    StepStatus.FAILED: "failed at",
    StepStatus.OVERDUE: "stuck at",
    StepStatus.TIMEOUT: "timed out at",
    StepStatus.ERROR: "could not check",
    StepStatus.NOT_YET: "not yet at",
    StepStatus.WARNING: "warning at",
    StepStatus.CANCELLED: "cancelled at",
}


def deciding_step(steps: Mapping[str, StepState]) -> StepState | None:
    """The step that gives the run its status: the first of the worst; None if all is well."""
    for status in SEVERITY:
        found = [state for state in steps.values() if state.status is status]
        if found:
            return min(found, key=lambda state: state.number)
    return None


def telling_step(run: RunState, steps: Mapping[str, StepState]) -> StepState | None:
    """The step a finished run is told by: where it was cancelled or ran out of time, else the deciding one."""
    ended_by = {RunStatus.CANCELLED: StepStatus.CANCELLED, RunStatus.TIMEOUT: StepStatus.TIMEOUT}.get(run.status)
    found = [state for state in steps.values() if state.status is ended_by]
    return max(found, key=lambda state: state.number) if found else deciding_step(steps)


def verdict(chain: Chain, run: RunState, steps: Mapping[str, StepState], now: datetime) -> Verdict:
    """What to say of a run, in parts. `now` is the moment a finished run ended, or the present for an open one."""
    if run.status is RunStatus.QUEUED:
        return _said("Waiting to start", None, ".")
    if run.status is RunStatus.RUNNING:
        return _under_way(chain, steps, now)
    if run.status is RunStatus.SUCCESS:
        return _all_well(chain, run, steps, now)
    step = telling_step(run, steps)
    if step is None:
        return _said(_capital(run.status.value.replace("_", " ")), None, ".")
    lead = _passed_before(steps, step.number)
    emphasis = f"{_AT[step.status]} {step.number} “{chain.step(step.step_id).name}”"
    return _said(lead, emphasis if lead else _capital(emphasis), _tail(chain, step, now), step.step_id)


def _all_well(chain: Chain, run: RunState, steps: Mapping[str, StepState], now: datetime) -> Verdict:
    passed = sum(state.status in _PASSED for state in steps.values())
    took = span((now - (run.started_at or run.queued_at)).total_seconds())
    skipped = sum(step.enabled for step in chain.steps) - passed
    if skipped or passed != len(chain.steps):
        lead = f"{passed} of {len(chain.steps)} steps passed"
        return _said(lead, None, f", {len(chain.steps) - passed} skipped, in {took}.")
    whole = {1: "The only step passed", 2: "Both steps passed"}.get(passed, f"All {passed} steps passed")
    return _said(whole, None, f" in {took}.")


def _under_way(chain: Chain, steps: Mapping[str, StepState], now: datetime) -> Verdict:
    step = next((one for one in _ordered(steps) if one.started_at and not one.status.final), None)
    if step is None:
        return _said(f"Checking {len(chain.steps)} steps", None, "…")
    spec = chain.step(step.step_id)
    tail = "…"
    if step.reason == "no_worker":
        tail = f": no worker listens for {spec.check.work} yet."
    elif step.reason in (WAITS, WAITS_TARGET):
        tail = f": {step.message}."
    elif step.status is StepStatus.RETRYING and step.next_attempt_at:
        tail = f": next attempt in {span((step.next_attempt_at - now).total_seconds())}."
    elif step.status is StepStatus.WAITING and step.waiting_until:
        tail = f": not there yet, looking again for {span((step.waiting_until - now).total_seconds())}."
    lead = f"Checking {step.number} of {len(chain.steps)} "
    return _said(lead, f"“{spec.name}”", tail, step.step_id)


def _tail(chain: Chain, step: StepState, now: datetime) -> str:
    spec = chain.step(step.step_id)
    at = step.ended_at or now
    if step.status is StepStatus.OVERDUE and step.since_at and spec.expect_within is not None:
        waited = span((at - step.since_at).total_seconds())
        return f", waiting {waited}, expected within {allowance(spec.expect_within)}."
    if step.status is StepStatus.NOT_YET and step.due_at:
        return f", due in {ahead((step.due_at - at).total_seconds())}."
    if step.status is StepStatus.CANCELLED:
        return f" {step.reason.removeprefix('cancelled ')}." if step.reason else "."
    return f": {sentence(step.message)}." if step.message else "."


def _passed_before(steps: Mapping[str, StepState], number: int) -> str:
    passed = [state.number for state in steps.values() if state.number < number and state.status in _PASSED]
    return f"Passed {ranges(passed)}, " if passed else ""


def _ordered(steps: Mapping[str, StepState]) -> list[StepState]:
    return sorted(steps.values(), key=lambda state: state.number)


def _said(lead: str, emphasis: str | None, tail: str, step_id: str | None = None) -> Verdict:
    text = f"{lead}{emphasis or ''}{tail}"
    return Verdict(text=text, lead=lead, emphasis=emphasis, tail=tail, step_id=step_id)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
