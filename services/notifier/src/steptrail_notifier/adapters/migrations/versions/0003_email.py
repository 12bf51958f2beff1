"""Channels of e-mail; what a receiver answered, and who of several has not got a message."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("channels", sa.Column("kind", sa.Text(), nullable=False, server_default="webhook"))
    op.add_column("channels", sa.Column("email", sa.Text(), nullable=True, comment="JSON: settings of e-mail"))
    op.add_column("deliveries", sa.Column("last_answer", sa.Text(), nullable=True))
    op.add_column(
        "deliveries",
        sa.Column("owed", sa.Text(), nullable=True, comment="JSON: recipients without it; empty: all of them"),
    )
