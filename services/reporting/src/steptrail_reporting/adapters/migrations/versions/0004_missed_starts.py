"""Scheduled starts that were missed, each of them once however often it is told."""

import sqlalchemy as sa
from alembic import op
from steptrail_common.database import ID, Moment

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "missed_starts",
        sa.Column("schedule_id", ID, nullable=False),
        sa.Column("tick_at", Moment(), nullable=False),
        sa.Column("process_id", ID, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False, comment="Ticks in a row, all on the UTC day of the first"),
        sa.PrimaryKeyConstraint("schedule_id", "tick_at", name=op.f("pk_missed_starts")),
    )
    op.create_index(op.f("ix_missed_starts_process_id_tick_at"), "missed_starts", ["process_id", "tick_at"])
