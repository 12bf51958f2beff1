"""Incidents: one per root cause, the keys it stops, what happened to it; events about them leave by an outbox."""

import sqlalchemy as sa
from alembic import op
from steptrail_common.database import ID, Moment
from steptrail_common.outbox import outbox_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    afflicted: sa.Column[bool] = sa.Column("afflicted", sa.Boolean(), nullable=False, server_default=sa.false(),
                          comment="May stand in an incident")  # fmt: skip
    op.add_column("processes", afflicted)
    op.add_column("deliveries", sa.Column("incident_id", ID, nullable=True))
    op.create_index("ix_deliveries_incident_id", "deliveries", ["incident_id"])
    _create_incidents()
    _create_keys()
    op.create_table(
        "incident_lines",
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("run_id", ID, nullable=True),
        sa.PrimaryKeyConstraint("incident_id", "number", name="pk_incident_lines"),
    )
    queues = sa.MetaData(naming_convention={"pk": "pk_%(table_name)s"})
    outbox_table(queues)
    queues.create_all(op.get_bind())


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("cause", ID, nullable=False, comment="What makes two runs belong to the same incident"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failure_class", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("first_aid", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("last_seen_at", Moment(), nullable=False),
        sa.Column("last_run_id", ID, nullable=False),
        sa.Column("last_process_id", ID, nullable=False),
        sa.Column("last_key", sa.Text(), nullable=False),
        sa.Column("last_step_id", sa.Text(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("keys_open", sa.Integer(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="Of its last line; events carry it"),
        sa.Column("acknowledged_at", Moment(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("resolved_at", Moment(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_cause_resolved_at", "incidents", ["cause", "resolved_at"])
    op.create_index("ix_incidents_resolved_at_incident_id", "incidents", ["resolved_at", "incident_id"])
    is_open = sa.text("resolved_at IS NULL")
    op.create_index(
        "ix_incidents_open", "incidents", ["cause"], unique=True, postgresql_where=is_open, sqlite_where=is_open
    )


def _create_keys() -> None:
    op.create_table(
        "incident_keys",
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("process_id", ID, nullable=False),
        sa.Column("key", ID, nullable=False, comment="Empty for runs without a key"),
        sa.Column("process_name", sa.Text(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=False),
        sa.Column("step_name", sa.Text(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("first_run_id", ID, nullable=False),
        sa.Column("first_seen_at", Moment(), nullable=False),
        sa.Column("last_run_id", ID, nullable=False),
        sa.Column("last_seen_at", Moment(), nullable=False),
        sa.Column("cleared_at", Moment(), nullable=True),
        sa.Column("cleared_run_id", ID, nullable=True),
        sa.Column("cleared_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", "process_id", "key", name="pk_incident_keys"),
    )
    is_open = sa.text("cleared_at IS NULL")
    op.create_index(
        "ix_incident_keys_open",
        "incident_keys",
        ["process_id", "key"],
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
