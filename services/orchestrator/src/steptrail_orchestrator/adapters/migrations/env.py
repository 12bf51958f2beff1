"""Runs the migrations of this folder on the connection it is given."""

from steptrail_common.database import run_migrations

from steptrail_orchestrator.adapters.schema import metadata

run_migrations(metadata)
