"""How long runs are kept."""

from collections.abc import Sequence
from typing import Protocol


class RunKeeping(Protocol):
    """How long runs are kept, and in which partitions. Transactions and errors as with `RunStore`.

    A month is the name of a partition of all that belongs to runs; a store that has none knows no months.
    """

    async def prepare_months(self) -> None:
        """Make the partitions of the coming months. Can be repeated. Raises `Unavailable` if runs are in the way."""

    async def expired_month(self, *, older_than_seconds: float) -> str | None:
        """The oldest month all of whose runs ended longer ago, if there is one."""

    async def runs_of_month(self, month: str, *, after: str, limit: int) -> Sequence[str]:
        """Its runs behind the id `after`, in order of their ids."""

    async def forget_month(self, month: str) -> int:
        """Delete everything of a month that `expired_month` named; returns how many runs that were.

        Not one transaction: first what belongs to its runs, at once, then the runs in portions. What is left when it
        is broken off is found by `expired`.
        """

    async def expired(self, *, older_than_seconds: float, limit: int) -> Sequence[str]:
        """Runs that ended longer ago by the database's clock, oldest first."""

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Delete everything of these runs that have ended; unknown ones are passed over."""

    async def not_archived(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Those that `note_archived` was not told of, in the same order."""

    async def note_archived(self, run_ids: Sequence[str]) -> None:
        """They are in the archive, whole; only now may anything of them be deleted. Can be repeated; runs that are
        forgotten meanwhile are passed over."""
