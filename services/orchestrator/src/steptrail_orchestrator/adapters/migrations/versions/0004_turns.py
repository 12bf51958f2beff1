"""Limits on steps under way at once: who holds a place, who waits for one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from steptrail_common.database import Moment

revision = "0004"
down_revision = "0003"
ID = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("limit", ID, primary_key=True, comment="process:… or connection:…"),
        sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("process_id", ID, nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False, comment="Asked for by somebody, not by a schedule"),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False, comment="Else the run waits for a place"),
    )
    op.create_index("ix_turns_run", "turns", ["run_id"])
