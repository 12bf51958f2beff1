"""One round of chaos, as it is told and judged."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Story:
    """What one round of chaos did, and what became of it."""

    accepted: dict[str, str] = field(default_factory=dict)
    """Run id by idempotency key, as clients were told."""
    cancelled: dict[str, float] = field(default_factory=dict)
    """When a cancel was confirmed, by run id."""
    again: Counter[str] = field(default_factory=Counter)
    """How often a client had to ask again, by what it was told."""
    violations: list[str] = field(default_factory=list)
    duplicates: int = 0
    late: int = 0
    recovery_seconds: float = 0.0
    parked: Counter[str] = field(default_factory=Counter)
    """Messages sent to be parked, by the queue they were sent to."""
    repairs_expected: bool = False
    """The fault takes messages away, or the voice of who has them, so that requests may be sent again."""

    def wrong(self, invariant: str, what: str) -> None:
        self.violations.append(f"{invariant}: {what}")
