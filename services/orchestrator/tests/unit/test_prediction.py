"""What is usual, from good runs: by hour of the week where that is known, robust against single bad days."""

from datetime import UTC, datetime, timedelta

import pytest
from steptrail_orchestrator.domain.prediction import usual

SUNDAY_TWO = datetime(2026, 11, 22, 2, 10, tzinfo=UTC)


def weekly(*seconds: float, at: datetime = SUNDAY_TWO) -> list[tuple[datetime, float]]:
    return [(at - timedelta(weeks=week), value) for week, value in enumerate(seconds, 1)]


@pytest.mark.req("FR-008")
def test_the_hour_of_the_week_counts_where_it_is_known() -> None:
    """Sundays at two take a minute, because a load runs then; at three nothing of that is left."""
    daily = [(SUNDAY_TWO + timedelta(hours=5 + hour), 2.0) for hour in range(24)]
    history = daily + weekly(58, 60, 61, 60, 62)
    night = usual(history, SUNDAY_TWO)
    assert night is not None
    assert night.seconds == 60
    later = usual(history, SUNDAY_TWO + timedelta(hours=1))
    assert later is not None
    assert later.seconds == 2.0


@pytest.mark.req("FR-008")
def test_one_bad_day_changes_neither_what_is_usual_nor_what_is_slow() -> None:
    calm = usual(weekly(10, 11, 9, 10, 10, 11), SUNDAY_TWO)
    with_outlier = usual(weekly(10, 11, 9, 10, 10, 900), SUNDAY_TWO)
    assert calm is not None
    assert with_outlier is not None
    assert (calm.seconds, with_outlier.seconds) == (10, 10)
    assert calm.slow_after_seconds == with_outlier.slow_after_seconds == 15


def test_what_varies_much_is_slow_late_and_what_never_varies_not_for_a_trifle() -> None:
    """Median 10, deviations 4, 2, 0, 2, 4: their median is 2, times 1.4826 and 3.5."""
    varied = usual(weekly(6, 8, 10, 12, 14), SUNDAY_TWO)
    steady = usual(weekly(0.02, 0.02, 0.02, 0.02, 0.02), SUNDAY_TWO)
    assert varied is not None
    assert steady is not None
    assert varied.slow_after_seconds == pytest.approx(10 + 3.5 * 1.4826 * 2)
    assert steady.slow_after_seconds == pytest.approx(0.12)


def test_too_few_runs_say_nothing_about_slowness_and_none_say_nothing() -> None:
    few = usual(weekly(1, 2, 3), SUNDAY_TWO)
    assert few is not None
    assert (few.seconds, few.slow_after_seconds) == (2, None)
    assert usual([], SUNDAY_TWO) is None
