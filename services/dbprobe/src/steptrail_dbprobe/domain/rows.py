"""What a query gave, within limits."""

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

MAX_ROWS = 1000
MAX_BYTES = 1024 * 1024
"""Of all cells of a result together, as text."""
MAX_CELL_BYTES = 8 * 1024
"""Of one cell in evidence; assertions see the whole value."""
MAX_COLUMNS = 500
ROW_LIMIT: ContextVar[int] = ContextVar("row_limit", default=MAX_ROWS)
"""Rows that the query under way may fetch. More only for the keys of a stuck board, of which two columns are kept."""


class LimitExceeded(Exception):
    """The result is larger than a probe may fetch. `reason` is `rows_limit`, `bytes_limit` or `columns_limit`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Rows:
    """Collects rows and stops at the limits."""

    columns: Sequence[str]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    size_bytes: int = 0
    limit: int = field(default_factory=ROW_LIMIT.get)

    def __post_init__(self) -> None:
        if len(self.columns) > MAX_COLUMNS:
            raise LimitExceeded("columns_limit", f"the result has {len(self.columns)} columns, at most {MAX_COLUMNS}")

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Raises `LimitExceeded`."""
        for row in rows:
            if len(self.rows) == self.limit:
                raise LimitExceeded("rows_limit", f"the result has more than {self.limit} rows: narrow it, or count(*)")
            self.size_bytes += sum(_size(cell) for cell in row)
            if self.size_bytes > MAX_BYTES:
                raise LimitExceeded("bytes_limit", f"the result is larger than {MAX_BYTES // 1024} KiB: select less")
            self.rows.append(tuple(row))

    @property
    def next_fetch(self) -> int:
        """How many rows to ask for next, so that one more answer cannot go far beyond the byte limit. First it is two:
        then a result of one row, the usual one, is known to be complete."""
        if not self.rows:
            return 2
        average = max(self.size_bytes // len(self.rows), 1)
        return max(1, min(200, self.limit + 1 - len(self.rows), (MAX_BYTES - self.size_bytes) // average + 1))


def _size(cell: object) -> int:
    if isinstance(cell, str | bytes | bytearray):
        return len(cell)
    return 8 if isinstance(cell, int | float | None) else len(str(cell))


def shortened(value: Any) -> Any:
    """A JSON cell as evidence keeps it."""
    if isinstance(value, str) and len(value) > MAX_CELL_BYTES:
        return f"{value[:MAX_CELL_BYTES]}… ({len(value)} characters)"
    return value
