"""The tables of reporting, the same in PostgreSQL and SQLite."""

import sqlalchemy as sa
from steptrail_common.database import ID, Moment

metadata = sa.MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("process_id", ID, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("name_at", Moment, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("defined_at", Moment, nullable=False),
    sa.Column("running", sa.Integer, nullable=False),
    sa.Column("last_run_id", sa.Text),
    sa.Column("last_status", sa.Text),
    sa.Column("last_run_at", Moment),
    sa.Column("last_key", sa.Text),
    sa.Column("last_verdict", sa.Text),
    sa.Column("since", Moment),
    sa.Column("recent", sa.Text, nullable=False, comment="JSON: [ended_at, run_id, status] of the last 30"),
    sa.Column("steps", sa.Text, nullable=False, comment="JSON: step_id → [seen_at, number, name, check_type]"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", ID, primary_key=True),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("process_name", sa.Text),
    sa.Column("revision", sa.Integer),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("status_seq", sa.Integer, nullable=False),
    sa.Column("status_changed", sa.Boolean, nullable=False),
    sa.Column("trigger", sa.Text),
    sa.Column("initiated_by", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("from_run", sa.Text),
    sa.Column("queued_at", Moment, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("ended_at", Moment),
    sa.Column("duration_seconds", sa.Float),
    sa.Column("duration_bucket", sa.Integer, comment="Of passed runs"),
    sa.Column("verdict", sa.Text),
    sa.Column("own_failure_class", sa.Text),
    sa.Column("failure_class", sa.Text),
    sa.Column("failed_step", sa.Text),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("seen", sa.Text, nullable=False, comment="Ranges of the event numbers counted"),
    sa.Column("search", sa.Text, nullable=False, comment="Lower-case text that free search looks into"),
    sa.Index(None, "queued_at", "run_id"),
    sa.Index(None, "process_id", "queued_at", "run_id"),
    sa.Index(None, "status", "queued_at", "run_id"),
    sa.Index(None, "key", "queued_at", "run_id"),
    sa.Index(None, "process_id", "ended_at", "run_id"),
)
sa.Index(
    "ix_runs_changes",
    runs.c.process_id,
    runs.c.ended_at,
    postgresql_where=sa.text("status_changed"),
    sqlite_where=sa.text("status_changed"),
)
sa.Index("ix_runs_search", runs.c.search, postgresql_using="gin", postgresql_ops={"search": "gin_trgm_ops"}).ddl_if(
    dialect="postgresql"
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("run_id", ID, primary_key=True),
    sa.Column("step_id", ID, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("check_type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("status_seq", sa.Integer, nullable=False),
    sa.Column("failure_class", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("ended_at", Moment),
    sa.Column("duration_seconds", sa.Float),
    sa.Column("duration_bucket", sa.Integer, comment="Of passed steps"),
    sa.Column("queue_wait_seconds", sa.Float),
    sa.Column("queue_wait_bucket", sa.Integer),
)

missed_starts = sa.Table(
    "missed_starts",
    metadata,
    sa.Column("schedule_id", ID, primary_key=True),
    sa.Column("tick_at", Moment, primary_key=True),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("count", sa.Integer, nullable=False, comment="Ticks in a row, all on the UTC day of the first"),
    sa.Index(None, "process_id", "tick_at"),
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("process_id", ID, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True, comment="A step id, or nothing for the run"),
    sa.Column("measure", sa.Text, primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
