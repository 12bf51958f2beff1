"""The tables of the orchestrator. JSON stands in text columns exactly as it was serialised once."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from steptrail_common.database import Moment
from steptrail_common.inbox import inbox_table
from steptrail_common.outbox import outbox_table

metadata = sa.MetaData()
ID = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Ids compare by bytes, the same in both databases."""
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

definitions = sa.Table(
    "definitions",
    metadata,
    sa.Column("definition_id", ID, primary_key=True, comment="Made from the content: stored once, never changed"),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("revision", sa.Integer(), nullable=False),
    sa.Column("snapshot", sa.Text(), nullable=False, comment="JSON: DefinitionSnapshot"),
    sa.Column("stored_at", Moment(), nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", ID, primary_key=True),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("process_name", sa.Text(), nullable=False),
    sa.Column("definition_id", ID, sa.ForeignKey("definitions.definition_id"), nullable=False),
    sa.Column("revision", sa.Integer(), nullable=False),
    sa.Column("trigger", sa.Text(), nullable=False),
    sa.Column("initiated_by", sa.Text(), nullable=False),
    sa.Column("key", sa.Text()),
    sa.Column("inputs", sa.Text(), nullable=False, comment="JSON"),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("queued_at", Moment(), nullable=False),
    sa.Column("started_at", Moment()),
    sa.Column("ended_at", Moment()),
    sa.Column("deadline_at", Moment(), nullable=False),
    sa.Column("wake_at", Moment(), comment="By when something must have happened; null when it is over"),
    sa.Column("current_step", sa.Text()),
    sa.Column("seq", sa.Integer(), nullable=False, comment="Number of its last event"),
    sa.Column("verdict", sa.Text(), comment="JSON, when it is over"),
    sa.Column("failure_class", sa.Text()),
    sa.Column("from_run", ID),
    sa.Column("from_step", sa.Text()),
    sa.Column("trace", sa.Text(), comment="The W3C trace context that all messages of the run continue"),
    sa.CheckConstraint("(ended_at IS NULL) = (wake_at IS NOT NULL)", name="ck_runs_open_has_deadline"),
    sa.CheckConstraint("(ended_at IS NULL) = (status IN ('queued', 'running'))", name="ck_runs_ended_is_final"),
    sa.Index("ix_runs_queued", "queued_at", "run_id"),
    sa.Index("ix_runs_process", "process_id", "queued_at", "run_id"),
    sa.Index("ix_runs_status", "status", "queued_at", "run_id"),
    sa.Index("ix_runs_key", "key", "queued_at"),
    sa.Index(
        "ix_runs_wake",
        "wake_at",
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    ),
    sa.Index(
        "ix_runs_from",
        "from_run",
        postgresql_where=sa.text("from_run IS NOT NULL"),
        sqlite_where=sa.text("from_run IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": "70"},
)

run_steps = sa.Table(
    "run_steps",
    metadata,
    sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("step_id", ID, primary_key=True),
    sa.Column("number", sa.Integer(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("attempt", sa.Integer(), nullable=False),
    sa.Column("base_attempt", sa.Integer(), nullable=False, comment="Attempt number of the last clean look"),
    sa.Column("started_at", Moment()),
    sa.Column("ended_at", Moment()),
    sa.Column("next_attempt_at", Moment()),
    sa.Column("waiting_until", Moment()),
    sa.Column("since_at", Moment()),
    sa.Column("due_at", Moment()),
    sa.Column("failure_class", sa.Text()),
    sa.Column("reason", sa.Text()),
    sa.Column("message", sa.Text()),
    sa.Column("duration_seconds", sa.Double()),
    sa.Column("captures", sa.Text(), comment="JSON"),
    sa.Column("capture_types", sa.Text(), comment="JSON"),
    sa.Column("reused_from", ID),
    postgresql_with={"fillfactor": "70"},
    comment="A step that has not begun has no row: it is pending",
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("step_id", ID, primary_key=True),
    sa.Column("attempt", sa.Integer(), primary_key=True),
    sa.Column("token", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("check_type", sa.Text(), nullable=False),
    sa.Column("timeout_seconds", sa.Double(), nullable=False),
    sa.Column("dispatched_at", Moment(), nullable=False),
    sa.Column("published_at", Moment(), nullable=False, comment="When its request was last put into the outbox"),
    sa.Column("publications", sa.Integer(), nullable=False),
    sa.Column("started_at", Moment()),
    sa.Column("lease_until", Moment()),
    sa.Column("ended_at", Moment()),
    sa.Column("worker_id", sa.Text()),
    sa.Column("failure_class", sa.Text()),
    sa.Column("reason", sa.Text()),
    sa.Column("message", sa.Text()),
    sa.Column("duration_seconds", sa.Double()),
    sa.Column("result", sa.Text(), comment="JSON: StepResult, accepted"),
    sa.Column("late", sa.Boolean(), nullable=False),
    postgresql_with={"fillfactor": "70"},
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("evidence_id", ID, primary_key=True),
    sa.Column("step_id", sa.Text(), nullable=False),
    sa.Column("attempt", sa.Integer(), nullable=False),
    sa.Column("document", sa.Text(), nullable=False, comment="JSON: Evidence"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("position", NUMBER, sa.Identity(), primary_key=True, comment="Global; may become visible out of order"),
    sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), nullable=False),
    sa.Column("seq", sa.Integer(), nullable=False),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("document", sa.Text(), nullable=False, comment="JSON: RunEvent"),
    sa.Index("uq_events_run_seq", "run_id", "seq", unique=True),
    sqlite_autoincrement=True,
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("actor", ID, primary_key=True),
    sa.Column("key", ID, primary_key=True),
    sa.Column("digest", sa.Text(), nullable=False),
    sa.Column("run_id", ID, nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
)

late_results = sa.Table(
    "late_results",
    metadata,
    sa.Column("late_id", NUMBER, sa.Identity(), primary_key=True),
    sa.Column("received_at", Moment(), nullable=False),
    sa.Column("run_id", ID, nullable=False),
    sa.Column("step_id", sa.Text(), nullable=False),
    sa.Column("attempt", sa.Integer(), nullable=False),
    sa.Column("worker_id", sa.Text(), nullable=False),
    sa.Column("why", sa.Text(), nullable=False),
    sa.Column("result", sa.Text(), nullable=False, comment="JSON: StepResult without its token"),
    sa.Index("ix_late_results_run", "run_id"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker_id", ID, primary_key=True),
    sa.Column("version", sa.Text(), nullable=False),
    sa.Column("check_types", sa.Text(), nullable=False, comment="JSON"),
    sa.Column("load", sa.Integer(), nullable=False),
    sa.Column("capacity", sa.Integer(), nullable=False),
    sa.Column("seen_at", Moment(), nullable=False),
)

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("schedule_id", ID, primary_key=True),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("process_name", sa.Text(), nullable=False),
    sa.Column("number", sa.Integer(), nullable=False, comment="Its place in the definition, from 1"),
    sa.Column("schedule", sa.Text(), nullable=False, comment="JSON: Schedule"),
    sa.Column("windows", sa.Text(), nullable=False, comment="JSON: maintenance windows of the process"),
    sa.Column("active", sa.Boolean(), nullable=False, comment="Whether the process is"),
    sa.Column("tick_at", Moment(), comment="The next tick; null while nothing is due"),
    sa.Column("fire_at", Moment(), comment="The next tick with its jitter"),
    sa.Column("paused_at", Moment()),
    sa.Column("paused_by", sa.Text()),
    sa.Column("last_tick_at", Moment()),
    sa.Column("last_outcome", sa.Text()),
    sa.Column("last_run_id", ID),
    sa.Index("ix_schedules_fire", "fire_at"),
    sa.Index("ix_schedules_process", "process_id", "number"),
)

schedule_sources = sa.Table(
    "schedule_sources",
    metadata,
    sa.Column("process_id", ID, primary_key=True),
    sa.Column("revision", sa.Integer(), nullable=False, comment="Whose schedules are stored, none included"),
)

schedule_ticks = sa.Table(
    "schedule_ticks",
    metadata,
    sa.Column("schedule_id", ID, primary_key=True),
    sa.Column("tick_at", Moment(), primary_key=True, comment="One row for a tick, whoever acts upon it first"),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("until_at", Moment(), nullable=False, comment="The last of `count` ticks in a row"),
    sa.Column("count", sa.Integer(), nullable=False),
    sa.Column("outcome", sa.Text(), nullable=False),
    sa.Column("reason", sa.Text()),
    sa.Column("message", sa.Text()),
    sa.Column("run_id", ID),
    sa.Column("decided_at", Moment(), nullable=False),
    sa.Index("ix_schedule_ticks_process", "process_id", "tick_at"),
)

boards = sa.Table(
    "boards",
    metadata,
    sa.Column("process_id", ID, primary_key=True),
    sa.Column("revision", sa.Integer()),
    sa.Column("taken_at", Moment(), comment="Null while no refresh has worked"),
    sa.Column("taken_by", sa.Text()),
    sa.Column("duration_seconds", sa.Double()),
    sa.Column("steps", sa.Text(), comment="JSON: list of BoardStep"),
    sa.Column("open_keys", sa.Integer()),
    sa.Column("finished", sa.Integer()),
    sa.Column("failed_at", Moment()),
    sa.Column("message", sa.Text()),
)

board_keys = sa.Table(
    "board_keys",
    metadata,
    sa.Column("process_id", ID, primary_key=True),
    sa.Column("key", ID, primary_key=True),
    sa.Column("number", sa.Integer(), nullable=False, comment="Of the step it waits at; a million when past all"),
    sa.Column("since_at", Moment()),
    sa.Column("here_since", Moment(), nullable=False),
    sa.Index("ix_board_keys_step", "process_id", "number", "since_at"),
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("limit", ID, primary_key=True, comment="process:… or connection:…"),
    sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("urgent", sa.Boolean(), nullable=False, comment="Asked for by somebody, not by a schedule"),
    sa.Column("since", Moment(), nullable=False),
    sa.Column("places", sa.Integer(), nullable=False),
    sa.Column("held", sa.Boolean(), nullable=False, comment="Else the run waits for a place"),
    sa.Index("ix_turns_run", "run_id"),
)

inspections = sa.Table(
    "inspections",
    metadata,
    sa.Column("connection_id", ID, primary_key=True),
    sa.Column("version", sa.Integer(), nullable=False),
    sa.Column("next_at", Moment(), nullable=False, comment="Nobody looks at the rights of its account before"),
)

archived = sa.Table("archived", metadata, sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), primary_key=True))

outbox = outbox_table(metadata)
inbox = inbox_table(metadata)
