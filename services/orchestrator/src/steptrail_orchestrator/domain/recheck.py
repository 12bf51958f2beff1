"""Continuing a finished run from the step that failed."""

from collections.abc import Mapping
from dataclasses import replace

from steptrail_common.contracts.model import StepStatus
from steptrail_common.errors import Conflict, InvalidInput

from steptrail_orchestrator.domain.run import Chain, RunState, StepState

_KEPT = {StepStatus.SUCCESS, StepStatus.WARNING, StepStatus.SKIPPED}


def starting_step(run: RunState, steps: Mapping[str, StepState], wanted: str | None) -> str:
    """The step to start from: the one asked for, else the first that did not go well."""
    if not run.status.final:
        raise Conflict(f"the run {run.run_id} is still under way; cancel it or wait for its end")
    if wanted is not None:
        return wanted
    ordered = sorted(steps.values(), key=lambda state: state.number)
    failed = next((state for state in ordered if state.status not in _KEPT), None)
    if failed is None:
        raise InvalidInput.field("body.from_run", "every step of this run went well; start a new check instead")
    return failed.step_id


def kept_results(chain: Chain, run: RunState, steps: Mapping[str, StepState], from_step: str) -> dict[str, StepState]:
    """The results before `from_step` with their captured values, marked with the run they come from."""
    number = chain.number(from_step)
    if number is None:
        known = ", ".join(step.id for step in chain.steps)
        raise InvalidInput.field("body.from_step", f"this process has no step {from_step}; it has: {known}")
    kept: dict[str, StepState] = {}
    for place, step in enumerate(chain.steps[: number - 1], 1):
        state = steps.get(step.id)
        if state is None:
            raise InvalidInput.field(
                "body.from_step", f"step {step.id} is new since that run; start a new check instead"
            )
        if state.status not in _KEPT:
            raise InvalidInput.field("body.from_step", f"step {step.id} before it did not succeed; start there")
        kept[step.id] = replace(state, number=place, reused_from=state.reused_from or run.run_id)
    return kept
