"""Runs the scripts of `versions/` on the connection the service opened."""

from steptrail_common.database import run_migrations
from steptrail_gateway.adapters.sql.schema import metadata

run_migrations(metadata)
