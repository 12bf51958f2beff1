"""Steps, attempts, events and evidence in partitions by month, on PostgreSQL.

What is there becomes the first partition as it stands: nothing is copied, however much it is.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KEYS = {
    "run_steps": "run_id, step_id",
    "attempts": "run_id, step_id, attempt",
    "events": "position, run_id",
    "evidence": "run_id, evidence_id",
}
_GUARDS = {
    "run_steps": "OLD.ended_at IS NOT NULL AND (NEW.status IS DISTINCT FROM OLD.status"
    " OR NEW.ended_at IS DISTINCT FROM OLD.ended_at OR NEW.attempt IS DISTINCT FROM OLD.attempt"
    " OR NEW.captures IS DISTINCT FROM OLD.captures)",
    "attempts": "OLD.ended_at IS NOT NULL AND (NEW.status IS DISTINCT FROM OLD.status"
    " OR NEW.ended_at IS DISTINCT FROM OLD.ended_at OR NEW.result IS DISTINCT FROM OLD.result"
    " OR NEW.token IS DISTINCT FROM OLD.token)",
    "events": "NEW.document IS DISTINCT FROM OLD.document OR NEW.seq IS DISTINCT FROM OLD.seq"
    " OR NEW.run_id IS DISTINCT FROM OLD.run_id",
}


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name != "postgresql":
        return
    last_position = bind.scalar(sa.text("SELECT max(position) FROM events")) or 0
    bound = _first_bound(bind)
    for table, key in _KEYS.items():
        _set_aside(table)
        identity = " INCLUDING IDENTITY" if table == "events" else ""
        op.execute(
            f"CREATE TABLE {table} (LIKE {table}_first INCLUDING DEFAULTS INCLUDING COMMENTS{identity},"
            f" PRIMARY KEY ({key}), FOREIGN KEY (run_id) REFERENCES runs (run_id)) PARTITION BY RANGE (run_id)"
        )
        if table == "events":
            op.execute("CREATE UNIQUE INDEX uq_events_run_seq ON events (run_id, seq)")
            op.execute("ALTER TABLE events_first ALTER COLUMN position DROP IDENTITY")
        if table in _GUARDS:
            op.execute(
                f"CREATE TRIGGER {table}_final BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({_GUARDS[table]})"
                " EXECUTE FUNCTION steptrail_refuse_change()"
            )
        op.execute(f"ALTER TABLE {table} ATTACH PARTITION {table}_first FOR VALUES FROM (MINVALUE) TO ('{bound}')")
        op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT WITH (fillfactor = 70)")
    op.execute("COMMENT ON TABLE run_steps IS 'A step that has not begun has no row: it is pending'")
    op.execute(f"SELECT setval(pg_get_serial_sequence('events', 'position'), {last_position + 1}, false)")


def _set_aside(table: str) -> None:
    """Give its names free, and what the new table brings to all its partitions."""
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_first")
    if table == "events":  # its new key names the run as well, as that of every partition must
        op.execute("ALTER TABLE events_first DROP CONSTRAINT events_pkey")
        op.execute("ALTER INDEX uq_events_run_seq RENAME TO events_first_run_id_seq_idx")
    else:
        op.execute(f"ALTER TABLE {table}_first RENAME CONSTRAINT {table}_pkey TO {table}_first_pkey")
    if table in _GUARDS:
        op.execute(f"DROP TRIGGER {table}_final ON {table}_first")


def _first_bound(bind: sa.Connection) -> str:
    """Where the next month begins, as the smallest id of a run of that moment (UUIDv7: milliseconds come first)."""
    now = bind.scalar(sa.text("SELECT clock_timestamp()"))
    newest = bind.scalar(sa.text("SELECT max(run_id) FROM runs"))
    told = datetime.fromtimestamp(int(newest.replace("-", "")[:12], 16) / 1000, UTC) if newest else now
    last = max(now, told)
    month = datetime(last.year + last.month // 12, last.month % 12 + 1, 1, tzinfo=UTC)
    digits = f"{int(month.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}"
