"""A small real web server that answers what a test writes, byte by byte, and a way to run one step against it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from steptrail_checks.attempt import Attempts
from steptrail_checks.politeness import OFF, Politeness
from steptrail_checks.port import CheckKind
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.workers import Evidence, StepResult
from steptrail_common.egress import EgressPolicy
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring, generate_keys, seal, target_host
from steptrail_common.testing.requests import step_request
from steptrail_crawler.adapters.api_call import ApiCallKind
from steptrail_crawler.adapters.file_check import FileCheckKind
from steptrail_crawler.adapters.http import HttpClient
from steptrail_crawler.adapters.sessions import Sessions
from steptrail_crawler.adapters.web_crawl import WebCrawlKind

KEYS = generate_keys()


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Raw = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes | str = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer; `content_type` becomes `content-type`."""
    content = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items())]
    if "content-length" not in named and "transfer-encoding" not in named:
        lines.append(f"content-length: {len(content)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


@dataclass
class Site:
    """A server on loopback. `routes`: what a path answers (without its query); anything else is 404."""

    host: str = "127.0.0.1"
    routes: dict[str, Raw] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def last(self, path: str) -> Asked:
        return [request for request in self.asked if request.path.split("?")[0] == path][-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._one(head, reader, writer)
        writer.close()

    async def _one(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *rest = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(method, path, headers, body))
        raw = self.routes.get(path.split("?")[0], answer("nothing here", "404 Not Found", content_type="text/plain"))
        if callable(raw):
            await raw(writer)
            raise ConnectionError
        writer.write(raw.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else raw)
        await writer.drain()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async for served in _served("127.0.0.1"):
        yield served


@pytest.fixture
async def other_site() -> AsyncIterator[Site]:
    """Another host."""
    async for served in _served("127.0.0.2"):
        yield served


async def _served(host: str) -> AsyncIterator[Site]:
    site = Site(host)
    server = await asyncio.start_server(site.serve, host, 0, limit=2**20)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()


class Checks:
    """Runs steps through the whole pipeline of a worker: opening secrets, checking, judging, storing evidence."""

    def __init__(self, folder: Path, exceptions: list[str], politeness: Politeness | None = None) -> None:
        self.folder = folder
        self.policy = EgressPolicy(exceptions=exceptions)
        self.politeness = politeness or Politeness(rate=OFF)
        self.client = HttpClient(self.policy, self.politeness.pace)
        self.evidence = EvidenceStore(str(folder / "evidence"))
        self.files = folder / "files"
        self.kinds: dict[str, CheckKind] = {
            "web_crawl": WebCrawlKind(self.client),
            "api_call": ApiCallKind(self.client, Sessions(SecretsKeyring((KEYS.private,)))),
            "file_check": FileCheckKind(self.client, [self.files]),
        }

    async def run(
        self,
        check: dict[str, Any],
        *,
        connection: SealedConnection | None = None,
        timeout_seconds: float = 5.0,
        asserts: list[dict[str, Any]] | None = None,
        captures: dict[str, Any] | None = None,
        run_id: str = "run-1",
    ) -> StepResult:
        request = step_request(
            check,
            run_id=run_id,
            connection=connection,
            assertions=asserts or [],
            captures=captures or {},
            timeout_seconds=timeout_seconds,
        )
        kind = self.kinds[check["type"]]
        attempts = Attempts(
            kind,
            self.evidence,
            SecretsKeyring((KEYS.private,)),
            worker_id="crawler-1",
            politeness=self.politeness,
        )
        return await attempts.run(request, time.monotonic())

    async def shown(self, result: StepResult, kind: str) -> str:
        piece = next(piece for piece in result.evidence if piece.kind == kind)
        return await self.body(piece)

    async def body(self, piece: Evidence) -> str:
        return (await self.evidence.get(piece.address, piece.sha256)).decode()

    async def close(self) -> None:
        for kind in self.kinds.values():
            await kind.close()


@pytest.fixture
async def checks(tmp_path: Path, site: Site, other_site: Site) -> AsyncIterator[Checks]:
    (tmp_path / "files").mkdir()
    ready = Checks(tmp_path, [f"127.0.0.1:{site.port}", f"127.0.0.2:{other_site.port}"])
    yield ready
    await ready.close()


def sealed(settings: ConnectionSettings, **secrets: str) -> SealedConnection:
    """A connection as the catalog sends it."""
    host = target_host(settings)
    texts = {
        name: seal(KEYS.public, value, connection_id="conn", field=name, host=host) for name, value in secrets.items()
    }
    return SealedConnection(connection_id="conn", settings=settings, sealed=texts)
