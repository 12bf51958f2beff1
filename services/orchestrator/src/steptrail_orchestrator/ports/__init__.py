"""What the orchestrator needs: a store whose transactions it can trust, the catalog, and a bus."""

from steptrail_orchestrator.ports.boards import BoardFilter, BoardPlace, BoardStore
from steptrail_orchestrator.ports.catalog import Catalog
from steptrail_orchestrator.ports.keeping import RunKeeping
from steptrail_orchestrator.ports.probing import InspectionStore, Prober
from steptrail_orchestrator.ports.reading import Place, RunFilter, RunReader, StoredRun, StoredWorker
from steptrail_orchestrator.ports.runs import Decided, Decision, IdempotencyKey, RunOrder, RunStore, Scene
from steptrail_orchestrator.ports.schedules import Fired, Refusal, ScheduleStore

__all__ = [
    "BoardFilter",
    "BoardPlace",
    "BoardStore",
    "Catalog",
    "Decided",
    "Decision",
    "Fired",
    "IdempotencyKey",
    "InspectionStore",
    "Place",
    "Prober",
    "Refusal",
    "RunFilter",
    "RunKeeping",
    "RunOrder",
    "RunReader",
    "RunStore",
    "Scene",
    "ScheduleStore",
    "StoredRun",
    "StoredWorker",
]
