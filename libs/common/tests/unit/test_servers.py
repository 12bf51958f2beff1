"""The ladder to a real server, and servers that can be killed and come back."""

import asyncio
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from uuid import uuid4

import asyncpg
import psutil
import pytest
from steptrail_common.testing import containers, plugin, programs
from steptrail_common.testing.databases import Databases
from steptrail_common.testing.process import FOLDER_PREFIX, LocalServer, free_port, sweep
from steptrail_common.testing.servers import VHOSTS_AT_ONCE, GivenServer, MongoServer, RabbitServer, Server


class Echo(LocalServer):
    """A server small enough to test the life of all others with: it remembers how often it started."""

    name = "Echo"
    origin = "a test"

    def _command(self) -> list[str | Path]:
        program = f"""
            import pathlib, socket
            starts = pathlib.Path("starts"); starts.write_text((starts.read_text() if starts.exists() else "") + "x")
            server = socket.create_server(("127.0.0.1", {self.port}))
            while True:
                server.accept()[0].close()
        """
        return [sys.executable, "-c", textwrap.dedent(program)]

    def _answers(self) -> bool:
        import socket

        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Never(Echo):
    """One that ends at once."""

    name = "Never"

    def _command(self) -> list[str | Path]:
        return [sys.executable, "-c", "raise SystemExit('no memory for it')"]


def test_a_killed_server_comes_back_at_its_address_with_its_data() -> None:
    """And leaves neither process nor folder behind."""
    server = Echo()
    server.start()
    server.kill()
    assert not server._answers()
    server.start()
    assert server._answers()
    assert (server.folder / "starts").read_text() == "xx"
    pids = [int(line) for line in (server.folder / "pids").read_text().split()]
    server.discard()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not server.folder.exists()


def test_a_server_that_does_not_start_shows_the_end_of_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason, not a time-out."""
    monkeypatch.setattr("steptrail_common.testing.process.RETRY_SECONDS", 0.0)
    server = Never()
    with pytest.raises(RuntimeError, match="no memory for it"):
        server.start()
    server.discard()


def test_what_a_killed_test_run_left_behind_is_swept() -> None:
    """Only its own processes: those it wrote down, and that still run in its folder."""
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    server = Echo()
    server.start()
    assert server._process is not None
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    (server.folder / "owner").write_text(str(ended.pid))
    with (server.folder / "pids").open("a") as file:
        file.write(f"{bystander.pid}\n")
    sweep()
    assert server._process.wait(5) != 0
    assert not server.folder.exists()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_the_folder_of_a_living_test_run_is_left_alone() -> None:
    """Two test runs on one machine do not disturb each other."""
    server = Echo()
    sweep()
    assert server.folder.exists()
    assert server.folder.parent == Path(tempfile.gettempdir())
    assert server.folder.name.startswith(FOLDER_PREFIX)
    server.discard()


def without_anything(monkeypatch: pytest.MonkeyPatch, answer: Server | None = None) -> plugin.Kind:
    """A kind of server of which this machine has nothing, and how it may not be installed."""
    monkeypatch.setattr(containers, "engine_answers", lambda: False)
    monkeypatch.setattr(programs, "can_install", lambda: False)
    return plugin.Kind("mongo", "Sample", "STEPTRAIL_TEST_SAMPLE_URL", lambda: answer)


def test_an_address_from_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is behind it is never stopped by a test."""
    kind = without_anything(monkeypatch, Echo())
    monkeypatch.setenv("STEPTRAIL_TEST_SAMPLE_URL", "sample://elsewhere")
    server = plugin.Servers().get(kind)
    assert isinstance(server, GivenServer)
    assert server.url == "sample://elsewhere"
    with pytest.raises(RuntimeError, match="given by the environment"):
        server.kill()


