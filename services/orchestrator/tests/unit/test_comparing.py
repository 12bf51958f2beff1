"""The difference to the last good run: evidence as tables, JSON and lines; definitions; time."""

import json
from typing import Any

import pytest
from steptrail_common.contracts.workers import Evidence
from steptrail_orchestrator.domain.comparing import _slower
from steptrail_orchestrator.domain.contents import MAX_ROWS, comparable, content_diff


def piece(kind: Any = "rows", media_type: str = "application/json", **more: Any) -> Evidence:
    fields: dict[str, Any] = {"evidence_id": "e", "title": "Rows", "size_bytes": 10, "sha256": "0", "address": "a"}
    return Evidence(kind=kind, media_type=media_type, **fields | more)


def table(columns: list[str], *rows: list[Any]) -> bytes:
    return json.dumps({"columns": columns, "rows": rows, "row_count": len(rows)}).encode()


@pytest.mark.req("FR-020")
def test_tables_tell_missing_rows_and_new_columns() -> None:
    """Rows are compared by the columns both have; their order does not matter."""
    before = table(["no", "state"], [1, "OPEN"], [2, "PAID"], [3, "PAID"])
    found = content_diff(piece(), before, table(["no", "state", "by"], [3, "PAID", "x"], [1, "OPEN", "y"]))
    assert found is not None
    assert found.table is not None
    assert found.table.missing_rows == [{"no": 2, "state": "PAID"}]
    assert (found.table.new_columns, found.table.new_rows) == (["by"], [])
    assert (found.table.before_rows, found.table.after_rows) == (3, 2)


def test_one_row_tells_its_changed_cells() -> None:
    """The usual case of a key's check: the same row with another state."""
    found = content_diff(piece(), table(["no", "state"], [1, "PAID"]), table(["no", "state"], [1, "OPEN"]))
    assert found is not None
    assert found.table is not None
    assert [(one.path, one.before, one.after) for one in found.table.changed] == [("state", "PAID", "OPEN")]


def test_an_answer_is_compared_by_its_body() -> None:
    """Headers such as `date` change with every answer and say nothing; JSON is compared by paths."""
    before = b'HTTP/1.1 200\ndate: Mon\n\n{"state": "PAID", "items": [1, 2]}'
    after = b'HTTP/1.1 200\ndate: Tue\n\n{"state": "OPEN", "items": [1]}'
    found = content_diff(piece("response", "text/plain"), before, after)
    assert found is not None
    assert [(one.path, one.before, one.after) for one in found.changes] == [
        ("$.state", "PAID", "OPEN"), ("$.items[1]", 2, None),
    ]  # fmt: skip
    assert content_diff(piece("response", "text/plain"), before, before.replace(b"Mon", b"Sun")) is None


def test_listings_are_compared_by_lines_and_bounded() -> None:
    """Names that came and went; never more than a screen of them."""
    before = "\n".join(f"old-{number}" for number in range(100)).encode()
    found = content_diff(piece("listing", "text/plain"), before, b"new-1")
    assert found is not None
    assert found.new_lines == ["new-1"]
    assert len(found.missing_lines) == MAX_ROWS


def test_pages_and_pictures_are_not_compared() -> None:
    """They change with every look: what matters in them is asserted or captured."""
    assert not comparable(piece("page", "text/html"))
    assert not comparable(piece("screenshot", "image/png"))
    assert not comparable(piece("recording"))
    assert not comparable(piece(size_bytes=10**9))
    assert comparable(piece())


def test_a_little_slower_is_noise() -> None:
    """A fifth and 50 ms are told; less is not."""
    assert _slower(1.3, 1.0) == 0.3
    assert _slower(1.1, 1.0) is None
    assert _slower(0.02, 0.01) is None
    assert _slower(None, 1.0) is None
