"""The whole probe on an in-process bus, asked as the orchestrator asks it, and the databases it looks into."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Delivery, Destination, Message, Subscription
from steptrail_common.contracts.catalog import ConnectionTest, SealedConnection
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.workers import (
    RESULTS_QUEUE,
    KeyAnswer,
    KeyRequest,
    ProbeAnswer,
    ProbeRequest,
    StepRequestBundle,
    StepResult,
    StepResultBundle,
    request_queue,
)
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import generate_keys, seal, target_host
from steptrail_common.service import running
from steptrail_common.testing.requests import step_request
from steptrail_dbprobe.config import Settings
from steptrail_dbprobe.service import build

KEYS = generate_keys()
SECRET = "canary-7f3a-geheim"
QUEUE = request_queue("db_query")


def connection(settings: dict[str, Any], connection_id: str = "erp", **secrets: str) -> SealedConnection:
    """A saved connection with a sealed password, and other secrets."""
    plain = SealedConnection.model_validate({"connection_id": connection_id, "settings": settings})
    host = target_host(plain.settings)
    sealed = {
        name: seal(KEYS.public, text, connection_id=connection_id, field=name, host=host)
        for name, text in {"password": SECRET, **secrets}.items()
    }
    return plain.model_copy(update={"sealed": sealed})


def postgresql(url: str, user: str, **more: Any) -> SealedConnection:
    """A connection to a database of the tests' own server, without TLS unless said otherwise."""
    parts = urlsplit(url)
    settings = {
        "kind": "postgresql",
        "host": parts.hostname,
        "port": parts.port,
        "database": parts.path[1:],
        "username": user,
        "tls": "disable",
    }
    return connection(settings | more)


class PeakMemory:
    """The most memory this process held at any moment since this was made, beyond what it held then."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
        self._before_kib = self._peak_kib()

    def grown_mib(self) -> float:
        return (self._peak_kib() - self._before_kib) / 1024

    @staticmethod
    def _peak_kib() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


class Probe:
    """A running database probe."""

    def __init__(self, bus: InProcessBus, evidence: EvidenceStore) -> None:
        self._bus = bus
        self._evidence = evidence
        self._results: dict[str, asyncio.Future[StepResult]] = {}
        self._answers: dict[str, asyncio.Future[ProbeAnswer]] = {}
        self._reply_to = f"asker.{uuid4().hex}"

    async def start(self) -> None:
        await self._bus.start()
        await self._bus.subscribe(Subscription(RESULTS_QUEUE, batch_max=50), self._on_results)
        await self._bus.subscribe(Subscription(self._reply_to, shared=False), self._on_answers)

    async def ask(
        self,
        target: SealedConnection,
        query: str | None = None,
        params: dict[str, Any] | None = None,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 - the step's own
        **more: Any,
    ) -> StepResult:
        """The result of one attempt at a step with this query. Fails if there is none soon after the time limit."""
        token = uuid4().hex
        check = {"type": "db_query", "connection": target.connection_id, "params": params or {}}
        check |= {key: more.pop(key) for key in ("mask", "documents") if key in more}
        if query is not None:
            check["query"] = query
        request = step_request(
            DbQuery.model_validate(check),
            **{
                "run_id": f"run-{token}",
                "process_id": "order-to-cash",
                "step_id": "invoice_row",
                "step_name": "Invoice was written",
                "token": token,
                "connection": target,
                "timeout_seconds": timeout,
                **more,
            },
        )
        self._results[token] = asyncio.get_running_loop().create_future()
        body = StepRequestBundle(items=[request]).model_dump_json(by_alias=True).encode()
        await self._bus.publish([(Destination(queue=QUEUE), Message(body, dedup_id=token))])
        return await asyncio.wait_for(self._results[token], timeout + 15)  # a busy machine is no fault of the probe

    async def test(self, target: SealedConnection) -> ConnectionTest:
        """What the probe says of a connection."""
        probe = ProbeRequest(probe_id=uuid4().hex, reply_to=self._reply_to, test_connection=target)
        self._answers[probe.probe_id] = asyncio.get_running_loop().create_future()
        message = Message(probe.model_dump_json().encode(), dedup_id=probe.probe_id, headers={"kind": "probe"})
        await self._bus.publish([(Destination(queue=QUEUE), message)])
        answer = await asyncio.wait_for(self._answers[probe.probe_id], 30)
        assert answer.connection_test is not None
        return answer.connection_test

    async def keys(self, wanted: KeyRequest) -> KeyAnswer:
        """What the probe answers to a question of a stuck board."""
        probe = ProbeRequest(probe_id=uuid4().hex, reply_to=self._reply_to, keys=wanted)
        self._answers[probe.probe_id] = asyncio.get_running_loop().create_future()
        message = Message(probe.model_dump_json().encode(), dedup_id=probe.probe_id, headers={"kind": "probe"})
        await self._bus.publish([(Destination(queue=QUEUE), message)])
        answer = await asyncio.wait_for(self._answers[probe.probe_id], wanted.timeout_seconds + 30)
        assert answer.keys is not None
        return answer.keys

    async def rows(self, result: StepResult) -> dict[str, Any]:
        """The evidence of a result: statement, params, columns, rows."""
        piece = next(item for item in result.evidence if item.kind == "rows")
        document = json.loads(await self._evidence.get(piece.address, piece.sha256))
        assert isinstance(document, dict)
        return document

    async def _on_results(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            for result in StepResultBundle.model_validate_json(delivery.message.body).items:
                if not self._results[result.token].done():
                    self._results[result.token].set_result(result)

    async def _on_answers(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            answer = ProbeAnswer.model_validate_json(delivery.message.body)
            self._answers[answer.probe_id].set_result(answer)


@asynccontextmanager
async def running_probe(tmp_path: Path, **settings: Any) -> AsyncIterator[Probe]:
    """The probe as its composition root builds it."""
    broker, evidence = InProcessBroker(), str(tmp_path / "evidence")
    built = build(
        Settings.load(bus="memory:", evidence=evidence, private_keys=[KEYS.private], **settings),
        bus=InProcessBus(broker),
    )
    async with running(built):
        asker = InProcessBus(broker)
        probe = Probe(asker, EvidenceStore(evidence))
        await probe.start()
        yield probe
        await asker.close()


@dataclass(frozen=True)
class Shop:
    """A PostgreSQL database with orders and four accounts, whose names begin with `prefix`."""

    url: str
    prefix: str

    def account(self, name: str, **more: Any) -> SealedConnection:
        """A connection with the account `reader`, `writer`, `files` or `owner` (a superuser)."""
        return postgresql(self.url, "postgres" if name == "owner" else f"{self.prefix}_{name}", **more)

    @property
    def exception(self) -> str:
        """What the egress policy must allow: ip:port."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}"

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """As administrator."""
        return await asyncpg.connect(self.url.replace("+asyncpg", ""))