@pytest.mark.parametrize(("required", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_server_skips_on_a_laptop_and_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    """With one line that names it and what would help; the second test that asks gets the same answer."""
    kind = without_anything(monkeypatch)
    monkeypatch.setenv("STEPTRAIL_REQUIRE_SERVERS", required)
    found = plugin.Servers()
    for _ in range(2):
        with pytest.raises(outcome, match="no real Sample: not root on Debian"):
            found.get(kind)
    assert "Sample" in found.missing


def test_without_a_running_engine_there_are_no_containers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installed `docker` alone is not enough."""
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert containers.engine_answers() is False


def test_ports_are_free() -> None:
    """As far as one can know."""
    assert len({free_port() for _ in range(20)}) > 15
    assert all(1024 < free_port() < 65536 for _ in range(5))


async def test_a_killed_postgres_keeps_what_was_committed(servers: plugin.Servers) -> None:
    """The session's failure tests build on this."""
    server = await asyncio.to_thread(servers.make, plugin.POSTGRES)
    if isinstance(server, GivenServer):
        pytest.skip("a server that was given is not killed")
    address = server.url.replace("+asyncpg", "")
    connection = await asyncpg.connect(address)
    await connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (4711)")
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    connection = await asyncpg.connect(address)
    assert await connection.fetchval("SELECT n FROM kept") == 4711
    await connection.close()
    await asyncio.to_thread(server.discard)


async def test_a_killed_mongo_keeps_majority_writes(servers: plugin.Servers) -> None:
    """It comes back as the primary of its set."""
    import pymongo

    server = await asyncio.to_thread(servers.make, plugin.MONGO)
    if not isinstance(server, MongoServer):
        await asyncio.to_thread(server.discard)
        pytest.skip("only for a mongod of our own")
    client: pymongo.AsyncMongoClient[dict[str, int]] = pymongo.AsyncMongoClient(server.url, w="majority")
    await client.sample.kept.insert_one({"n": 4711})
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    found = await client.sample.kept.find_one()
    assert found is not None
    assert found["n"] == 4711
    await client.close()
    await asyncio.to_thread(server.discard)


async def test_each_fresh_database_is_empty_and_alone(fresh_postgres: str, postgres_url: str) -> None:
    """So that tests cannot see each other."""
    assert fresh_postgres != postgres_url
    connection = await asyncpg.connect(fresh_postgres.replace("+asyncpg", ""))
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()


async def test_a_database_is_lent_again_only_as_new(postgres_databases: Databases) -> None:
    """Who used it is cut off and what they made is gone; what cannot be undone by emptying it ends the database."""
    used = postgres_databases.lend()
    left = await asyncpg.connect(used.replace("+asyncpg", ""))
    await left.execute("CREATE EXTENSION dblink; CREATE TABLE mine (n int); CREATE TYPE colour AS ENUM ('red')")
    postgres_databases.take_back(used)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)):
        await left.execute("SELECT 1")
    assert postgres_databases.lend() == used
    again = await asyncpg.connect(used.replace("+asyncpg", ""))
    assert await again.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    await again.execute("CREATE SCHEMA apart")
    await again.close()
    postgres_databases.take_back(used)
    assert postgres_databases.lend() != used


async def test_a_fresh_virtual_host_takes_connections(rabbitmq_server: Server, fresh_vhost: str) -> None:
    """On a broker of our own, never the machine's."""
    import aio_pika

    assert isinstance(rabbitmq_server, RabbitServer)
    assert rabbitmq_server.port != 5672
    async with await aio_pika.connect(fresh_vhost) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("mine", exclusive=True)
        assert queue.declaration_result.message_count == 0


def test_a_virtual_host_is_lent_once_and_is_taken_away_with_the_next_that_are_made(rabbitmq_server: Server) -> None:
    """Many are made by one command."""
    assert isinstance(rabbitmq_server, RabbitServer)
    lent = [rabbitmq_server.lend_vhost() for _ in range(VHOSTS_AT_ONCE)]
    rabbitmq_server.take_back_vhost(lent[0])
    lent += [rabbitmq_server.lend_vhost() for _ in range(VHOSTS_AT_ONCE)]
    assert len(set(lent)) == len(lent)
    there = {rabbitmq_server.url + name for name in rabbitmq_server.vhosts()}
    assert set(lent) - there == {lent[0]}
    for address in lent[1:]:
        rabbitmq_server.take_back_vhost(address)


def test_a_mariadb_that_starts_leaves_the_temporary_tables_of_others_alone(servers: plugin.Servers) -> None:
    """It deletes what lies in its folder for them, and several test processes start one at the same time."""
    others = Path(tempfile.gettempdir()) / f"#sql-temptable-{uuid4().hex[:8]}-1-1.MAI"
    others.touch()
    server = servers.make(plugin.MARIADB)
    try:
        assert others.exists()
    finally:
        server.discard()
        others.unlink(missing_ok=True)


def test_programs_are_found_only_if_they_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mongod whose libraries are missing is not there."""
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert programs.mongod() != broken


def test_every_package_is_looked_for_before_the_tests_begin() -> None:
    """Installing inside a test would run into its time limit: a kind without a finder would be missed."""
    assert programs.FINDERS.keys() == programs.PACKAGES.keys()


def test_what_is_missing_is_installed_once_by_its_own_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address or path that was given, and what is there already, is left alone."""
    asked: list[str] = []
    monkeypatch.setattr(programs, "can_install", lambda: True)
    monkeypatch.setattr(programs, "install", asked.append)
    monkeypatch.setattr(programs, "FINDERS", dict.fromkeys(programs.PACKAGES, lambda: None))
    for kind in programs.PACKAGES:
        for variable in (f"STEPTRAIL_TEST_{kind.upper()}", f"STEPTRAIL_TEST_{kind.upper()}_URL"):
            monkeypatch.delenv(variable, raising=False)
    for given in ("STEPTRAIL_TEST_REDIS_URL", "STEPTRAIL_TEST_SSHD"):
        monkeypatch.setenv(given, "given")
    programs.main()
    assert asked == [kind for kind in programs.PACKAGES if kind not in ("redis", "sshd")]
    monkeypatch.setattr(programs, "FINDERS", dict.fromkeys(programs.PACKAGES, lambda: Path("/there")))
    programs.main()
    assert len(asked) == len(programs.PACKAGES) - 2


def test_a_library_that_does_not_load_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The driver for SQL Server is there only with the system's libraries behind it."""
    broken = tmp_path / "libs" / "linux" / "debian_ubuntu" / "x86_64" / "lib" / "libmsodbcsql-18.so"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no library")

    class Found:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda _: Found)
    assert programs.mssql_driver() is None
