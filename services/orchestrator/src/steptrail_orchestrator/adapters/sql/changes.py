"""What a decision changed, as rows and messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steptrail_common.outbox import Entry

from steptrail_orchestrator.adapters.sql import rows
from steptrail_orchestrator.adapters.sql.messages import (
    Announced,
    EventRow,
    bundled,
    event_rows,
    positioned,
    request_entries,
)
from steptrail_orchestrator.domain.walk import Walk

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows to write; the messages that carry the events stand beside them, still without their positions."""

    begun: Rows
    ended: Rows
    steps: Rows
    opened: Rows
    moved: Rows
    evidence: Rows
    told: Sequence[EventRow]
    requests: Sequence[Entry]
    announced: Sequence[Announced]

    def __bool__(self) -> bool:
        return any((self.begun, self.ended, self.steps, self.opened, self.moved, self.told, self.requests))

    def sent(self, positions: Sequence[int]) -> list[Entry]:
        """All messages, the events with the positions that the insert gave. Requests first: workers wait for them."""
        known = {row.key: position for row, position in zip(self.told, positions, strict=True)}
        return [*self.requests, *(positioned(one, known) for one in self.announced)]


def changes_of(walks: Sequence[Walk], *, new: bool = False) -> Changes:
    """`new`: the runs themselves too, with the steps they bring along."""
    moved = [walk for walk in walks if walk.events or walk.resent]
    brought = [(walk, state) for walk in walks for state in walk.steps.values() if new and state.reused_from]
    told = event_rows(moved)
    return Changes(
        begun=[rows.run_values(walk.run) for walk in walks] if new else [],
        ended=[rows.end_values(end) for walk in moved for end in walk.ended],
        steps=[
            *(rows.step_values(walk.run.run_id, state) for walk, state in brought if state.step_id not in walk.changed),
            *(rows.step_values(walk.run.run_id, state) for walk in moved for state in walk.changed.values()),
        ],
        opened=[rows.attempt_values(walk, attempt) for walk in moved for attempt in walk.opened],
        moved=[] if new else [rows.changing_run_values(walk.run) for walk in walks if walk.moved],
        evidence=[row for walk in moved for end in walk.ended for row in rows.evidence_values(end)],
        told=told,
        requests=request_entries(moved),
        announced=[(bundle, bundle.entry()) for bundle in bundled(told)],
    )