_SHOP = """
    create table orders (id int primary key, order_no text, placed_at timestamptz, total numeric, iban text);
    insert into orders values (1, '4711', '2026-11-01 12:00+01', 19.90, 'DE02120300000000202051'),
                              (2, '4712', '2026-11-02 12:00+01', 5, 'DE02500105170137075030');
    create table secret_plans (what text);
    create sequence numbers;
    create function sneaky() returns int language plpgsql volatile as
        $$ begin insert into orders values (99, 'sneaked'); return 1; end $$;
    revoke create on schema public from public;
    create role {p}_reader login; grant select on orders to {p}_reader;
    create role {p}_writer login;
    grant select, insert, update, delete, truncate on orders to {p}_writer;
    grant usage, select, update on sequence numbers to {p}_writer;
    create role {p}_files login; grant pg_read_server_files to {p}_files; grant select on orders to {p}_files;
"""


@pytest.fixture
def prefix() -> str:
    """Roles belong to the whole server: each test has its own."""
    return f"p{uuid4().hex[:10]}"


@pytest.fixture
async def shop(fresh_postgres: str, prefix: str) -> AsyncIterator[Shop]:
    """The database; roles are dropped at the end."""
    made = Shop(fresh_postgres, prefix)
    admin = await made.connect()
    await admin.execute(_SHOP.format(p=prefix))
    yield made
    for name in ("reader", "writer", "files"):
        await admin.execute(f"drop owned by {prefix}_{name}; drop role {prefix}_{name}")
    await admin.close()


@pytest.fixture
async def probe(shop: Shop, tmp_path: Path) -> AsyncIterator[Probe]:
    """A probe that may reach the database."""
    async with running_probe(tmp_path, egress_exceptions=[shop.exception]) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder whose SQLite files may be opened."""
    made = tmp_path / "allowed"
    made.mkdir()
    return made
