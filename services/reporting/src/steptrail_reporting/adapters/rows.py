"""Between facts and rows, and rows and contracts."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from steptrail_common.contracts.reporting import RunFact

from steptrail_reporting.domain.facts import UNKNOWN, RunFacts, StepFacts, run_seconds
from steptrail_reporting.domain.process import Ended, ProcessFacts, StepName
from steptrail_reporting.domain.rollup import run_bucket, step_bucket, wait_bucket
from steptrail_reporting.domain.seen import Seen

_STEP_COLUMNS = (
    "step_id", "number", "name", "check_type", "status", "status_seq", "failure_class", "attempts", "retries",
    "started_at", "ended_at", "duration_seconds", "queue_wait_seconds",
)  # fmt: skip
_RUN_COLUMNS = (
    "run_id", "process_id", "process_name", "revision", "status", "status_seq", "status_changed", "trigger",
    "initiated_by", "key", "from_run", "queued_at", "started_at", "ended_at", "duration_seconds", "verdict",
    "own_failure_class",
)  # fmt: skip


def run_row(run: RunFacts) -> dict[str, Any]:
    """A run's row, with what is derived for filters, search and figures."""
    searched = (run.process_name, run.process_id, run.run_id, run.key, run.initiated_by, run.verdict, run.failed_step)
    return {
        **{name: getattr(run, name) for name in _RUN_COLUMNS},
        "duration_bucket": run_bucket(run),
        "failure_class": run.failure_class,
        "failed_step": run.failed_step,
        "retries": run.retries,
        "seen": str(run.seen),
        "search": " ".join(part for part in searched if part).lower(),
    }


def step_row(run_id: str, step: StepFacts) -> dict[str, Any]:
    return {
        **{name: getattr(step, name) for name in _STEP_COLUMNS},
        "run_id": run_id,
        "duration_bucket": step_bucket(step),
        "queue_wait_bucket": wait_bucket(step),
    }


def run_of(row: RowMapping) -> RunFacts:
    """A run without its steps."""
    return RunFacts(**{name: row[name] for name in _RUN_COLUMNS}, seen=Seen.parse(row["seen"]))


def step_of(row: RowMapping) -> StepFacts:
    return StepFacts(**{name: row[name] for name in _STEP_COLUMNS})


def fact_of(row: RowMapping) -> RunFact:
    """A row as clients see it."""
    run = run_of(row)
    return RunFact(
        run_id=run.run_id,
        process_id=run.process_id,
        process_name=run.process_name or run.process_id,
        status=row["status"],
        trigger=run.trigger or UNKNOWN,
        initiated_by=run.initiated_by or UNKNOWN,
        key=run.key,
        queued_at=run.queued_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        duration_seconds=run_seconds(run),
        verdict=run.verdict,
        failed_step=row["failed_step"],
        failure_class=row["failure_class"],
        retries=row["retries"],
    )


def process_row(process: ProcessFacts) -> dict[str, Any]:
    last = process.last
    recent = [[ended.ended_at.isoformat(), ended.run_id, ended.status] for ended in process.recent]
    steps = {
        step_id: [step.seen_at.isoformat(), step.number, step.name, step.check_type]
        for step_id, step in sorted(process.steps.items())
    }
    return {
        "process_id": process.process_id,
        "name": process.name,
        "name_at": process.name_at,
        "deleted": process.deleted,
        "active": process.active,
        "defined_at": process.defined_at,
        "running": process.running,
        "last_run_id": last.run_id if last else None,
        "last_status": last.status if last else None,
        "last_run_at": last.ended_at if last else None,
        "last_key": process.last_key,
        "last_verdict": process.last_verdict,
        "since": process.since,
        "recent": json.dumps(recent),
        "steps": json.dumps(steps),
    }


def process_of(row: RowMapping) -> ProcessFacts:
    return ProcessFacts(
        process_id=row["process_id"],
        name=row["name"],
        name_at=row["name_at"],
        deleted=row["deleted"],
        active=row["active"],
        defined_at=row["defined_at"],
        running=row["running"],
        last=Ended(row["last_run_at"], row["last_run_id"], row["last_status"]) if row["last_run_id"] else None,
        last_key=row["last_key"],
        last_verdict=row["last_verdict"],
        since=row["since"],
        recent=[Ended(_moment(at), run_id, status) for at, run_id, status in json.loads(row["recent"])],
        steps={
            step_id: StepName(_moment(at), number, name, check_type)
            for step_id, (at, number, name, check_type) in json.loads(row["steps"]).items()
        },
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
