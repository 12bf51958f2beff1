"""How runs ended, in the order they ended: what rules look at."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """The end of one run. Ordered by end, then id. A *series* is all outcomes of one process and one key."""

    ended_at: datetime
    run_id: str
    process_id: str = field(compare=False)
    key: str | None = field(compare=False)
    status: str = field(compare=False)
