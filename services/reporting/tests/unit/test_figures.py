"""Figures."""

from datetime import UTC, datetime, timedelta

import pytest
from steptrail_reporting.domain.figures import mean_time_to_recover, process_figures, success_rate
from steptrail_reporting.domain.period import Period
from steptrail_reporting.domain.process import Ended

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _ended(minute: int, status: str) -> Ended:
    return Ended(NOON + timedelta(minutes=minute), f"r{minute}", status)


@pytest.mark.req("FR-022")
def test_no_data_is_null() -> None:
    """Neither 0 % nor 100 %, and no seconds."""
    figures = process_figures("p", Period(NOON, NOON + timedelta(days=1)), {}, [], {}, {})
    assert figures.runs == 0
    assert figures.success_rate is None
    assert figures.p50_seconds is figures.p99_seconds is figures.mean_time_to_recover_seconds is None
    assert figures.queue_wait_p95_seconds is None


@pytest.mark.req("FR-021")
def test_errors_and_cancelled_runs_are_not_judged() -> None:
    """An error is our failure to check; only measured runs make the rate."""
    assert success_rate({"success": 2, "warning": 1, "failed": 1, "error": 5, "cancelled": 5}) == 0.75
    assert success_rate({"error": 3}) is None


@pytest.mark.req("FR-022")
def test_time_to_recover_runs_from_going_down_to_passing() -> None:
    """Several bad states in a row are one outage; not-yet and errors neither open nor close one."""
    changes = [_ended(0, "success"), _ended(10, "failed"), _ended(15, "error"), _ended(20, "stuck")]
    changes += [_ended(30, "warning"), _ended(40, "timeout"), _ended(45, "not_yet"), _ended(50, "success")]
    assert mean_time_to_recover(changes, since=NOON) == (20 + 10) * 60 / 2


def test_only_recoveries_of_the_period_count() -> None:
    """An outage that began before the period counts with its whole length; one that ended before, not at all."""
    changes = [_ended(0, "failed"), _ended(5, "success"), _ended(10, "failed"), _ended(30, "success")]
    assert mean_time_to_recover(changes, since=NOON + timedelta(minutes=20)) == 20 * 60
    assert mean_time_to_recover(changes[:1], since=NOON) is None
