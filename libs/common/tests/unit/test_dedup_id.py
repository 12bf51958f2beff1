"""Ids of facts and messages, made from what names them."""

from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steptrail_common.contracts.events import NAMESPACE, dedup_id


@pytest.mark.req("NFR-006")
@given(st.lists(st.text(max_size=40) | st.integers(), max_size=6))
def test_it_is_the_standard_name_based_uuid(parts: list[object]) -> None:
    """Anybody can compute it: version 5 over our namespace and the parts, joined by slashes."""
    assert UUID(dedup_id(*parts)) == uuid5(NAMESPACE, "/".join(str(part) for part in parts))
    assert dedup_id(*parts) == str(UUID(dedup_id(*parts)))
