"""Runs in PostgreSQL or SQLite: the same statements where both can, the differences in `dialect.py`."""

from steptrail_orchestrator.adapters.sql.boards import SqlBoardStore
from steptrail_orchestrator.adapters.sql.chains import Chains
from steptrail_orchestrator.adapters.sql.dialect import plan_by_key
from steptrail_orchestrator.adapters.sql.inspections import SqlInspectionStore
from steptrail_orchestrator.adapters.sql.keeping import SqlRunKeeping
from steptrail_orchestrator.adapters.sql.reading import SqlRunReader
from steptrail_orchestrator.adapters.sql.schedules import SqlScheduleStore
from steptrail_orchestrator.adapters.sql.store import SqlRunStore

__all__ = [
    "Chains",
    "SqlBoardStore",
    "SqlInspectionStore",
    "SqlRunKeeping",
    "SqlRunReader",
    "SqlRunStore",
    "SqlScheduleStore",
    "plan_by_key",
]
