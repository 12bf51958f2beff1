"""Test servers in containers, for machines with a container engine and without the programs."""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from steptrail_common.testing import servers, targets
from steptrail_common.testing.process import START_SECONDS


@dataclass(frozen=True)
class Image:
    """What to run: pinned by version, the same as in docker-compose.yml."""

    reference: str
    port: int
    url: str
    """With `{port}` for the port on this machine."""
    answers: Callable[[int], bool]
    environment: Mapping[str, str] = field(default_factory=dict)


IMAGES = {
    "rabbitmq": Image("rabbitmq:3.13.7", 5672, "amqp://guest:guest@127.0.0.1:{port}/", servers.rabbit_answers),
    "postgres": Image(
        "postgres:15.8",
        5432,
        "postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres",
        servers.postgres_answers,
        {"POSTGRES_HOST_AUTH_METHOD": "trust"},
    ),
    "mongo": Image(
        "mongo:6.0.16",
        27017,
        "mongodb://127.0.0.1:{port}/?directConnection=true",
        lambda port: servers.mongo_primary(port, make_set=False),
    ),
    "mariadb": Image(
        "mariadb:10.11.9",
        3306,
        "mysql://root@127.0.0.1:{port}/",
        targets.mariadb_greets,
        {"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "1"},
    ),
}


def engine_answers() -> bool:
    """Whether a container engine is installed and running."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class ContainerServer:
    """One container with a fixed port, so that it comes back at the same address."""

    def __init__(self, kind: str) -> None:
        from testcontainers.core.container import DockerContainer

        self._image = IMAGES[kind]
        self.name = kind
        self.origin = f"container {self._image.reference}"
        self._port = servers.free_port()
        self.url = self._image.url.format(port=self._port)
        container = DockerContainer(self._image.reference).with_bind_ports(self._image.port, self._port)
        for name, value in self._image.environment.items():
            container = container.with_env(name, value)
        self._container = container
        self._made = False

    def start(self) -> None:
        if self._made:
            self._wrapped().start()
        else:
            self._container.start()
            self._made = True
        deadline = time.monotonic() + START_SECONDS
        while not self._image.answers(self._port):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.origin} does not answer")
            time.sleep(0.2)

    def _wrapped(self) -> Any:
        return self._container.get_wrapped_container()

    def stop(self) -> None:
        self._wrapped().stop()

    def kill(self) -> None:
        self._wrapped().kill()

    def freeze(self) -> None:
        self._wrapped().pause()

    def thaw(self) -> None:
        self._wrapped().unpause()

    def discard(self) -> None:
        if self._made:
            self._container.stop()
