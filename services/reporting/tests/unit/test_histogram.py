"""Percentiles from buckets."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steptrail_reporting.domain.histogram import RELATIVE_ERROR, SMALLEST_SECONDS, bucket_of, percentile

SECONDS = st.floats(SMALLEST_SECONDS, 1e6)


@pytest.mark.req("FR-022")
@given(st.lists(SECONDS, min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_within_two_percent_of_the_sorted_value(values: list[float], share: float) -> None:
    """The documented error holds for any values at the same rank."""
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    found = percentile(Counter(map(bucket_of, values)), share)
    assert found == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-3)


def test_nothing_counted_has_no_percentile() -> None:
    """No data is not zero seconds."""
    assert percentile({}, 0.5) is None


@pytest.mark.parametrize("odd", [0.0, -1.0, math.nan, 1e-9])
def test_odd_durations_count_as_the_smallest(odd: float) -> None:
    """A clock that went backwards breaks no figure."""
    assert bucket_of(odd) == bucket_of(SMALLEST_SECONDS)


def test_an_endless_duration_has_a_bucket() -> None:
    """Infinity is cut, not an error."""
    assert bucket_of(math.inf) == bucket_of(1e12)
