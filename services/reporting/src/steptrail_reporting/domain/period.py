"""Periods of figures and exports, their limits, and how a period is cut into whole days and their edges."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from steptrail_common.contracts.model import FieldError
from steptrail_common.errors import InvalidInput

DEFAULT_DAYS = 30
LONGEST_FIGURES_DAYS = 3660
LONGEST_EXPORT_DAYS = 366
LONGEST_TREND_DAYS = 366


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` (inclusive) to `until` (exclusive), in UTC."""

    since: datetime
    until: datetime

    def parts(self) -> tuple[tuple[date, date] | None, list[tuple[datetime, datetime]]]:
        """The whole UTC days inside (first and last, inclusive), and the rests before and after them."""
        first = _midnight_from(self.since)
        end = datetime.combine(self.until.date(), time(), UTC)
        if first >= end:
            return None, [(self.since, self.until)]
        edges = [(start, stop) for start, stop in ((self.since, first), (end, self.until)) if start < stop]
        return (first.date(), end.date() - timedelta(days=1)), edges


def whole_days(first: date, last: date) -> Period:
    """Two UTC days and all between them."""
    return Period(datetime.combine(first, time(), UTC), datetime.combine(last + timedelta(days=1), time(), UTC))


def _midnight_from(moment: datetime) -> datetime:
    midnight = datetime.combine(moment.date(), time(), UTC)
    return midnight if midnight == moment else midnight + timedelta(days=1)


def period(since: datetime | None, until: datetime | None, *, now: datetime, longest_days: int) -> Period:
    """The period asked for, by default the 30 days before `until`, which is by default now.

    Raises `InvalidInput` naming `since` or `until` when it is empty, reversed or longer than `longest_days`.
    """
    end = _utc("until", until) if until else now.astimezone(UTC)
    try:
        start = _utc("since", since) if since else end - timedelta(days=DEFAULT_DAYS)
    except OverflowError as error:
        raise InvalidInput.field("until", "is too early: give a moment after the year 1970") from error
    faults = []
    if start >= end:
        faults.append(FieldError(path="since", message="must be before until"))
    elif end - start > timedelta(days=longest_days):
        faults.append(FieldError(path="since", message=f"the period is longer than {longest_days} days: shorten it"))
    if faults:
        raise InvalidInput(f"{faults[0].path}: {faults[0].message}", errors=faults)
    return Period(start, end)


def _utc(path: str, moment: datetime) -> datetime:
    """The moment in UTC; at the rim of the calendar that does not exist."""
    try:
        moved = moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput.field(path, "is outside the calendar") from error
    if not 1970 <= moved.year <= 9000:
        raise InvalidInput.field(path, "must be between the years 1970 and 9000")
    return moved
