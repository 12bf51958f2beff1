"""Which replica looks at the rights of an account, and when they are looked at again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from steptrail_common.database import Moment

revision = "0007"
down_revision = "0006"
ID = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "inspections",
        sa.Column("connection_id", ID, primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("next_at", Moment(), nullable=False, comment="Nobody looks at the rights of its account before"),
    )
