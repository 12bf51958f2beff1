"""Facts, steps, processes, counters."""

import sqlalchemy as sa
from alembic import op
from steptrail_common.database import ID, Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("process_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="A step id, or nothing for the run"),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("process_id", "day", "scope", "measure", "bucket", name=op.f("pk_counters")),
    )
    op.create_table(
        "processes",
        sa.Column("process_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_at", Moment(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("defined_at", Moment(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("last_run_id", sa.Text(), nullable=True),
        sa.Column("last_status", sa.Text(), nullable=True),
        sa.Column("last_run_at", Moment(), nullable=True),
        sa.Column("last_key", sa.Text(), nullable=True),
        sa.Column("last_verdict", sa.Text(), nullable=True),
        sa.Column("since", Moment(), nullable=True),
        sa.Column("recent", sa.Text(), nullable=False, comment="JSON: [ended_at, run_id, status] of the last 30"),
        sa.Column("steps", sa.Text(), nullable=False, comment="JSON: step_id → [seen_at, number, name, check_type]"),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_processes")),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("process_id", ID, nullable=False),
        sa.Column("process_name", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_seq", sa.Integer(), nullable=False),
        sa.Column("status_changed", sa.Boolean(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=True),
        sa.Column("initiated_by", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("from_run", sa.Text(), nullable=True),
        sa.Column("queued_at", Moment(), nullable=False),
        sa.Column("started_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("duration_seconds", sa.Float(), nullable=True),
        sa.Column("duration_bucket", sa.Integer(), nullable=True, comment="Of passed runs"),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("own_failure_class", sa.Text(), nullable=True),
        sa.Column("failure_class", sa.Text(), nullable=True),
        sa.Column("failed_step", sa.Text(), nullable=True),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False, comment="Ranges of the event numbers counted"),
        sa.Column("search", sa.Text(), nullable=False, comment="Lower-case text that free search looks into"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    op.create_index(
        "ix_runs_changes",
        "runs",
        ["process_id", "ended_at"],
        unique=False,
        postgresql_where=sa.text("status_changed"),
        sqlite_where=sa.text("status_changed"),
    )
    op.create_index(op.f("ix_runs_key_queued_at_run_id"), "runs", ["key", "queued_at", "run_id"], unique=False)
    op.create_index(
        op.f("ix_runs_process_id_ended_at_run_id"), "runs", ["process_id", "ended_at", "run_id"], unique=False
    )
    op.create_index(
        op.f("ix_runs_process_id_queued_at_run_id"), "runs", ["process_id", "queued_at", "run_id"], unique=False
    )
    op.create_index(op.f("ix_runs_queued_at_run_id"), "runs", ["queued_at", "run_id"], unique=False)
    op.create_index(op.f("ix_runs_status_queued_at_run_id"), "runs", ["status", "queued_at", "run_id"], unique=False)
    op.create_table(
        "steps",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("step_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("check_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_seq", sa.Integer(), nullable=False),
        sa.Column("failure_class", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("started_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("duration_seconds", sa.Float(), nullable=True),
        sa.Column("duration_bucket", sa.Integer(), nullable=True, comment="Of passed steps"),
        sa.Column("queue_wait_seconds", sa.Float(), nullable=True),
        sa.Column("queue_wait_bucket", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "step_id", name=op.f("pk_steps")),
    )
