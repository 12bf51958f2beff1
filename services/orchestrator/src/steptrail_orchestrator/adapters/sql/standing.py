"""Where open runs stand, kept in memory between two transactions of this replica."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from pydantic_core import from_json
from steptrail_common.contracts.model import StepStatus

from steptrail_orchestrator.adapters.sql import rows
from steptrail_orchestrator.domain.run import AttemptState, RunState, StepState
from steptrail_orchestrator.domain.walk import Walk

MAX_STEPS = 200_000
"""Of all runs together, about 100 MB; what was used longest ago is read from the database again. Room for the steps of
ten thousand runs side by side: with less, each is forgotten just before its turn comes again."""


@dataclass(frozen=True, slots=True)
class Stand:
    """An open run as it was committed. Of its attempt a heartbeat may have told more since then."""

    run: RunState
    steps: dict[str, StepState]
    attempt: AttemptState | None


class Standing:
    """Runs as they were committed, valid as long as the run still has the number of its last event.

    That number grows with every change of a step, whoever makes it, so that a copy is never used when it is stale: who
    takes one compares it with the locked row.
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Stand] = OrderedDict()
        self._count = 0

    def take(self, run_id: str) -> Stand | None:
        """What is known of a run. It is the taker's, and no longer here: a decision changes it."""
        found = self._runs.pop(run_id, None)
        if found is not None:
            self._count -= len(found.steps)
        return found

    def keep(self, walk: Walk, *, new: bool = False) -> None:
        """After the commit. Runs that are over are not needed any more. `new`: the run was never read from its row."""
        self.take(walk.run.run_id)
        if walk.run.status.final:
            return
        steps = {
            state.step_id: _as_stored(state) for state in walk.steps.values() if state.status is not StepStatus.PENDING
        }
        run = rows.as_stored(walk.run) if new else walk.run
        self._runs[run.run_id] = Stand(run, steps, walk.attempt)
        self._count += len(steps)
        while self._count > MAX_STEPS:
            _, oldest = self._runs.popitem(last=False)
            self._count -= len(oldest.steps)


def _as_stored(state: StepState) -> StepState:
    """The same values that reading the row would give."""
    if state.captures:
        state = replace(state, captures=from_json(rows.json_text(state.captures)))
    if state.message:
        state.reason, state.message = rows.clean(state.reason), rows.clean(state.message)
    return state
