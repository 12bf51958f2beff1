"""What the parts of the run store share: how this replica walks runs, and what it remembers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from steptrail_orchestrator.adapters.sql.chains import Chains
from steptrail_orchestrator.adapters.sql.clock import DatabaseClock
from steptrail_orchestrator.adapters.sql.listeners import Listeners
from steptrail_orchestrator.adapters.sql.standing import Standing
from steptrail_orchestrator.domain.run import AttemptState, Chain, Limits, RunState, StepState
from steptrail_orchestrator.domain.walk import Walk


@dataclass(frozen=True, slots=True)
class Replica:
    """One per process."""

    limits: Limits
    chains: Chains
    standing: Standing
    clock: DatabaseClock
    listeners: Listeners
    new_token: Callable[[], str]

    def walk(self, chain: Chain, run: RunState, steps: Mapping[str, StepState], attempt: AttemptState | None) -> Walk:
        """The run as it stands, to be decided upon."""
        return Walk(
            chain, run, steps, attempt, limits=self.limits, new_token=self.new_token, listened=self.listeners.kinds
        )
