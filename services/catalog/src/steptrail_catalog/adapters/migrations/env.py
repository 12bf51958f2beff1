"""Runs the migrations of this folder on the connection it is given."""

from steptrail_catalog.adapters.schema import metadata
from steptrail_common.database import run_migrations

run_migrations(metadata)
