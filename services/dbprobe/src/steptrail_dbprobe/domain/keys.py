"""The keys of a stuck board out of a result: one column is the key, another the moment its age counts from."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

from steptrail_dbprobe.domain.rows import Rows

MAX_KEY_CHARACTERS = 200


def keys_of(rows: Rows, key: str | None, since: str | None) -> tuple[list[str], list[datetime | None]]:
    """Each key once, in the order of its first row; rows whose key is null are left out. Moments without a zone are
    UTC, numbers are seconds since 1970. Raises `CheckFailed` for a column that is not there and a key too long."""
    key_at = _column(rows.columns, key) if key else 0
    since_at = _column(rows.columns, since) if since else None
    found: dict[str, datetime | None] = {}
    for row in rows.rows:
        if row[key_at] is None:
            continue
        text = _text(row[key_at])
        if text not in found:
            found[text] = _moment(row[since_at]) if since_at is not None else None
    return list(found), (list(found.values()) if since else [])


def _column(columns: Sequence[str], name: str) -> int:
    lowered = [column.lower() for column in columns]
    if name.lower() not in lowered:
        known = ", ".join(columns)
        raise CheckFailed(
            FailureClass.SCHEMA_CHANGED, f"the result has no column {name}, only: {known}", reason="column_missing"
        )
    return lowered.index(name.lower())


def _text(value: Any) -> str:
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if len(text) > MAX_KEY_CHARACTERS:
        message = f"a key has {len(text)} characters, at most {MAX_KEY_CHARACTERS}: name the column in `key`"
        raise CheckFailed(FailureClass.TOO_LARGE, message, reason="key_too_long")
    return text


def _moment(value: Any) -> datetime | None:
    """None for what is no moment."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
    except (ValueError, OverflowError, OSError):
        return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
