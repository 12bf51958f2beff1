"""A server program under a test's control: started in a folder of its own, killed, frozen, started again, removed."""

import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil

FOLDER_PREFIX = "steptrail-test-"
START_SECONDS = 180.0
"""Patience with a start: a busy machine starts a dozen Python processes at once."""
STOP_SECONDS = 20.0
RETRY_SECONDS = 10.0
"""A killed server's children may hold its memory or port for a moment: a start may fail until then."""
_POLL_SECONDS = 0.05
_FIRST_PORT = 12000
_PARTS = 8
_PORTS_OF_A_PART = 2500


class Server(Protocol):
    """A real server of the tests, wherever it runs."""

    name: str
    origin: str
    """Where it comes from, for the closing lines: a program and its version, a container image, an address."""
    url: str

    def start(self) -> None:
        """Start (again); returns when it answers. Raises RuntimeError with the end of its log."""

    def stop(self) -> None:
        """End it in an orderly way; the data stays until `discard`."""

    def kill(self) -> None:
        """End it at once, as a crash would."""

    def freeze(self) -> None:
        """Stop it from doing anything without closing its connections."""

    def thaw(self) -> None:
        """Let a frozen server go on."""

    def discard(self) -> None:
        """End it and remove its data."""


class GivenServer:
    """A server whose address came from the environment: it is used, never touched."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url
        self.origin = "address from the environment"

    def _refuse(self) -> None:
        raise RuntimeError(f"{self.name} was given by the environment; tests may not stop or start it")

    start = stop = kill = freeze = thaw = _refuse

    def discard(self) -> None:
        """Not ours."""


class LocalServer(ABC):
    """A server program started here, in a process group and folder of its own."""

    name: str
    origin: str
    url: str

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{self.name.lower()}-"))
        self.folder.chmod(0o755)
        (self.folder / "owner").write_text(str(os.getpid()))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """The program that stays in the foreground."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it takes requests now."""

    def _environment(self) -> dict[str, str]:
        return {}

    def _account(self) -> dict[str, Any]:
        return {}

    def start(self) -> None:
        began = time.monotonic()
        while not self._start_once(began + START_SECONDS):
            if time.monotonic() > began + RETRY_SECONDS:
                raise RuntimeError(f"{self.name} does not start; its log ends:\n{self._log_end()}")
            time.sleep(0.2)

    def _start_once(self, deadline: float) -> bool:
        process = self.launch()
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return False
            if self._answers():
                return True
            time.sleep(_POLL_SECONDS)
        self.kill()
        raise RuntimeError(f"{self.name} did not answer within {START_SECONDS:g} s; its log ends:\n{self._log_end()}")

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it and do not wait until it answers, for whoever wants to see it die in its start."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in self._command()],
                cwd=self.folder,
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._account(),
            )
        self._note(self._process.pid)
        return self._process

    def ended(self, patience_seconds: float) -> bool:
        """Whether it ends by itself within that time."""
        if self._process is None:
            return True
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def pid(self) -> int | None:
        """Of the process that runs now; None if none does."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process is not None else None

    def _note(self, pid: int) -> None:
        """Write down whom `sweep` may end, should this test run itself be killed."""
        with (self.folder / "pids").open("a") as file:
            file.write(f"{pid}\n")

    def stop(self) -> None:
        self._end(signal.SIGTERM, STOP_SECONDS)

    def kill(self) -> None:
        self._end(signal.SIGKILL, STOP_SECONDS)

    def _end(self, number: int, patience_seconds: float) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        family = _family(self._process.pid)
        for member in family if number == signal.SIGKILL else family[:1]:
            _signal(member, number)
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        for member in family[1:]:
            _signal(member, signal.SIGKILL)

    def freeze(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        if self._process is not None:
            for member in _family(self._process.pid):
                _signal(member, number)

    def discard(self) -> None:
        self.thaw()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _log_end(self) -> str:
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-20:])


def free_port() -> int:
    """A port nobody listens on now, and that this process has not given out before.

    Below the range from which the system takes ports for outgoing connections (Linux: from 32768), and from a part of
    it that belongs to this worker of the tests: between asking and listening, nobody else may come to have it.
    """
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


def _own_ports() -> Iterator[int]:
    """The ports of this worker, round and round; two test runs on one machine begin at different ones."""
    worker = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or "0") % _PARTS
    first = _FIRST_PORT + worker * _PORTS_OF_A_PART
    begin = random.randrange(_PORTS_OF_A_PART)
    for offset in itertools.count(begin):
        yield first + offset % _PORTS_OF_A_PART


_ports = _own_ports()


def sweep() -> None:
    """End what earlier test runs left behind when they were killed: only processes and folders they wrote down."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        try:
            owner = int((folder / "owner").read_text())
            pids = [int(line) for line in (folder / "pids").read_text().split()]
        except (OSError, ValueError):
            continue
        if psutil.pid_exists(owner):
            continue
        for pid in pids:
            for member in _family(pid) if _cwd(pid) == folder else []:
                _signal(member, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _cwd(pid: int) -> Path | None:
    try:
        return Path(psutil.Process(pid).cwd())
    except psutil.Error:
        return None


def _family(pid: int) -> list[int]:
    try:
        parent = psutil.Process(pid)
        return [pid, *(child.pid for child in parent.children(recursive=True))]
    except psutil.Error:
        return []


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def greets(port: int, hello: bytes, expected: Callable[[bytes], bool]) -> bool:
    """Whether a server at the port answers a first message as it should."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.settimeout(2)
            connection.sendall(hello)
            return expected(connection.recv(16))
    except OSError:
        return False
