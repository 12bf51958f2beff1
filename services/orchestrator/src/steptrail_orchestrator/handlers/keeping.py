"""Forgetting runs that are older than the installation wants to keep them, and archiving them before."""

import gzip
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json
from steptrail_common import telemetry
from steptrail_common.contracts.workers import Evidence
from steptrail_common.errors import NotFound
from steptrail_common.evidence import EvidenceDamaged, EvidenceStore

from steptrail_orchestrator.domain.picture import Background, view
from steptrail_orchestrator.ports import RunKeeping, RunReader

RUNS_AT_ONCE = 100
"""In one transaction, and in one file of the archive: few enough that no run under way waits for it."""
_EVENTS_AT_ONCE = 1000
SHA256_SUMS = "text/x-sha256sum"


@dataclass(frozen=True, slots=True)
class Archive:
    """Where ended runs go before they are forgotten, and what they are read with."""

    place: EvidenceStore
    reader: RunReader


async def forget_old_runs(
    *, keeping: RunKeeping, evidence: EvidenceStore, keep_seconds: float, archive: Archive | None = None
) -> int:
    """Every run that ended longer ago, with its events and evidence; returns how many.

    Whole months are dropped at once, the rest goes run by run. Evidence goes first: a run without evidence says so,
    while files without a run would stay for ever. Open runs stay, and so do the facts of reporting. May be broken off
    anywhere and run on every replica; a run may then be in the archive twice, whole each time. Raises `Unavailable`,
    also while the archive cannot be written: then nothing more is forgotten.
    """
    forgotten = 0
    while (month := await keeping.expired_month(older_than_seconds=keep_seconds)) is not None:
        async for run_ids in _of_month(keeping, month):
            await _clear(run_ids, keeping, evidence, archive)
        forgotten += await keeping.forget_month(month)
    while run_ids := await keeping.expired(older_than_seconds=keep_seconds, limit=RUNS_AT_ONCE):
        await _clear(run_ids, keeping, evidence, archive)
        await keeping.forget(run_ids)
        forgotten += len(run_ids)
    if forgotten:
        telemetry.log.info("runs.forgotten", runs=forgotten, older_than_days=round(keep_seconds / 86400, 1))
    return forgotten


async def _of_month(keeping: RunKeeping, month: str) -> AsyncIterator[Sequence[str]]:
    after = ""
    while run_ids := await keeping.runs_of_month(month, after=after, limit=RUNS_AT_ONCE):
        yield run_ids
        after = run_ids[-1]


async def _clear(run_ids: Sequence[str], keeping: RunKeeping, evidence: EvidenceStore, archive: Archive | None) -> None:
    if archive is not None:
        await _archive(run_ids, keeping, evidence, archive)
    for run_id in run_ids:
        await evidence.delete_run(run_id)


async def _archive(run_ids: Sequence[str], keeping: RunKeeping, evidence: EvidenceStore, archive: Archive) -> None:
    """Those that are not there yet. What was read is used only if nobody had archived the run by then: nothing of it
    was deleted before, so that a run never comes a second time with less."""
    found: dict[str, dict[str, Any]] = {}
    for run_id in await keeping.not_archived(run_ids):
        if (document := await _document(run_id, evidence, archive.reader)) is not None:
            found[run_id] = document
    whole = await keeping.not_archived(list(found)) if found else ()
    if whole:
        await _put([found[run_id] for run_id in whole], archive.place)
        await keeping.note_archived(whole)


async def _put(documents: Sequence[dict[str, Any]], place: EvidenceStore) -> None:
    """One compressed file, in the folder of the month in which its first run was queued: a line of JSON for each.

    Its hash lies beside it, as `sha256sum -c` reads it, and is written last: a file without one was broken off.
    """
    first = documents[0]["run"]
    month, name = first.queued_at.strftime("%Y-%m"), f"runs-{first.run_id}"
    lines = b"\n".join(to_json(document, inf_nan_mode="null") for document in documents) + b"\n"
    kept = await place.put(month, name, gzip.compress(lines, mtime=0), "application/gzip")
    line = f"{kept.sha256}  {kept.address.rsplit('/', 1)[-1]}\n"
    await place.put(month, name, line.encode(), SHA256_SUMS)


async def _document(run_id: str, evidence: EvidenceStore, reader: RunReader) -> dict[str, Any] | None:
    """Everything of a run: as the API shows it, its definition, its events, its evidence with the bytes. None if it is
    gone, or all that is left of it is its row, since its month was dropped: every run has events until then."""
    stored = await reader.run(run_id)
    if stored is None:
        return None
    shown = view(stored.run, stored.chain, stored.steps, stored.tried, Background(), await reader.now())
    events: list[Any] = []
    while found := await reader.events(run_id, after=len(events), limit=_EVENTS_AT_ONCE):
        events += found
    if not events:
        return None
    pieces = [piece for step in shown.steps for attempt in step.attempts for piece in attempt.evidence]
    return {
        "run": shown,
        "definition": stored.chain.definition.model_dump(mode="json", by_alias=True, exclude_none=True),
        "events": events,
        "evidence": [await _with_bytes(piece, evidence) for piece in pieces],
    }


async def _with_bytes(piece: Evidence, evidence: EvidenceStore) -> dict[str, Any]:
    """A piece with its bytes in base64; without them if it was lost or changed since it was written."""
    try:
        body: str | None = b64encode(await evidence.get(piece.address, piece.sha256)).decode()
    except (NotFound, EvidenceDamaged):
        body = None
    return {**piece.model_dump(mode="json"), "body": body}
