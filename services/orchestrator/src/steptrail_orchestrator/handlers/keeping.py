"""Forgetting runs that are older than the installation wants to keep them."""

from steptrail_common import telemetry
from steptrail_common.evidence import EvidenceStore

from steptrail_orchestrator.ports import RunStore

RUNS_AT_ONCE = 100
"""In one transaction: few enough that no run under way waits for it."""


async def forget_old_runs(*, store: RunStore, evidence: EvidenceStore, keep_seconds: float) -> int:
    """Every run that ended longer ago, with its events and evidence; returns how many.

    Evidence goes first: a run without evidence says so, while files without a run would stay for ever. Open runs stay,
    and so do the facts of reporting. May be broken off anywhere and run on every replica.
    """
    forgotten = 0
    while run_ids := await store.expired(older_than_seconds=keep_seconds, limit=RUNS_AT_ONCE):
        for run_id in run_ids:
            await evidence.delete_run(run_id)
        await store.forget(run_ids)
        forgotten += len(run_ids)
    if forgotten:
        telemetry.log.info("runs.forgotten", runs=forgotten, older_than_days=round(keep_seconds / 86400, 1))
    return forgotten
