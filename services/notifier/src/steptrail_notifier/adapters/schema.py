"""The tables of the notifier, the same in PostgreSQL and SQLite."""

import sqlalchemy as sa
from steptrail_common.database import ID, Moment

metadata = sa.MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("channel_id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("sealed_key", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)

rules = sa.Table(
    "rules",
    metadata,
    sa.Column("rule_id", ID, primary_key=True),
    sa.Column("channel_id", ID, nullable=False),
    sa.Column("process_id", ID),
    sa.Column("category", sa.Text),
    sa.Column("moments", sa.Text, nullable=False, comment="JSON list"),
    sa.Column("after_failures", sa.Integer, nullable=False),
    sa.Column("remind_every_seconds", sa.Float),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index(None, "channel_id"),
)

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("process_id", ID, primary_key=True),
    sa.Column("at", Moment, nullable=False, comment="When the latest definition was saved or deleted"),
    sa.Column("category", sa.Text),
    sa.Column("rules", sa.Text, nullable=False, comment="JSON: the notify rules of the definition"),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("run_id", ID, primary_key=True),
    sa.Column("process_id", ID, nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("ended_at", Moment, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False, comment="The CloudEvent; emptied when it is old"),
    sa.Index(None, "process_id", "key", "ended_at", "run_id"),
    sa.Index(None, "process_id", "ended_at"),
    sa.Index(None, "ended_at"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("delivery_id", ID, primary_key=True),
    sa.Column("channel_id", ID, nullable=False),
    sa.Column("rule_id", ID),
    sa.Column("run_id", ID),
    sa.Column("process_id", ID),
    sa.Column("moment", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("give_up_at", Moment, nullable=False),
    sa.Column("next_try_at", Moment, comment="While pending; during a try the end of the sender's lease"),
    sa.Column("token", sa.Text, comment="Of the sender that holds the lease"),
    sa.Column("delivered_at", Moment),
    sa.Column("last_status_code", sa.Integer),
    sa.Column("last_error", sa.Text),
    sa.Index(None, "created_at", "delivery_id"),
    sa.Index(None, "channel_id", "created_at", "delivery_id"),
    sa.Index(None, "rule_id", "run_id"),
    sa.Index(None, "run_id"),
)
sa.Index(
    "ix_deliveries_due",
    deliveries.c.next_try_at,
    postgresql_where=sa.text("status = 'pending'"),
    sqlite_where=sa.text("status = 'pending'"),
)
