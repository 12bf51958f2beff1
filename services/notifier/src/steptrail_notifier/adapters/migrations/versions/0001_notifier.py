"""Channels, rules, processes, outcomes, deliveries."""

import sqlalchemy as sa
from alembic import op
from steptrail_common.database import ID, Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("channel_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_key", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_channels")),
    )
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", ID, nullable=False),
        sa.Column("channel_id", ID, nullable=False),
        sa.Column("rule_id", ID, nullable=True),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("process_id", ID, nullable=True),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("give_up_at", Moment(), nullable=False),
        sa.Column(
            "next_try_at", Moment(), nullable=True, comment="While pending; during a try the end of the sender's lease"
        ),
        sa.Column("token", sa.Text(), nullable=True, comment="Of the sender that holds the lease"),
        sa.Column("delivered_at", Moment(), nullable=True),
        sa.Column("last_status_code", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        op.f("ix_deliveries_channel_id_created_at_delivery_id"),
        "deliveries",
        ["channel_id", "created_at", "delivery_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_deliveries_created_at_delivery_id"), "deliveries", ["created_at", "delivery_id"], unique=False
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )
    op.create_index(op.f("ix_deliveries_rule_id_run_id"), "deliveries", ["rule_id", "run_id"], unique=False)
    op.create_index(op.f("ix_deliveries_run_id"), "deliveries", ["run_id"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("process_id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False, comment="The CloudEvent; emptied when it is old"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_outcomes")),
    )
    op.create_index(op.f("ix_outcomes_ended_at"), "outcomes", ["ended_at"], unique=False)
    op.create_index(op.f("ix_outcomes_process_id_ended_at"), "outcomes", ["process_id", "ended_at"], unique=False)
    op.create_index(
        op.f("ix_outcomes_process_id_key_ended_at_run_id"),
        "outcomes",
        ["process_id", "key", "ended_at", "run_id"],
        unique=False,
    )
    op.create_table(
        "processes",
        sa.Column("process_id", ID, nullable=False),
        sa.Column("at", Moment(), nullable=False, comment="When the latest definition was saved or deleted"),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("rules", sa.Text(), nullable=False, comment="JSON: the notify rules of the definition"),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_processes")),
    )
    op.create_table(
        "rules",
        sa.Column("rule_id", ID, nullable=False),
        sa.Column("channel_id", ID, nullable=False),
        sa.Column("process_id", ID, nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("moments", sa.Text(), nullable=False, comment="JSON list"),
        sa.Column("after_failures", sa.Integer(), nullable=False),
        sa.Column("remind_every_seconds", sa.Float(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_rules")),
    )
    op.create_index(op.f("ix_rules_channel_id"), "rules", ["channel_id"], unique=False)
