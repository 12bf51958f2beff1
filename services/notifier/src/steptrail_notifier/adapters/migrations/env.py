"""Runs the migrations of this folder on the connection it is given."""

from steptrail_common.database import run_migrations
from steptrail_notifier.adapters.schema import metadata

run_migrations(metadata)
