"""Every door to the outside, tried at once: each client library connects to the judged address or not at all.

Beside `test_egress_doors.py`, which reads the source, this one tries: a trap listens on 127.0.0.1, and a name leads
there in every way a name can. An audit hook sees every look-up and connection that Python makes meanwhile.
"""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from steptrail_checks.attempt import Attempts
from steptrail_checks.plugins import Tools
from steptrail_checks.port import CheckFailed, CheckKind
from steptrail_common.clock import SystemClock
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.mail import EmailSettings
from steptrail_common.egress import EgressPolicy
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring, generate_keys, seal, target_host
from steptrail_common.testing.requests import step_request
from steptrail_crawler.adapters.api_call import ApiCallKind
from steptrail_crawler.adapters.browser import BrowserPool
from steptrail_crawler.adapters.file_check import FileCheckKind
from steptrail_crawler.adapters.http import HttpClient
from steptrail_crawler.adapters.pages import PageFetcher
from steptrail_crawler.adapters.rendered import RenderedKind
from steptrail_crawler.adapters.sessions import Sessions
from steptrail_crawler.adapters.web_crawl import WebCrawlKind
from steptrail_dbprobe.adapters.db_query import DbQueryKind
from steptrail_dbprobe.adapters.mongodb import MongodbEngine
from steptrail_dbprobe.adapters.mssql import MssqlEngine
from steptrail_dbprobe.adapters.mysql import MysqlEngine
from steptrail_dbprobe.adapters.oracle import OracleEngine
from steptrail_dbprobe.adapters.postgresql import PostgresqlEngine
from steptrail_notifier.adapters.mail import Mails
from steptrail_notifier.adapters.webhook import Webhooks
from steptrail_notifier.domain.delivery import Attempt
from steptrail_notifier.domain.message import body_of
from steptrail_notifier.ports import Channel, Claimed

pytestmark = pytest.mark.req("NFR-012")

KEYS = generate_keys()
_SETTINGS: TypeAdapter[ConnectionSettings] = TypeAdapter(ConnectionSettings)
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1nlt5Wm5r1dWzFzvXH1p3RZrZDmBYzBsJPtqxFHZzZ"
DATABASES = {
    "postgresql": {"database": "d", "username": "u"},
    "mysql": {"database": "d", "username": "u"},
    "mssql": {"database": "d", "username": "u"},
    "oracle": {"service_name": "d", "username": "u"},
    "mongodb": {"database": "d", "username": "u"},
}
STORES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "s3": ({"bucket": "bank", "access_key_id": "k"}, {"secret_access_key": "s"}),
    "gcs": ({"bucket": "bank", "auth": "none"}, {}),
    "azure_blob": ({"account": "account", "container": "bank", "auth": "none"}, {}),
}
PAGES: dict[str, dict[str, Any]] = {
    "api_call": {"type": "api_call"},
    "web_crawl": {"type": "web_crawl", "robots": "ignore"},
    "robots": {"type": "web_crawl"},
    "crawl": {"type": "web_crawl", "crawl": {"depth": 1}},
    "file_check": {"type": "file_check"},
    "browser": {"type": "web_crawl", "browser": {"screenshot": "never"}},
}
LOADED_LATE = {"s3": "s3", "gcs": "gcs", "azure_blob": "azure_blob", "sftp": "sftp_files", "crawl": "scrapy_engine"}
"""Libraries that come with the first question for a name, and take seconds for it on a busy machine: loaded before, so
that the limit of a step is about being refused and nothing else."""
DOORS = [*PAGES, *DATABASES, *STORES, "sftp", "oauth2", "files over http", "plugin", "webhook", "e-mail"]


@dataclass
class Trap:
    """A server on 127.0.0.1 that nobody may reach, and one beside it, on the same port of 127.0.0.2."""

    port: int = 0
    reached: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    found = Trap()

    def notes(where: list[str]) -> Callable[[Any, Any], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            where.append("!")
            writer.close()

        return serve

    first = await asyncio.start_server(notes(found.reached), "127.0.0.1", 0)
    found.port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(notes(found.beside), "127.0.0.2", found.port)
    yield found
    first.close()
    second.close()


@dataclass
class Seen:
    """What Python was asked to look up and to connect to."""

    watching: bool = False
    names: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)


_seen = Seen()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _seen.watching:
        return
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        _seen.connected.append((str(arguments[1][0]), int(arguments[1][1])))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _seen.names.append(str(arguments[0]))


