"""What is different between two runs of a process."""

from collections.abc import Mapping
from typing import Any

from steptrail_common.contracts.orchestrator import Change, RunDiff, RunView, StepDiff, StepView

MAX_CHANGES = 50
"""Changes listed per step."""


def run_diff(run: RunView, against: RunView | None) -> RunDiff:
    """Step by step; steps without any difference are listed too, so that a reader sees they were compared."""
    if against is None:
        return RunDiff(run_id=run.run_id, against_run_id=None)
    before = {step.step_id: step for step in against.steps}
    return RunDiff(
        run_id=run.run_id,
        against_run_id=against.run_id,
        steps=[_step_diff(step, before.get(step.step_id)) for step in run.steps],
    )


def _step_diff(step: StepView, before: StepView | None) -> StepDiff:
    return StepDiff(
        step_id=step.step_id,
        number=step.number,
        name=step.name,
        status=step.status.value,
        before_status=before.status.value if before else None,
        duration_seconds=step.duration_seconds,
        before_duration_seconds=before.duration_seconds if before else None,
        changes=_changes(_facts(before), _facts(step))[:MAX_CHANGES] if before else [],
    )


def _facts(step: StepView) -> dict[str, Any]:
    facts: dict[str, Any] = {f"captures.{name}": value for name, value in step.captures.items()}
    facts |= {f"findings.{finding.label}": finding.value for finding in step.findings}
    facts |= {f"assertions[{place}].actual": outcome.actual for place, outcome in enumerate(step.assertions)}
    return facts


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Only what both have, and what the other lacks; a step that did not run has nothing to compare."""
    if not before or not after:
        return []
    paths = [*after, *(path for path in before if path not in after)]
    return [
        Change(path=path, before=before.get(path), after=after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    ]
