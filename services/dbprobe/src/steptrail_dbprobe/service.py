"""The composition root of the database probe."""

from collections.abc import Callable

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
from steptrail_dbprobe.config import Settings
from steptrail_dbprobe.ports import Engine


def build(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> Service:
    """The worker with its adapters; nothing is connected before it is started. Raises `ConfigurationError`."""
    clock = clock or SystemClock()
    messages = bus or connect(settings.bus, name="dbprobe")
    kind = DbQueryKind(_engines(settings, clock))
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


def _engines(settings: Settings, clock: Clock) -> dict[str, Callable[[], Engine]]:
    """By kind of connection, what loads its driver: most installations ask one or two kinds of database, and the driver
    of MongoDB alone takes 40 MB."""
    policy = EgressPolicy(settings.egress_allow, exceptions=settings.egress_exceptions, deny=settings.egress_deny)
    superuser = settings.allow_superuser

    def postgresql() -> Engine:
        from steptrail_dbprobe.adapters.postgresql import PostgresqlEngine

        return PostgresqlEngine(policy, clock, allow_superuser=superuser)

    def mysql() -> Engine:
        from steptrail_dbprobe.adapters.mysql import MysqlEngine

        return MysqlEngine(policy, clock, allow_superuser=superuser)

    def mssql() -> Engine:
        from steptrail_dbprobe.adapters.mssql import MssqlEngine

        return MssqlEngine(policy, clock, allow_superuser=superuser)

    def oracle() -> Engine:
        from steptrail_dbprobe.adapters.oracle import OracleEngine

        return OracleEngine(policy, clock, allow_superuser=superuser)

    def mongodb() -> Engine:
        from steptrail_dbprobe.adapters.mongodb import MongodbEngine

        return MongodbEngine(policy, clock, allow_superuser=superuser)

    def sqlite() -> Engine:
        from steptrail_dbprobe.adapters.sqlite import SqliteEngine

        return SqliteEngine(settings.file_roots, clock)

    loaders = (postgresql, mysql, mssql, oracle, mongodb, sqlite)
    return {loader.__name__: loader for loader in loaders}
