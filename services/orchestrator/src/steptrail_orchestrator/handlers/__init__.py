"""Use cases: one asynchronous function each, ports as keyword arguments."""

from steptrail_orchestrator.handlers.probing import test_connection, try_step
from steptrail_orchestrator.handlers.running import cancel_run, start_run
from steptrail_orchestrator.handlers.walking import accept_results, note_heartbeats, repair_orphans, sweep

__all__ = [
    "accept_results",
    "cancel_run",
    "note_heartbeats",
    "repair_orphans",
    "start_run",
    "sweep",
    "test_connection",
    "try_step",
]
