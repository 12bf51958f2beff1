"""Pytest fixtures of real servers: started when the first test asks, shared by the session, named in its closing lines.

For each server: an address from the environment, else a program installed here, else a container, else (as root on
Debian) a package installed now, else the test is skipped; with `STEPTRAIL_REQUIRE_SERVERS=1` it fails instead.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import pytest
import structlog

from steptrail_common.testing import containers, programs
from steptrail_common.testing.databases import Databases
from steptrail_common.testing.process import sweep
from steptrail_common.testing.servers import GivenServer, MongoServer, PostgresServer, RabbitServer, Server
from steptrail_common.testing.targets import MariadbServer, RedisServer, SignInMongoServer


@dataclass(frozen=True)
class Kind:
    """One kind of server: its variable, and how to make it of what is installed here (None: nothing is)."""

    key: str
    label: str
    variable: str
    installed: Callable[[], Server | None]


def _rabbit() -> Server | None:
    program = programs.rabbitmq_server()
    return RabbitServer(program, programs.rabbitmqctl()) if program else None


def _postgres() -> Server | None:
    folder = programs.postgres_folder()
    return PostgresServer(folder) if folder else None


def _mongo() -> Server | None:
    program = programs.mongod()
    return MongoServer(program) if program else None


def _mariadb() -> Server | None:
    found = programs.mariadbd()
    return MariadbServer(*found) if found else None


def _redis() -> Server | None:
    program = programs.redis()
    return RedisServer(program) if program else None


def _sign_in_mongo() -> Server | None:
    program = programs.mongod()
    return SignInMongoServer(program) if program else None


RABBITMQ = Kind("rabbitmq", "RabbitMQ", "STEPTRAIL_TEST_RABBITMQ_URL", _rabbit)
POSTGRES = Kind("postgres", "PostgreSQL", "STEPTRAIL_TEST_POSTGRES_URL", _postgres)
MONGO = Kind("mongo", "MongoDB", "STEPTRAIL_TEST_MONGO_URL", _mongo)
MARIADB = Kind("mariadb", "MariaDB", "STEPTRAIL_TEST_MARIADB_URL", _mariadb)
REDIS = Kind("redis", "Redis", "STEPTRAIL_TEST_REDIS_URL", _redis)
SIGN_IN_MONGO = Kind("mongo", "MongoDB with sign-in", "STEPTRAIL_TEST_SIGN_IN_MONGO_URL", _sign_in_mongo)


class Servers:
    """The real servers of one test session."""

    def __init__(self) -> None:
        self._running: dict[str, Server] = {}
        self.origins: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def get(self, kind: Kind) -> Server:
        """The shared server of a kind, started on first use. Skips (or fails) the test if there is none."""
        if kind.label in self.missing:
            _give_up(kind.label, self.missing[kind.label])
        if kind.label not in self._running:
            self._running[kind.label] = self.make(kind)
        return self._running[kind.label]

    def make(self, kind: Kind) -> Server:
        """A server of a kind for one test alone, which must `discard` it."""
        made = self._climb(kind)
        if not isinstance(made, GivenServer):
            try:
                made.start()
            except BaseException:
                made.discard()
                raise
        self.origins[kind.label] = made.origin
        return made

    def _climb(self, kind: Kind) -> Server:
        if address := os.environ.get(kind.variable):
            return GivenServer(kind.label, address)
        if made := kind.installed():
            return made
        if containers.engine_answers():
            return containers.ContainerServer(kind.key)
        reason = programs.install(kind.key)
        if reason is None and (made := kind.installed()):
            return made
        reason = reason or "the installed packages do not bring it"
        self.missing[kind.label] = reason
        _give_up(kind.label, f"{reason}; or give its address in {kind.variable}")

    def discard(self) -> None:
        for server in self._running.values():
            server.discard()
        self._running.clear()


def _give_up(label: str, reason: str) -> NoReturn:
    text = f"no real {label}: {reason}"
    if os.environ.get("STEPTRAIL_REQUIRE_SERVERS") == "1":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


_servers = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_servers] = Servers()
    quick_logs()


def quick_logs() -> None:
    """Plain tracebacks, as in the product. Those structlog prints by itself show every local variable and take
    half a minute for an exception from within a web request."""
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            console,
        ]
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_servers].discard()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test process tells the one that prints which servers it used."""
    told: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        used = session.config.stash[_servers]
        told["servers"], told["missing"] = used.origins, used.missing


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect what the test processes told."""
    used = node.config.stash[_servers]
    told = getattr(node, "workeroutput", {})
    used.origins.update(told.get("servers", {}))
    used.missing.update(told.get("missing", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    used = config.stash[_servers]
    if used.origins or used.missing:
        terminalreporter.section("real servers")
    for label, origin in sorted(used.origins.items()):
        terminalreporter.write_line(f"real server used: {label}: {origin}")
    for label, reason in sorted(used.missing.items()):
        terminalreporter.write_line(f"real server missing: {label}: {reason}")


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """Access to the servers themselves, for tests that kill and restart them: `servers.make(RABBITMQ)`."""
    sweep()
    return pytestconfig.stash[_servers]


@pytest.fixture(scope="session")
def rabbitmq_server(servers: Servers) -> Server:
    """The session's broker; a test that restarts it must wait until it answers again."""
    return servers.get(RABBITMQ)


