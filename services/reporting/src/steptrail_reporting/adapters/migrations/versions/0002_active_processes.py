"""Whether a process is active, for the overview."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("processes", sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()))
