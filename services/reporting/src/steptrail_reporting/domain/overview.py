"""The order of the overview: what needs a person first, among that what has stood longest, then by name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

RANK: Final = {"failed": 0, "timeout": 0, "stuck": 1, "error": 2, "warning": 3, "not_yet": 4, "success": 8}
"""Of the last status; smaller stands further up."""
RANK_NEVER_RUN: Final = 7
LAST_RANK_BY_AGE: Final = 2
"""Only trouble is ordered by age: rows that are fine keep their place."""


@dataclass(frozen=True, slots=True)
class OverviewPlace:
    """A place in the overview. `since` is the epoch where age does not count."""

    rank: int
    since: datetime
    name: str
    process_id: str
