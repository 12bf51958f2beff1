"""Schedules and what became of their ticks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from steptrail_common.database import Moment

revision = "0002"
down_revision = "0001"
ID = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "schedules",
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
    )
    op.create_index("ix_schedules_fire", "schedules", ["fire_at"])
    op.create_index("ix_schedules_process", "schedules", ["process_id", "number"])
    op.create_table(
        "schedule_sources",
        sa.Column("process_id", ID, primary_key=True),
        sa.Column("revision", sa.Integer(), nullable=False, comment="Whose schedules are stored, none included"),
    )
    op.create_table(
        "schedule_ticks",
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
    )
    op.create_index("ix_schedule_ticks_process", "schedule_ticks", ["process_id", "tick_at"])
