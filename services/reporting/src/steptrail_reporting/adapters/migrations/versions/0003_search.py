"""An index for free search, where the database has the extension for it."""

import sqlalchemy as sa
import structlog
from alembic import op

revision = "0003"
down_revision = "0002"

log = structlog.get_logger()


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except sa.exc.DBAPIError as error:  # not installed, or our account may not: search then reads all runs
        log.warning(
            "search.without_index",
            detail="the extension pg_trgm could not be created, so free search reads every run of the history; an "
            "administrator of the database can add it at any time: CREATE EXTENSION pg_trgm; "
            "CREATE INDEX ix_runs_search ON runs USING gin (search gin_trgm_ops);",
            error=str(error.orig),
        )
        return
    op.create_index(
        "ix_runs_search", "runs", ["search"], postgresql_using="gin", postgresql_ops={"search": "gin_trgm_ops"}
    )
