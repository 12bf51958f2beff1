"""Where the steps of open runs stand, kept in memory between two transactions of this replica."""

from collections import OrderedDict
from dataclasses import replace

from pydantic_core import from_json
from steptrail_common.contracts.model import StepStatus

from steptrail_orchestrator.adapters.sql import rows
from steptrail_orchestrator.domain.run import StepState
from steptrail_orchestrator.domain.walk import Walk

MAX_STEPS = 200_000
"""Of all runs together, about 100 MB; what was used longest ago is read from the database again. Room for the steps of
ten thousand runs side by side: with less, each is forgotten just before its turn comes again."""


class Standing:
    """Steps as they were committed, valid as long as the locked run still has the number of its last event.

    That number grows with every change of a step, whoever makes it, so that a copy is never used when it is stale.
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[str, tuple[int, dict[str, StepState]]] = OrderedDict()
        self._count = 0

    def take(self, run_id: str, seq: int) -> dict[str, StepState] | None:
        """The steps of a run whose last event has this number. They are the taker's: a decision changes them."""
        found = self._runs.pop(run_id, None)
        if found is None:
            return None
        self._count -= len(found[1])
        return found[1] if found[0] == seq else None

    def keep(self, walk: Walk) -> None:
        """After the commit. Runs that are over are not needed any more."""
        self.take(walk.run.run_id, walk.run.seq)
        if walk.run.status.final:
            return
        steps = {
            state.step_id: _as_stored(state) for state in walk.steps.values() if state.status is not StepStatus.PENDING
        }
        self._runs[walk.run.run_id] = (walk.run.seq, steps)
        self._count += len(steps)
        while self._count > MAX_STEPS:
            _, (_, oldest) = self._runs.popitem(last=False)
            self._count -= len(oldest)


def _as_stored(state: StepState) -> StepState:
    """The same values that reading the row would give."""
    if state.captures:
        state = replace(state, captures=from_json(rows.json_text(state.captures)))
    if state.message:
        state.reason, state.message = rows.clean(state.reason), rows.clean(state.message)
    return state
