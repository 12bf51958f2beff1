"""The tables of the SQL store."""

import sqlalchemy as sa
from steptrail_common.database import Moment
from steptrail_common.outbox import outbox_table

metadata = sa.MetaData()

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("process_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False, default=False),
    sa.Column("summary", sa.JSON, nullable=False),
    sa.Column("sort_name", sa.Text, nullable=False),
    sa.Column("search_text", sa.Text, nullable=False),
    sa.Column("category", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("board", sa.Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index("processes_by_name", "deleted", "sort_name", "process_id"),
    sa.Index("processes_by_category", "category"),
    sa.Index("processes_by_owner", "owner"),
    sa.Index("processes_by_board", "board", "sort_name", "process_id"),
)
process_tags = sa.Table(
    "process_tags",
    metadata,
    sa.Column("process_id", sa.Text, primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Index("process_tags_by_tag", "tag"),
)
process_connections = sa.Table(
    "process_connections",
    metadata,
    sa.Column("process_id", sa.Text, primary_key=True),
    sa.Column("connection_id", sa.Text, primary_key=True),
    sa.Index("process_connections_by_connection", "connection_id"),
)
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("process_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("definition", sa.JSON, nullable=False),
    sa.Column("source_yaml", sa.Text, nullable=False),
    sa.Column("saved_at", Moment, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("restored_from", sa.Integer),
)
connections = sa.Table(
    "connections",
    metadata,
    sa.Column("connection_id", sa.Text, primary_key=True),
    sa.Column("deleted", sa.Boolean, nullable=False, default=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("secrets", sa.JSON, nullable=False),
    sa.Column("rights", sa.JSON, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
)
outbox = outbox_table(metadata)
