"""What expressions of a run can see of it. Steps are looked at only when an expression names them: most name none."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from steptrail_common.contracts.definition import Step
from steptrail_common.contracts.model import StepStatus

from steptrail_orchestrator.domain.expressions import Scope, moment
from steptrail_orchestrator.domain.run import Chain, RunState, StepState


def scope_of(chain: Chain, run: RunState, steps: Mapping[str, StepState]) -> Scope:
    """The scope as things stand now; it follows the steps until it is let go."""
    declared = chain.definition.inputs
    inputs = {
        name: moment(value) if declared[name].type == "datetime" and isinstance(value, str) else value
        for name, value in run.inputs.items()
        if name in declared
    }
    seen = {"id": run.run_id, "started_at": run.started_at, "key": run.key}
    values = {"inputs": inputs, "vars": chain.definition.vars, "steps": _Steps(steps), "run": seen}
    return Scope(values, _Gaps(chain, steps))


class _Steps(Mapping[str, dict[str, Any]]):
    """Status and captures of each step."""

    def __init__(self, steps: Mapping[str, StepState]) -> None:
        self._steps = steps

    def __getitem__(self, step_id: str) -> dict[str, Any]:
        state = self._steps[step_id]
        return {"status": state.status.value} | _values(state)

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


class _Gaps(Collection[str]):
    """The ids of steps that gave nothing, or not all they promised."""

    def __init__(self, chain: Chain, steps: Mapping[str, StepState]) -> None:
        self._chain = chain
        self._steps = steps

    def __contains__(self, step_id: object) -> bool:
        state = self._steps.get(step_id) if isinstance(step_id, str) else None
        return state is not None and not _gave_all(self._chain.step(state.step_id), state)

    def __iter__(self) -> Iterator[str]:
        return (step_id for step_id in self._steps if step_id in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _gave_all(step: Step, state: StepState) -> bool:
    """Whether every value the step promises is there; a step that has not run gave nothing."""
    if state.attempt == 0 or state.status is StepStatus.SKIPPED:
        return False
    return all(name in state.captures or capture.optional for name, capture in step.capture.items())


def _values(state: StepState) -> dict[str, Any]:
    """The captures of a step as expressions see them: declared moments are moments."""
    values = dict(state.captures)
    for name, kind in state.capture_types.items():
        if kind == "datetime" and isinstance(values.get(name), str):
            values[name] = moment(values[name]) or values[name]
    return values
