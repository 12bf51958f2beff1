"""Periods and their limits."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steptrail_common.errors import InvalidInput
from steptrail_reporting.domain.period import Period, period

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1), timezones=st.just(UTC))


def test_nothing_given_means_the_last_thirty_days() -> None:
    """Until now, which is not included."""
    assert period(None, None, now=NOW, longest_days=60) == Period(NOW - timedelta(days=30), NOW)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (NOW, NOW),
        (NOW, NOW - timedelta(seconds=1)),
        (NOW - timedelta(days=36525), NOW),
        (datetime(1, 1, 1, tzinfo=UTC), None),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), None),
        (None, datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))),
    ],
)
def test_impossible_periods_are_refused(since: datetime | None, until: datetime | None) -> None:
    """Empty, reversed, a century, outside the calendar: an error that names the field."""
    with pytest.raises(InvalidInput) as refused:
        period(since, until, now=NOW, longest_days=366)
    assert refused.value.errors is not None
    assert refused.value.errors[0].path in ("since", "until")


@given(MOMENTS, MOMENTS)
def test_days_and_edges_cover_a_period_once(first: datetime, second: datetime) -> None:
    """No moment is lost or counted twice at a day's border."""
    since, until = sorted((first, second))
    days, edges = Period(since, until).parts()
    spans = list(edges)
    if days is not None:
        spans.append((_midnight(days[0]), _midnight(days[1]) + timedelta(days=1)))
    spans = sorted(span for span in spans if span[0] < span[1])
    assert sum((stop - start for start, stop in spans), timedelta()) == until - since
    assert all(before[1] == after[0] for before, after in pairwise(spans))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
