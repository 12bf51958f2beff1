"""The data folder of an embedded installation: stores, keys, evidence, and how to reach it."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from steptrail_common.errors import ConfigurationError
from steptrail_common.sealing import KeyPair, generate_keys

DEFAULT_DATA = Path(".steptrail")


class DataFolder:
    """Everything an embedded installation keeps. Files that hold keys are readable by their owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def prepare(self) -> None:
        for folder in (self.root, self.evidence, self.keys, self.files):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def evidence(self) -> Path:
        return self.root / "evidence"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def files(self) -> Path:
        """The folder that file checks and SQLite connections may read from without further settings."""
        return self.root / "files"

    @property
    def demo(self) -> Path:
        return self.files / "demo"

    def store(self, service: str) -> str:
        """The database address of a service: one SQLite file each."""
        return f"sqlite+aiosqlite:///{self.root / service}.sqlite"

    def secret_keys(self) -> KeyPair:
        """The pair that seals and opens secrets; made on first use."""
        private, public = self.keys / "secrets.private", self.keys / "secrets.public"
        if not private.exists():
            pair = generate_keys()
            write_private(public, pair.public)
            write_private(private, pair.private)
        return KeyPair(public=public.read_text().strip(), private=private.read_text().strip())

    def service_token(self) -> str:
        """The password between services, from which cursor keys are derived; made on first use."""
        path = self.keys / "service.key"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(48))
        return path.read_text().strip()

    def demo_port(self, wanted: int) -> int:
        """Where the demo's shop listens: as wanted; for 0 where it did before, so that runs under way find it again."""
        path = self.root / "demo-port"
        port = int(path.read_text()) if wanted == 0 and path.exists() else wanted
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return wanted
        return port

    def remember_demo_port(self, url: str) -> None:
        (self.root / "demo-port").write_text(url.rsplit(":", 1)[1])

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder: two servers on one folder would disturb each other. The lock ends with the process."""
        with (self.root / "steptrail.pid").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigurationError(
                    f"{self.root} is in use by another Steptrail: stop it with `steptrail down`, or choose --data"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def running_process(self) -> int | None:
        """The id of the process that holds the folder."""
        path = self.root / "steptrail.pid"
        if not path.exists():
            return None
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
        return None

    def write_access(self, url: str, token: str) -> None:
        """Leave address and token for the command line of the same user."""
        write_private(self.root / "access.json", json.dumps({"url": url, "token": token}))

    def read_access(self) -> dict[str, Any] | None:
        path = self.root / "access.json"
        return dict(json.loads(path.read_text())) if path.exists() else None


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner alone from the first moment."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
