"""The gateway's store in PostgreSQL or SQLite, by SQLAlchemy Core."""
