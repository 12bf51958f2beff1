"""What is different between two pieces of evidence of the same step: tables by rows and columns, JSON by paths, other
text by lines. Evidence is masked before it is stored, so nothing here can show more than the evidence does.

Pages, pictures and recordings are not compared: most of them change with every look. What matters in them is asserted
or captured, and those values are compared.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from steptrail_common.contracts.model import Json
from steptrail_common.contracts.orchestrator import Change, ContentDiff, TableDiff
from steptrail_common.contracts.workers import Evidence
from steptrail_common.differences import ABSENT, json_differences

COMPARED_KINDS = frozenset({"rows", "response", "content", "listing"})
MAX_COMPARED_BYTES = 512 * 1024
MAX_CHANGES = 20
MAX_ROWS = 20
MAX_TEXT_CHARACTERS = 300


def comparable(piece: Evidence) -> bool:
    """Whether it is worth reading: of a kind that is compared, textual, and not too large."""
    textual = piece.media_type.startswith(("text/plain", "application/json", "text/csv"))
    return piece.kind in COMPARED_KINDS and textual and piece.size_bytes <= MAX_COMPARED_BYTES


def content_diff(piece: Evidence, before: bytes, after: bytes) -> ContentDiff | None:
    """The difference of two pieces of the same kind and title; None where there is none."""
    old, new = _body(piece, before), _body(piece, after)
    cut = piece.truncated
    old_table, new_table = _table(old), _table(new)
    if old_table is not None and new_table is not None:
        table = _table_diff(*old_table, *new_table)
        return ContentDiff(title=piece.title, table=table, cut=cut) if table else None
    if isinstance(old, str) or isinstance(new, str):
        missing, added = _lines(_as_text(old), _as_text(new))
        if not missing and not added:
            return None
        return ContentDiff(title=piece.title, missing_lines=missing, new_lines=added, cut=cut)
    found = changes(old, new)
    return ContentDiff(title=piece.title, changes=found, cut=cut) if found else None


def changes(before: Json, after: Json, *, below: str = "$") -> list[Change]:
    """The first differences of two JSON values; what one side lacks is null there."""
    return [
        Change(path=below + one.path.removeprefix("$"), before=_short(one.before), after=_short(one.after))
        for one in json_differences(before, after, limit=MAX_CHANGES)
    ]


def _body(piece: Evidence, raw: bytes) -> Json:
    """JSON where it is JSON, else text. Of a response what follows its headers, which change with every answer."""
    text = raw.decode("utf-8", "replace")
    if piece.kind == "response":
        text = text.partition("\n\n")[2]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _table(document: Json) -> tuple[list[str], list[dict[str, Json]], int] | None:
    """(columns, rows by column, rows in all) of a query's evidence."""
    if not isinstance(document, dict) or not isinstance(document.get("columns"), list):
        return None
    columns, rows = [str(name) for name in document["columns"]], document.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return None
    named = [dict(zip(columns, row, strict=False)) for row in rows]
    count = document.get("row_count")
    return columns, named, count if isinstance(count, int) else len(named)


def _table_diff(
    old_columns: list[str], old_rows: list[dict[str, Json]], old_count: int,
    new_columns: list[str], new_rows: list[dict[str, Json]], new_count: int,
) -> TableDiff | None:  # fmt: skip
    """Rows are compared by the columns that both have, whatever their order."""
    shared = [name for name in new_columns if name in old_columns]
    one = len(old_rows) == len(new_rows) == 1
    cells = [Change(path=name, before=old_rows[0][name], after=new_rows[0][name])
             for name in shared if one and old_rows[0].get(name) != new_rows[0].get(name)]  # fmt: skip
    missing = [] if one else _rows_only_in(old_rows, new_rows, shared)
    added = [] if one else _rows_only_in(new_rows, old_rows, shared)
    new_names = [name for name in new_columns if name not in old_columns]
    gone = [name for name in old_columns if name not in new_columns]
    if not (cells or missing or added or new_names or gone or old_count != new_count):
        return None
    return TableDiff(
        before_rows=old_count,
        after_rows=new_count,
        new_columns=new_names,
        missing_columns=gone,
        missing_rows=missing[:MAX_ROWS],
        new_rows=added[:MAX_ROWS],
        changed=cells[:MAX_CHANGES],
    )


def _rows_only_in(
    rows: list[dict[str, Json]], others: list[dict[str, Json]], columns: list[str]
) -> list[dict[str, Json]]:
    left = Counter(_key(row, columns) for row in others)
    found = []
    for row in rows:
        key = _key(row, columns)
        if left[key]:
            left[key] -= 1
        else:
            found.append(row)
    return found


def _key(row: dict[str, Json], columns: Iterable[str]) -> str:
    return json.dumps([row.get(name) for name in columns], sort_keys=True)


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _lines(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = before.splitlines(), after.splitlines()
    kept_old, kept_new = Counter(new), Counter(old)
    missing = [line for line in old if not _taken(kept_old, line)]
    added = [line for line in new if not _taken(kept_new, line)]
    return [_short(line) for line in missing[:MAX_ROWS]], [_short(line) for line in added[:MAX_ROWS]]


def _taken(left: "Counter[str]", line: str) -> bool:
    if not left[line]:
        return False
    left[line] -= 1
    return True


def _short(value: Any) -> Any:
    if value is ABSENT:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return value if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"
