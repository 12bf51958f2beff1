"""Tables of the gateway. `migrations/` makes them; a test proves that both say the same."""

import sqlalchemy as sa
from steptrail_common.database import Moment

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _owner() -> sa.Column[str]:
    return sa.Column("user_id", sa.ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True)


users = sa.Table(
    "users",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("username", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("password_hash", sa.Text),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("last_sign_in_at", Moment),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    _owner(),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("last_seen_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("user_agent", sa.Text),
)
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("token_id", sa.Text, primary_key=True),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    _owner(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("last_used_at", Moment),
)
codes = sa.Table(
    "sign_in_codes",
    metadata,
    sa.Column("code_hash", sa.Text, primary_key=True),
    _owner(),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("used_at", Moment),
)
attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("window_started_at", Moment, nullable=False),
)
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object", sa.Text),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("hash", sa.Text, nullable=False),
)
