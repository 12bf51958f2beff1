"""What is different between two runs of a process."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from steptrail_common.contracts.orchestrator import Change, ContentDiff, RunDiff, RunView, StepDiff, StepView
from steptrail_common.contracts.workers import Evidence

from steptrail_orchestrator.domain.contents import changes as json_changes
from steptrail_orchestrator.domain.contents import comparable
from steptrail_orchestrator.domain.run import Chain

MAX_CHANGES = 50
"""Changes listed per step."""
SLOWER_FACTOR = 1.2
SLOWER_SECONDS = 0.05
"""A step is slower when it took this much more: less is noise."""
MAX_PAIRS = 40
"""Pieces of evidence read for one comparison."""


class Piece(NamedTuple):
    """A piece of evidence of a step."""

    step_id: str
    piece: Evidence


def run_diff(
    run: RunView,
    against: RunView | None,
    *,
    chains: tuple[Chain, Chain] | None = None,
    contents: Mapping[str, Sequence[ContentDiff]] | None = None,
) -> RunDiff:
    """Step by step; steps without any difference are listed too, so that a reader sees they were compared.

    `chains`: of the other run and of this one, to compare their definitions; `contents`: differences of evidence.
    """
    if against is None:
        return RunDiff(run_id=run.run_id, against_run_id=None)
    before = {step.step_id: step for step in against.steps}
    return RunDiff(
        run_id=run.run_id,
        against_run_id=against.run_id,
        steps=[
            _step_diff(
                step,
                before.get(step.step_id),
                definition_changes(step.step_id, *chains) if chains else [],
                list((contents or {}).get(step.step_id, ())),
            )
            for step in run.steps
        ],
    )


def evidence_pairs(run: RunView, against: RunView) -> Iterator[tuple[Evidence, Piece]]:
    """The pieces worth comparing: of the same step, kind and title, and not the very same bytes. A bounded number."""
    before = {step.step_id: step for step in against.steps}
    found = 0
    for step in run.steps:
        earlier = before.get(step.step_id)
        known = {(piece.kind, piece.title): piece for piece in (earlier.evidence if earlier else ())}
        for piece in step.evidence:
            other = known.get((piece.kind, piece.title))
            if other is None or other.sha256 == piece.sha256 or not (comparable(piece) and comparable(other)):
                continue
            found += 1
            if found > MAX_PAIRS:
                return
            yield other, Piece(step.step_id, piece)


def definition_changes(step_id: str, before: Chain, after: Chain) -> list[Change]:
    """What the definition of a step and the settings of its connection say differently. Secrets are in neither."""
    if before.number(step_id) is None or after.number(step_id) is None:
        return []
    return json_changes(_defined(before, step_id), _defined(after, step_id), below="")


def _defined(chain: Chain, step_id: str) -> dict[str, Any]:
    step = chain.step(step_id)
    connection = chain.connection(step)
    written: dict[str, Any] = step.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return written | ({"connection": connection.settings.model_dump(mode="json")} if connection else {})


def _step_diff(
    step: StepView, before: StepView | None, definition: list[Change], contents: list[ContentDiff]
) -> StepDiff:
    found = _changes(_facts(before), _facts(step))[:MAX_CHANGES] if before else []
    return StepDiff(
        step_id=step.step_id,
        number=step.number,
        name=step.name,
        status=step.status.value,
        before_status=before.status.value if before else None,
        duration_seconds=step.duration_seconds,
        before_duration_seconds=before.duration_seconds if before else None,
        slower_by_seconds=_slower(step.duration_seconds, before.duration_seconds if before else None),
        changes=found,
        definition=[change.model_copy(update={"path": change.path.lstrip(".")}) for change in definition],
        contents=contents,
    )


def _slower(seconds: float | None, before: float | None) -> float | None:
    if seconds is None or before is None:
        return None
    more = seconds - before
    return round(more, 3) if more >= SLOWER_SECONDS and seconds >= before * SLOWER_FACTOR else None


def _facts(step: StepView) -> dict[str, Any]:
    facts: dict[str, Any] = {f"captures.{name}": value for name, value in step.captures.items()}
    facts |= {f"findings.{finding.label}": finding.value for finding in step.findings if not finding.fleeting}
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
