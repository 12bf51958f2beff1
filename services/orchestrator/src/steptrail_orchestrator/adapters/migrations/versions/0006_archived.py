"""Which runs are in the archive: they are not archived again when some of what belongs to them is gone already."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
ID = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table("archived", sa.Column("run_id", ID, sa.ForeignKey("runs.run_id"), primary_key=True))
