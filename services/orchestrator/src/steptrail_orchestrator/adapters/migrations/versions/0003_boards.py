"""The last stuck board of each process."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from steptrail_common.database import Moment

revision = "0003"
down_revision = "0002"
ID = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "boards",
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
    op.create_table(
        "board_keys",
        sa.Column("process_id", ID, primary_key=True),
        sa.Column("key", ID, primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False, comment="Of the step it waits at; a million when past all"),
        sa.Column("since_at", Moment()),
        sa.Column("here_since", Moment(), nullable=False),
    )
    op.create_index("ix_board_keys_step", "board_keys", ["process_id", "number", "since_at"])
