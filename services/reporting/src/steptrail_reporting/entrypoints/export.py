"""Runs as CSV and JSON, written while they are read: both say the same."""

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence

from steptrail_common.contracts.model import utc
from steptrail_common.contracts.reporting import RunFact

from steptrail_reporting.domain.cells import cell
from steptrail_reporting.domain.period import Period

COLUMNS = tuple(RunFact.model_fields)


async def csv_lines(pages: AsyncIterator[Sequence[RunFact]]) -> AsyncIterator[str]:
    """One line per run behind a header; RFC 4180, every text quoted and none able to start a formula."""
    yield _csv([COLUMNS])
    async for page in pages:
        rows = (run.model_dump(mode="json") for run in page)
        yield _csv([[cell(row[name]) for name in COLUMNS] for row in rows])


async def json_pieces(pages: AsyncIterator[Sequence[RunFact]], asked: Period) -> AsyncIterator[str]:
    """One document: the period, the runs, and their count at the end as proof that nothing was cut off."""
    yield f'{{"since":{json.dumps(utc(asked.since))},"until":{json.dumps(utc(asked.until))},"items":['
    count = 0
    async for page in pages:
        yield ("," if count else "") + ",".join(run.model_dump_json() for run in page)
        count += len(page)
    yield f'],"count":{count}}}\n'


def _csv(rows: Sequence[Sequence[object]]) -> str:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return written.getvalue()
