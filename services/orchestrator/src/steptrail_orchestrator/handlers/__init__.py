"""Use cases: one asynchronous function each, ports as keyword arguments."""

from steptrail_orchestrator.handlers.boarding import Boarding
from steptrail_orchestrator.handlers.keeping import Archive, forget_old_runs
from steptrail_orchestrator.handlers.probing import test_connection, try_step
from steptrail_orchestrator.handlers.replaying import replay
from steptrail_orchestrator.handlers.running import cancel_run, start_run
from steptrail_orchestrator.handlers.scheduling import (
    fire_schedules,
    pause_schedule,
    resume_schedule,
    resync_schedules,
    sync_schedules,
)
from steptrail_orchestrator.handlers.waiting import Waiting
from steptrail_orchestrator.handlers.walking import accept_results, note_heartbeats, repair_orphans, sweep

__all__ = [
    "Archive",
    "Boarding",
    "Waiting",
    "accept_results",
    "cancel_run",
    "fire_schedules",
    "forget_old_runs",
    "note_heartbeats",
    "pause_schedule",
    "repair_orphans",
    "replay",
    "resume_schedule",
    "resync_schedules",
    "start_run",
    "sweep",
    "sync_schedules",
    "test_connection",
    "try_step",
]
