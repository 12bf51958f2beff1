"""Accounts, credentials, and an audit log that can only grow."""

import sqlalchemy as sa
from alembic import op
from steptrail_common.database import Moment

revision = "0001"
down_revision = None


def _owner(table: str) -> sa.Column[str]:
    reference = sa.ForeignKey("users.user_id", ondelete="CASCADE", name=f"fk_{table}_user_id")
    return sa.Column("user_id", sa.Text, reference, nullable=False)


def upgrade() -> None:
    _create_users()
    _create_credentials()
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("hash", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("last_sign_in_at", Moment),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )


def _create_credentials() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("token_hash", sa.Text, nullable=False),
        _owner("sessions"),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("last_seen_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
    )
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Text, primary_key=True),
        sa.Column("token_hash", sa.Text, nullable=False),
        _owner("tokens"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment),
        sa.Column("last_used_at", Moment),
        sa.UniqueConstraint("token_hash", name="uq_tokens_token_hash"),
    )
    op.create_table(
        "sign_in_codes",
        sa.Column("code_hash", sa.Text, primary_key=True),
        _owner("sign_in_codes"),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("used_at", Moment),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("window_started_at", Moment, nullable=False),
    )
    for table in ("sessions", "tokens", "sign_in_codes"):
        op.create_index(f"ix_{table}_user_id", table, ["user_id"])


def _protect_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log can only grow'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
    )


def _protect_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_only_grows_{verb.lower()} BEFORE {verb} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log can only grow'); END"
        )
