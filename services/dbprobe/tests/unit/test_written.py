"""How rows are written as evidence."""

import json

import pytest
from steptrail_dbprobe.adapters.db_query import _written


@pytest.mark.req("NFR-009")
def test_rows_are_written_as_json_that_people_can_read() -> None:
    """Numbers of any size, characters of any script, nothing lost: what is no number in JSON stays what it is."""
    document = {"rows": [[1, 10**30, 1.5, None, True, "grün €"], []], "columns": {}, "odd": float("inf")}
    assert _written(document) == json.dumps(document, ensure_ascii=False, indent=2).encode()


def test_half_a_character_is_replaced() -> None:
    """The row is evidence all the same."""
    assert json.loads(_written({"rows": [["\ud800x"]]})) == {"rows": [["?x"]]}
