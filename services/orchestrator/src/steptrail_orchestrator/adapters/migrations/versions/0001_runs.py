"""Runs, steps, attempts, events, and what guards them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from steptrail_common.database import Moment
from steptrail_common.inbox import inbox_table
from steptrail_common.outbox import outbox_table

revision = "0001"
down_revision = None
ID = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_definitions_and_runs()
    _create_steps_and_attempts()
    _create_events()
    _create_the_rest()
    queues = sa.MetaData()
    outbox_table(queues)
    inbox_table(queues)
    queues.create_all(op.get_bind())
    guard = _guard_postgresql if op.get_bind().dialect.name == "postgresql" else _guard_sqlite
    guard()


def _create_definitions_and_runs() -> None:
    op.create_table(
        "definitions",
        sa.Column("definition_id", ID, primary_key=True, comment="Made from the content: stored once, never changed"),
        sa.Column("process_id", ID, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False, comment="JSON: DefinitionSnapshot"),
        sa.Column("stored_at", Moment(), nullable=False),
    )
    op.create_table(
        "runs",
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
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_runs_queued", "runs", ["queued_at", "run_id"])
    op.create_index("ix_runs_process", "runs", ["process_id", "queued_at", "run_id"])
    op.create_index("ix_runs_status", "runs", ["status", "queued_at", "run_id"])
    op.create_index("ix_runs_key", "runs", ["key", "queued_at"])
    still_open, continued = sa.text("ended_at IS NULL"), sa.text("from_run IS NOT NULL")
    op.create_index("ix_runs_wake", "runs", ["wake_at"], postgresql_where=still_open, sqlite_where=still_open)
    op.create_index("ix_runs_from", "runs", ["from_run"], postgresql_where=continued, sqlite_where=continued)


def _create_steps_and_attempts() -> None:
    op.create_table(
        "run_steps",
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
    op.create_table(
        "attempts",
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
    op.create_table(
        "evidence",
        sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("evidence_id", ID, primary_key=True),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False, comment="JSON: Evidence"),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column(
            "position", NUMBER, sa.Identity(), primary_key=True, comment="Global; may become visible out of order"
        ),
        sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("process_id", ID, nullable=False),
        sa.Column("document", sa.Text(), nullable=False, comment="JSON: RunEvent"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_events_run_seq", "events", ["run_id", "seq"], unique=True)


def _create_the_rest() -> None:
    op.create_table(
        "idempotency",
        sa.Column("actor", ID, primary_key=True),
        sa.Column("key", ID, primary_key=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
    )
    op.create_table(
        "late_results",
        sa.Column("late_id", NUMBER, sa.Identity(), primary_key=True),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False, comment="JSON: StepResult without its token"),
    )
    op.create_index("ix_late_results_run", "late_results", ["run_id"])
    op.create_table(
        "workers",
        sa.Column("worker_id", ID, primary_key=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("check_types", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("load", sa.Integer(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
    )


def _guard_postgresql() -> None:
    """Final is final, and what happened stays as it was told: enforced where no bug of ours can pass."""
    op.execute(
        """
        CREATE FUNCTION steptrail_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is final', TG_TABLE_NAME USING ERRCODE = 'check_violation';
        END $$
        """
    )
    for table, condition in _GUARDS.items():
        op.execute(
            f"CREATE TRIGGER {table}_final BEFORE UPDATE ON {table} FOR EACH ROW"
            f" WHEN ({condition.replace('<>', 'IS DISTINCT FROM')}) EXECUTE FUNCTION steptrail_refuse_change()"
        )


def _guard_sqlite() -> None:
    for table, condition in _GUARDS.items():
        op.execute(
            f"CREATE TRIGGER {table}_final BEFORE UPDATE ON {table} FOR EACH ROW"
            f" WHEN ({condition.replace('<>', 'IS NOT')}) BEGIN SELECT RAISE(ABORT, '{table} is final'); END"
        )


_GUARDS = {
    "runs": "OLD.ended_at IS NOT NULL AND (NEW.status <> OLD.status OR NEW.ended_at <> OLD.ended_at"
    " OR NEW.wake_at <> OLD.wake_at OR NEW.seq <> OLD.seq OR NEW.verdict <> OLD.verdict)",
    "run_steps": "OLD.ended_at IS NOT NULL AND (NEW.status <> OLD.status OR NEW.ended_at <> OLD.ended_at"
    " OR NEW.attempt <> OLD.attempt OR NEW.captures <> OLD.captures)",
    "attempts": "OLD.ended_at IS NOT NULL AND (NEW.status <> OLD.status OR NEW.ended_at <> OLD.ended_at"
    " OR NEW.result <> OLD.result OR NEW.token <> OLD.token)",
    "events": "NEW.document <> OLD.document OR NEW.seq <> OLD.seq OR NEW.run_id <> OLD.run_id",
    "definitions": "NEW.snapshot <> OLD.snapshot",
}
