"""Which processes have a stuck board, so that they can be listed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("processes", sa.Column("board", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("processes_by_board", "processes", ["board", "sort_name", "process_id"])
    connection = op.get_bind()
    processes = sa.table("processes", *map(sa.column, ("process_id", "revision", "board")))
    revisions = sa.table("revisions", sa.column("process_id"), sa.column("revision"), sa.column("definition", sa.JSON))
    newest = (revisions.c.process_id == processes.c.process_id) & (revisions.c.revision == processes.c.revision)
    rows = connection.execute(sa.select(processes.c.process_id, revisions.c.definition).where(newest)).all()
    with_board = [{"id": row.process_id} for row in rows if row.definition.get("population") is not None]
    if with_board:
        mine = processes.c.process_id == sa.bindparam("id")
        connection.execute(sa.update(processes).where(mine).values(board=True), with_board)
