"""The composition root of the database probe."""

from steptrail_checks.worker import WorkerLoop
from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock, SystemClock
from steptrail_common.egress import EgressPolicy
from steptrail_common.errors import Unavailable
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring
from steptrail_common.service import Service

from steptrail_dbprobe.adapters.db_query import DbQueryKind
from steptrail_dbprobe.adapters.mongodb import MongodbEngine
from steptrail_dbprobe.adapters.mssql import MssqlEngine
from steptrail_dbprobe.adapters.mysql import MysqlEngine
from steptrail_dbprobe.adapters.oracle import OracleEngine
from steptrail_dbprobe.adapters.postgresql import PostgresqlEngine
from steptrail_dbprobe.adapters.sqlite import SqliteEngine
from steptrail_dbprobe.config import Settings


def build(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> Service:
    """The worker with its adapters; nothing is connected before it is started. Raises `ConfigurationError`."""
    clock = clock or SystemClock()
    messages = bus or connect(settings.bus, name="dbprobe")
    policy = EgressPolicy(settings.egress_allow, exceptions=settings.egress_exceptions, deny=settings.egress_deny)
    kind = DbQueryKind(
        {
            "postgresql": PostgresqlEngine(policy, clock, allow_superuser=settings.allow_superuser),
            "mysql": MysqlEngine(policy, clock, allow_superuser=settings.allow_superuser),
            "mssql": MssqlEngine(policy, clock, allow_superuser=settings.allow_superuser),
            "oracle": OracleEngine(policy, clock, allow_superuser=settings.allow_superuser),
            "mongodb": MongodbEngine(policy, clock, allow_superuser=settings.allow_superuser),
            "sqlite": SqliteEngine(settings.file_roots, clock),
        }
    )
    loop = WorkerLoop(
        messages,
        [kind],
        EvidenceStore(settings.evidence),
        SecretsKeyring.of_settings(settings.private_keys, settings.private_key_files),
        clock,
        worker_id=settings.worker_id,
        concurrency=settings.concurrency,
        politeness=settings.politeness(),
    )

    async def broker() -> None:
        if not messages.healthy():
            raise Unavailable("the connection to the broker is lost")

    return Service(
        name="dbprobe",
        bus=messages,
        background=[loop.run_heartbeats, loop.run_results],
        start=[messages.start, loop.start],
        stop=[loop.close],
        checks={"broker": broker},
    )
