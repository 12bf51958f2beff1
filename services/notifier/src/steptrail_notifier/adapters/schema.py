"""The tables of the notifier, the same in PostgreSQL and SQLite."""

import sqlalchemy as sa
from steptrail_common.database import ID, Moment
from steptrail_common.outbox import outbox_table

metadata = sa.MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("channel_id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, server_default="webhook"),
    sa.Column("url", sa.Text, nullable=False),  # of e-mail its server: smtps://mail.example.com:465
    sa.Column("email", sa.Text, comment="JSON: settings of e-mail"),
    sa.Column("sealed_key", sa.Text, nullable=False),  # or a sealed password; empty: there is no secret
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
    sa.Column("afflicted", sa.Boolean, nullable=False, server_default=sa.false(), comment="May stand in an incident"),
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
    sa.Column("incident_id", ID),
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
    sa.Column("last_answer", sa.Text),
    sa.Column("owed", sa.Text, comment="JSON: recipients without it; empty: all of them"),
    sa.Column("last_error", sa.Text),
    sa.Index(None, "created_at", "delivery_id"),
    sa.Index(None, "channel_id", "created_at", "delivery_id"),
    sa.Index(None, "rule_id", "run_id"),
    sa.Index(None, "run_id"),
    sa.Index(None, "incident_id"),
)
sa.Index(
    "ix_deliveries_due",
    deliveries.c.next_try_at,
    postgresql_where=sa.text("status = 'pending'"),
    sqlite_where=sa.text("status = 'pending'"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("incident_id", ID, primary_key=True),
    sa.Column("cause", ID, nullable=False, comment="What makes two runs belong to the same incident"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("failure_class", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("first_aid", sa.Text),
    sa.Column("target", sa.Text),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("last_seen_at", Moment, nullable=False),
    sa.Column("last_run_id", ID, nullable=False),
    sa.Column("last_process_id", ID, nullable=False),
    sa.Column("last_key", sa.Text, nullable=False),
    sa.Column("last_step_id", sa.Text, nullable=False),
    sa.Column("runs", sa.Integer, nullable=False),
    sa.Column("keys_open", sa.Integer, nullable=False),
    sa.Column("openings", sa.Integer, nullable=False),
    sa.Column("number", sa.Integer, nullable=False, comment="Of its last line; events carry it"),
    sa.Column("acknowledged_at", Moment),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("resolved_at", Moment),
    sa.Column("resolved_by", sa.Text),
    sa.Index(None, "cause", "resolved_at"),
    sa.Index(None, "resolved_at", "incident_id"),
)
sa.Index(
    "ix_incidents_open",
    incidents.c.cause,
    unique=True,
    postgresql_where=sa.text("resolved_at IS NULL"),
    sqlite_where=sa.text("resolved_at IS NULL"),
)

incident_keys = sa.Table(
    "incident_keys",
    metadata,
    sa.Column("incident_id", ID, primary_key=True),
    sa.Column("process_id", ID, primary_key=True),
    sa.Column("key", ID, primary_key=True, comment="Empty for runs without a key"),
    sa.Column("process_name", sa.Text, nullable=False),
    sa.Column("step_id", sa.Text, nullable=False),
    sa.Column("step_number", sa.Integer, nullable=False),
    sa.Column("step_name", sa.Text, nullable=False),
    sa.Column("runs", sa.Integer, nullable=False),
    sa.Column("first_run_id", ID, nullable=False),
    sa.Column("first_seen_at", Moment, nullable=False),
    sa.Column("last_run_id", ID, nullable=False),
    sa.Column("last_seen_at", Moment, nullable=False),
    sa.Column("cleared_at", Moment),
    sa.Column("cleared_run_id", ID),
    sa.Column("cleared_by", sa.Text),
)
sa.Index(
    "ix_incident_keys_open",
    incident_keys.c.process_id,
    incident_keys.c.key,
    postgresql_where=sa.text("cleared_at IS NULL"),
    sqlite_where=sa.text("cleared_at IS NULL"),
)

incident_lines = sa.Table(
    "incident_lines",
    metadata,
    sa.Column("incident_id", ID, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("by", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("run_id", ID),
)

outbox = outbox_table(metadata)