sys.addaudithook(_hook)


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Audit hooks cannot be taken away: this one is deaf outside of these tests."""
    _seen.names.clear()
    _seen.connected.clear()
    _seen.watching = True
    yield _seen
    _seen.watching = False


def connection(kind: str, settings: dict[str, Any], **secrets: str) -> SealedConnection:
    made = _SETTINGS.validate_python({"kind": kind, **settings})
    host = target_host(made)
    texts = {
        name: seal(KEYS.public, text, connection_id="conn", field=name, host=host) for name, text in secrets.items()
    }
    return SealedConnection(connection_id="conn", settings=made, sealed=texts)


def asked_of(door: str, host: str, port: int) -> tuple[dict[str, Any], SealedConnection | None]:
    """The check and the connection that go through a door."""
    url = f"http://{host}:{port}"
    bare = host.strip("[]")
    if door in PAGES:
        return {**PAGES[door], "url": f"{url}/x"}, None
    if door in DATABASES:
        asked: dict[str, Any] = {"documents": {"collection": "c"}} if door == "mongodb" else {"query": "select 1"}
        settings = {"host": bare, "port": port, "tls": "disable", **DATABASES[door]}
        return {"type": "db_query", "connection": "conn", **asked}, connection(door, settings, password="p")
    looked = {"type": "file_check", "connection": "conn", "path": "a.csv"}
    if door in STORES:
        settings, secrets = STORES[door]
        return looked, connection(door, {**settings, "endpoint_url": url}, **secrets)
    if door == "sftp":
        return looked, connection(
            "sftp", {"host": bare, "port": port, "username": "u", "host_key": HOST_KEY}, password="p"
        )
    if door == "files over http":
        return looked, connection("files", {"root": f"{url}/files"})
    issuer = {"auth": "oauth2", "oauth2": {"token_url": f"{url}/token", "client_id": "c"}}
    return {"type": "api_call", "connection": "conn", "path": "/x"}, connection(
        "http", {"base_url": "http://198.51.100.1", **issuer}, client_secret="s"
    )


class Worker:
    """Every kind of check under one policy."""

    def __init__(self, rules: EgressPolicy, folder: Path, chromium: str) -> None:
        self._client = HttpClient(rules)
        self._folder = folder
        self._keyring = SecretsKeyring((KEYS.private,))
        clock = SystemClock()
        engines: dict[str, Any] = {
            "postgresql": PostgresqlEngine, "mysql": MysqlEngine, "mssql": MssqlEngine, "oracle": OracleEngine,
            "mongodb": MongodbEngine,
        }  # fmt: skip
        pool = BrowserPool(executable=Path(chromium), sandbox=None, max_memory_bytes=2_000_000_000)
        self._kinds: dict[str, CheckKind] = {
            "api_call": ApiCallKind(self._client, Sessions(self._keyring)),
            "web_crawl": WebCrawlKind(self._client, PageFetcher(self._client)),
            "file_check": FileCheckKind(self._client, []),
            "browser": RenderedKind(PageFetcher(self._client), pool, concurrency=1),
            "db_query": DbQueryKind(
                {n: partial(made, rules, clock, allow_superuser=False) for n, made in engines.items()}
            ),
        }

    async def ask(self, door: str, host: str, port: int) -> tuple[bool, str, str]:
        """(whether it worked, the failure class, the message) of one attempt."""
        check, place = asked_of(door, host, port)
        kind = self._kinds["browser" if door == "browser" else check["type"]]
        request = step_request(check, connection=place, timeout_seconds=15.0)
        attempts = Attempts(kind, EvidenceStore(str(self._folder / "evidence")), self._keyring, worker_id="w")
        result = await attempts.run(request, time.monotonic())
        return result.ok, str(result.failure_class or ""), result.message or ""

    async def close(self) -> None:
        for kind in self._kinds.values():
            await kind.close()


Go = Callable[[str, int], Awaitable[tuple[bool, str, str]]]
"""Through one door to a host and port: (whether it worked, the failure class, the message)."""


@asynccontextmanager
async def opened(door: str, rules: EgressPolicy, folder: Path, chromium: str) -> AsyncIterator[Go]:
    """One door, with everything closed behind."""
    if door in LOADED_LATE:
        await asyncio.to_thread(import_module, f"steptrail_crawler.adapters.{LOADED_LATE[door]}")
    if door == "webhook":
        webhooks = Webhooks(rules, limit_seconds=4.0)
        yield partial(_posted, webhooks)
        await webhooks.close()
    elif door == "e-mail":
        yield partial(_mailed, Mails(rules, limit_seconds=4.0))
    elif door == "plugin":
        yield partial(_connected, Tools(rules, SystemClock()))
    else:
        worker = Worker(rules, folder, chromium)
        yield partial(worker.ask, door)
        await worker.close()


async def _posted(webhooks: Webhooks, host: str, port: int) -> tuple[bool, str, str]:
    return _told(await webhooks.post(f"http://{host}:{port}/hook", "{}", {}))


async def _mailed(mails: Mails, host: str, port: int) -> tuple[bool, str, str]:
    people = {"sender": "a@example.com", "recipients": ["b@example.com"]}
    email = EmailSettings(host=host.strip("[]"), port=port, security="none", **people)
    now = datetime.now(UTC)
    channel = Channel("desk", "Desk", email.url, "", True, now, now, kind="email", email=email)
    body = body_of({"type": "io.steptrail.channel.tested.v1"}, moment="test", rule_id="test")
    return _told(await mails(Claimed("d", "desk", channel, body, 1, now, "token"), channel, "", now))


def _told(attempt: Attempt) -> tuple[bool, str, str]:
    text = attempt.error or ""
    refused = any(words in text for words in ("never reached", "not allowed", "this machine itself"))
    return attempt.error is None, "blocked_by_policy" if refused else "connect", text


async def _connected(tools: Tools, host: str, port: int) -> tuple[bool, str, str]:
    try:
        _, writer = await tools.connect(host.strip("[]"), port, seconds=4.0)
    except CheckFailed as failed:
        return False, str(failed.failure_class), str(failed)
    writer.close()
    await writer.wait_closed()
    return False, "protocol", "connected, and nothing was said"


INSIDE = (
    "127.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254", "2852039166", "metadata.google.internal", "10.0.0.5",
    "trap.example", "mixed.example",
)  # fmt: skip
"""Every spelling of loopback and metadata, a private address, a name that leads inside, one that also leads there."""


@pytest.mark.parametrize("door", DOORS)
async def test_no_door_leads_inside(
    door: str, trap: Trap, seen: Seen, tmp_path: Path, chromium_path: str, mssql_driver: str
) -> None:
    """Refused by the policy, whatever the library makes of the address, and nobody was connected to."""
    names = {"trap.example": ["127.0.0.1"], "mixed.example": ["127.0.0.2", "127.0.0.1", "10.0.0.5"]}

    async def resolver(host: str, port: int) -> list[str]:
        return names[host]

    rules = EgressPolicy(exceptions=[f"127.0.0.2:{trap.port}"], resolver=resolver)
    async with opened(door, rules, tmp_path, chromium_path) as go:
        for host in INSIDE:
            ok, failure_class, message = await go(host, trap.port)
            assert (ok, failure_class) == (False, "blocked_by_policy"), (host, message)
    assert trap.reached == trap.beside == []
    assert trap.port not in {port for _, port in seen.connected}


@pytest.mark.parametrize("door", DOORS)
async def test_a_name_that_turns_is_looked_up_once_and_its_judged_address_connected(
    door: str, trap: Trap, seen: Seen, tmp_path: Path, chromium_path: str, mssql_driver: str
) -> None:
    """First it leads beside the trap, where the policy lets us, then into it (TTL 0). No library asks the name again
    by itself: whoever connects a second time is judged a second time."""
    asked: list[str] = []

    async def turning(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    rules = EgressPolicy(exceptions=[f"127.0.0.2:{trap.port}"], resolver=turning)
    async with opened(door, rules, tmp_path, chromium_path) as go:
        ok, failure_class, message = await go("turning.example", trap.port)
    assert not ok, message
    assert failure_class != "internal", message
    assert trap.beside, "the judged address was never connected to"
    assert trap.reached == []
    assert set(asked) == {"turning.example"}
    assert "turning.example" not in seen.names
    assert ("127.0.0.1", trap.port) not in seen.connected


def test_the_hook_hears_a_connection(seen: Seen) -> None:
    """So that silence above means something."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("localhost", port), timeout=5).close()
    assert "localhost" in seen.names
    assert ("127.0.0.1", port) in seen.connected
