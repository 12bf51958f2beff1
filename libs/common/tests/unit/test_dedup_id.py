"""Ids of facts and messages, made from what names them."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steptrail_common.contracts.events import NAMESPACE, begun_at, dedup_id


@pytest.mark.req("NFR-006")
@given(st.lists(st.text(max_size=40) | st.integers(), max_size=6))
def test_it_is_the_standard_name_based_uuid(parts: list[object]) -> None:
    """Anybody can compute it: version 5 over our namespace and the parts, joined by slashes."""
    assert UUID(dedup_id(*parts)) == uuid5(NAMESPACE, "/".join(str(part) for part in parts))
    assert dedup_id(*parts) == str(UUID(dedup_id(*parts)))


@pytest.mark.parametrize(
    ("run_id", "moment"),
    [
        ("01a21f97-489e-7037-ae86-ee443c9d962b", datetime(2026, 11, 28, 0, 38, 57, 950000, UTC)),
        ("ffffffff-ffff-7fff-bfff-ffffffffffff", None),
        ("5f7c2c4e-3a55-4c59-9d5e-0d5b8f1f3a11", None),
        ("r1", None),
    ],
)
def test_the_id_of_a_run_says_when_it_was_begun(run_id: str, moment: datetime | None) -> None:
    """To the millisecond; other ids say nothing."""
    assert begun_at(run_id) == moment
