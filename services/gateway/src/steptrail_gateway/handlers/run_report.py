"""A run on paper: what a person wants to see of it, collected and printed."""

from typing import Final

from steptrail_common.clock import Clock
from steptrail_common.contracts.model import StepStatus
from steptrail_common.contracts.orchestrator import RunEvent, RunView, StepView
from steptrail_common.contracts.workers import Evidence
from steptrail_common.errors import SteptrailError

from steptrail_gateway.domain.people import Caller
from steptrail_gateway.handlers.run_pieces import RunPieces, evidence_of
from steptrail_gateway.ports import Printer, RunReport

MOST_EVENTS: Final = 1_000
"""Lines of the log on paper, about 25 pages; the bundle has all of them."""
MOST_CONTENTS: Final = 20
MOST_BYTES: Final = 8 * 1024 * 1024
"""Of one piece of evidence that is shown; larger ones are only listed."""
_UNREMARKABLE: Final = {StepStatus.SUCCESS, StepStatus.SKIPPED, StepStatus.PENDING, StepStatus.CANCELLED}


async def print_run(pieces: RunPieces, caller: Caller, *, origin: str, printer: Printer, clock: Clock) -> bytes:
    """The PDF of a run, also of one that is under way. Raises `NotFound`, `Forbidden`, `Unavailable`.

    Evidence that cannot be read is only listed: its step says what was found without it.
    """
    run = await pieces.run()
    events, all_events = await pieces.events(MOST_EVENTS)
    contents: dict[str, bytes] = {}
    for evidence in _shown(run):
        try:
            contents[evidence.evidence_id] = await pieces.content(evidence)
        except SteptrailError:
            continue
    report = RunReport(
        run=run,
        events=[RunEvent.model_validate(event) for event in events],
        all_events=all_events,
        contents=contents,
        address=f"{origin}/runs/{run.run_id}",
        printed_by=caller.username,
        printed_at=clock.now(),
    )
    return await printer.run_report(report)


def _shown(run: RunView) -> list[Evidence]:
    """The evidence of the last look of every step that needs one."""
    remarkable = [step for step in run.steps if step.status not in _UNREMARKABLE]
    pieces = [piece for step in remarkable for piece in _last(step) if piece.size_bytes <= MOST_BYTES]
    return pieces[:MOST_CONTENTS]


def _last(step: StepView) -> list[Evidence]:
    return step.evidence or evidence_of(step)
