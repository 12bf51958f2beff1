"""Real servers for tests: own data folder, own free port, own process, stopped at the end.

Each server can be killed, frozen and started again at the same address with the same data, which is what the failure
tests need. All methods block: call them from async code through `asyncio.to_thread`.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from steptrail_common.testing.process import STOP_SECONDS, GivenServer, LocalServer, Server, free_port, greets
from steptrail_common.testing.programs import rabbitmq_home

__all__ = ["GivenServer", "MongoServer", "PostgresServer", "RabbitServer", "Server", "free_port"]


VHOSTS_AT_ONCE = 8
_RENEW = """
    [rabbit_vhost:delete(Name, <<"guest">>) || Name <- [%s]],
    [begin
        ok = rabbit_vhost:add(Name, <<"guest">>),
        ok = rabbit_auth_backend_internal:set_permissions(
            <<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"guest">>)
    end || Name <- [%s]], made.
"""


def _binaries(names: Sequence[str]) -> str:
    return ", ".join(f'<<"{name}">>' for name in names)


class RabbitServer(LocalServer):
    """A RabbitMQ node with its own name, cookie, port mapper, distribution port and plugins (none)."""

    name = "RabbitMQ"

    def __init__(self, program: Path, control: Path | None) -> None:
        super().__init__()
        self._program, self._control = program, control
        self._node = f"steptrail{self.port}@localhost"
        self._mapper_port, self._distribution_port = free_port(), free_port()
        self._mapper: subprocess.Popen[bytes] | None = None
        self._free_vhosts: list[str] = []
        self._used_vhosts: list[str] = []
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        home = rabbitmq_home()
        self.origin = f"RabbitMQ {home or _debian_version('rabbitmq-server')}, own node"
        self._path = f"{home / 'erlang'}:{os.environ.get('PATH', '')}" if home else os.environ.get("PATH", "")
        (self.folder / "plugins").write_text("[].")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "disk_free_limit.absolute = 50MB\n"
            "raft.wal_max_size_bytes = 33554432\n"
            "log.file.level = warning\n"
        )

    def _command(self) -> Sequence[str | Path]:
        return [self._program]

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "HOME": folder,
            "PATH": self._path,
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the Erlang machine instead of its parent
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/logs",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/config",
            "RABBITMQ_PID_FILE": f"{folder}/node.pid",
            # Quorum queues say every second, not every five, how many messages they hold.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none "
            "-rabbit quorum_tick_interval 1000",
        }

    def start(self) -> None:
        if self._mapper is None and (program := shutil.which("epmd")):
            command = [program, "-port", str(self._mapper_port), "-address", "127.0.0.1"]
            quiet = subprocess.DEVNULL
            self._mapper = subprocess.Popen(command, cwd=self.folder, stdin=quiet, stdout=quiet, stderr=quiet)
            self._note(self._mapper.pid)
        super().start()

    def _answers(self) -> bool:
        return rabbit_answers(self.port)

    def lend_vhost(self) -> str:
        """The address of a virtual host that is new and empty. Several are made at once, and those given back taken
        away: each command starts an Erlang machine, which costs ten times as much as a virtual host."""
        if not self._free_vhosts:
            names = [f"t{uuid4().hex[:12]}" for _ in range(VHOSTS_AT_ONCE)]
            self._run_control(["eval", _RENEW % (_binaries(self._used_vhosts), _binaries(names))])
            self._free_vhosts, self._used_vhosts = names, []
        return self.url + self._free_vhosts.pop()

    def take_back_vhost(self, address: str) -> None:
        self._used_vhosts.append(address.removeprefix(self.url))

    def vhosts(self) -> list[str]:
        return self._run_control(["list_vhosts", "name"]).split()

    def queues(self) -> list[str]:
        """The names of all queues."""
        return self._run_control(["list_queues", "name"]).split()

    def depths(self) -> dict[str, tuple[int, int]]:
        """Of each queue: messages ready, and messages that were handed out and not acknowledged."""
        columns = ["name", "messages_ready", "messages_unacknowledged"]
        lines = self._run_control(["--no-table-headers", "list_queues", *columns]).splitlines()
        found = (line.split("\t") for line in lines if line.count("\t") == len(columns) - 1)
        return {name: (int(ready), int(unacknowledged)) for name, ready, unacknowledged in found}

    def alarm(self, ringing: bool) -> None:
        """The memory alarm: while it rings the broker reads from no publisher."""
        self._run_control(["set_vm_memory_high_watermark", *(["absolute", "1MB"] if ringing else ["0.4"])])

    def _run_control(self, command: Sequence[str]) -> str:
        if self._control is None:
            raise RuntimeError("rabbitmqctl is not installed")
        full = [str(self._control), "-q", "-n", self._node, *command]
        done = subprocess.run(
            full, env={**os.environ, **self._environment()}, capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def discard(self) -> None:
        super().discard()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()


class PostgresServer(LocalServer):
    """A PostgreSQL cluster. `durable=False` leaves out the flush to disk, which only a crash of the machine needs."""

    name = "PostgreSQL"

    def __init__(self, programs: Path, *, durable: bool = False) -> None:
        super().__init__()
        self._programs = programs
        self._durable = durable
        self.url = f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"
        self.origin = f"PostgreSQL {first_number(output([programs / 'postgres', '--version']))}, own cluster"

    def _account(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        account = "postgres" if shutil.which("getent") and output(["getent", "passwd", "postgres"]) else "nobody"
        return {"user": account, "extra_groups": []}

    def _command(self) -> Sequence[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "log_min_messages": "warning",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self._programs / "postgres", "-D", self.folder / "data", *options]

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            data.mkdir(mode=0o700)
            account = self._account()
            if account:
                shutil.chown(data, account["user"])
            command: list[str | Path] = [
                self._programs / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
            ]
            command += ["--locale=C.UTF-8", "--no-sync", "--no-instructions"]
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, **account)
            if done.returncode:
                raise RuntimeError(f"initdb failed: {done.stderr}")
        super().start()

    def _answers(self) -> bool:
        return postgres_answers(self.port)

    def stop(self) -> None:
        self._end(signal.SIGINT, STOP_SECONDS)  # "fast": clients are disconnected


class MongoServer(LocalServer):
    """A MongoDB replica set of one member, so that majority writes and retryable writes are the real thing."""

    name = "MongoDB"

    def __init__(self, program: Path) -> None:
        super().__init__()
        self._program = program
        self.url = f"mongodb://127.0.0.1:{self.port}/?replicaSet=steptrail"
        self.origin = f"mongod {first_number(output([program, '--version']))}, own replica set"
        (self.folder / "data").mkdir()

    def _command(self) -> Sequence[str | Path]:
        return [
            *(self._program, "--dbpath", self.folder / "data", "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--replSet", "steptrail", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "50"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false", "--quiet"),
        ]

    def _answers(self) -> bool:
        return mongo_primary(self.port, make_set=True)


def rabbit_answers(port: int) -> bool:
    """The broker opens the conversation only when it is up."""
    return greets(port, b"AMQP\x00\x00\x09\x01", lambda reply: reply[:1] == b"\x01")


def postgres_answers(port: int) -> bool:
    """Only the answer to a start-up message tells that recovery is over."""
    body = b"\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
    return greets(port, (len(body) + 4).to_bytes(4, "big") + body, lambda reply: reply[:1] == b"R")


def mongo_primary(port: int, *, make_set: bool) -> bool:
    """Whether the member there takes writes; `make_set` first makes a replica set of it."""
    import pymongo
    from pymongo.errors import PyMongoError

    address = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    try:
        with pymongo.MongoClient[dict[str, Any]](address, serverSelectionTimeoutMS=200) as client:
            hello = client.admin.command("hello")
            if make_set and not hello.get("setName"):
                members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
                client.admin.command({"replSetInitiate": {"_id": "steptrail", "members": members}})
            return bool(hello.get("isWritablePrimary"))
    except PyMongoError:
        return False


def output(command: Sequence[str | Path]) -> str:
    """What a program prints; empty if it cannot be run."""
    try:
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def first_number(text: str) -> str:
    """The version in a program's line about itself."""
    words = text.replace("\n", " ").replace("=", " ").split()
    return next((word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit()), "?")


def _debian_version(package: str) -> str:
    return output(["dpkg-query", "-W", "-f", "${Version}", package]).split("-")[0] or "of unknown version"