@pytest.fixture(scope="session")
def postgres_server(servers: Servers) -> Server:
    """The session's PostgreSQL."""
    return servers.get(POSTGRES)


@pytest.fixture(scope="session")
def mongo_server(servers: Servers) -> Server:
    """The session's MongoDB."""
    return servers.get(MONGO)


@pytest.fixture(scope="session")
def redis_server(servers: Servers) -> Server:
    """The session's Redis."""
    return servers.get(REDIS)


@pytest.fixture(scope="session")
def rabbitmq_url(rabbitmq_server: Server) -> str:
    """A real broker. Shared: use queue names of your own, or `fresh_vhost`."""
    return rabbitmq_server.url


@pytest.fixture
def fresh_vhost(rabbitmq_server: Server) -> Iterator[str]:
    """The address of a new, empty virtual host of the broker that nobody else uses."""
    if not isinstance(rabbitmq_server, RabbitServer):
        pytest.skip("virtual hosts can be made only on a broker of our own")
    address = rabbitmq_server.lend_vhost()
    yield address
    rabbitmq_server.take_back_vhost(address)


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: Server) -> Iterator[Databases]:
    """Lends empty databases of the session's PostgreSQL."""
    lender = Databases(postgres_server.url)
    yield lender
    lender.close()


@pytest.fixture(scope="session")
def postgres_url(postgres_databases: Databases) -> str:
    """A database of the session, `postgresql+asyncpg://…`; `fresh_postgres` is one of the test's own."""
    return postgres_databases.lend()


@pytest.fixture
def fresh_postgres(postgres_databases: Databases) -> Iterator[str]:
    """The address of an empty PostgreSQL database that nobody else uses."""
    address = postgres_databases.lend()
    yield address
    postgres_databases.take_back(address)


@pytest.fixture
def fresh_postgres_factory(postgres_databases: Databases) -> Iterator[Callable[[], str]]:
    """Lends as many empty databases as asked for (one per service)."""
    lent: list[str] = []

    def make() -> str:
        lent.append(postgres_databases.lend())
        return lent[-1]

    yield make
    for address in lent:
        postgres_databases.take_back(address)


@pytest.fixture(scope="session")
def mongo_url(mongo_server: Server) -> str:
    """A real MongoDB, without a database name."""
    return mongo_server.url


@pytest.fixture
def fresh_mongo_db(mongo_url: str) -> Iterator[str]:
    """The name of a database nobody uses, dropped afterwards."""
    import pymongo

    name = f"t{uuid4().hex[:12]}"
    yield name
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def mariadb_server(servers: Servers) -> Server:
    """The session's MariaDB, a target of checks; its address names an administrator without password."""
    return servers.get(MARIADB)


@pytest.fixture(scope="session")
def sign_in_mongo_server(servers: Servers) -> Server:
    """The session's MongoDB with accounts, a target of checks; its address names an administrator."""
    return servers.get(SIGN_IN_MONGO)


@pytest.fixture(scope="session")
def chromium_path(servers: Servers) -> str:
    """A Chromium on this machine, for the tests in a browser."""
    return _program(servers, "Chromium", "chromium", programs.chromium)


@pytest.fixture(scope="session")
def headless_chromium_path(servers: Servers, chromium_path: str) -> str:
    """A Chromium without windows where there is one, for the tests that only look at pages; else the usual one."""
    given = os.environ.get("STEPTRAIL_TEST_HEADLESS_CHROMIUM") or programs.headless_chromium()
    if given:
        servers.origins["Chromium without windows"] = str(given)
    return str(given or chromium_path)


@pytest.fixture(scope="session")
def sshd_path(servers: Servers) -> str:
    """OpenSSH's server on this machine; a test starts it with keys and a configuration of its own."""
    return _program(servers, "OpenSSH", "sshd", programs.sshd)


@pytest.fixture(scope="session")
def mssql_driver(servers: Servers) -> str:
    """The driver for SQL Server with the system's libraries that it needs."""
    return _program(servers, "driver for SQL Server", "mssql_driver", programs.mssql_driver)


def _program(servers: Servers, label: str, key: str, find: Callable[[], Path | None]) -> str:
    """A program from the environment (`STEPTRAIL_TEST_…`), of this machine, or installed now; else skip or fail."""
    variable = f"STEPTRAIL_TEST_{key.upper()}"
    given = os.environ.get(variable)
    found = Path(given) if given else find()
    if found is None and label not in servers.missing:
        reason = programs.install(key)
        found = find()
        servers.missing |= {} if found else {label: reason or "the package does not bring it"}
    if found is None:
        _give_up(label, f"{servers.missing[label]}; or give its path in {variable}")
    servers.origins[label] = str(found)
    return str(found)
