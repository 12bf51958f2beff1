"""A worker whose checks do nothing, so that what is measured is everything else."""

import asyncio
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from steptrail_checks.port import CheckContext, Observation, OpenedConnection
from steptrail_checks.subjects import TableSubject
from steptrail_checks.worker import WorkerLoop
from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import SystemClock
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring
from steptrail_common.service import Service, serve

PROCESS_ID = "bench-noop"
STEPS = 10
DEFINITION = {
    "version": 1,
    "process": PROCESS_ID,
    "name": "Ten steps that do nothing",
    "timeout": "10m",
    "steps": [
        {"id": f"s{number}", "name": f"Step {number}", "check": {"type": "api_call", "url": "http://example.com/"}}
        for number in range(1, STEPS + 1)
    ],
}


class NoopKind:
    """Answers every `api_call` at once."""

    type = "api_call"

    async def check(self, context: CheckContext) -> Observation:
        return Observation(subject=TableSubject(columns=(), rows=()), target="nothing")

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        return ConnectionRights(level="read_only", detail="nothing")

    async def close(self) -> None:
        """Nothing is held."""


def noop_worker(bus: Bus) -> Service:
    """The product's own worker loop around a check that does nothing."""
    loop = WorkerLoop(
        bus,
        [NoopKind()],
        EvidenceStore(tempfile.mkdtemp(prefix="steptrail-bench-")),
        SecretsKeyring(()),
        SystemClock(),
        worker_id=f"noop-{os.getpid()}",
        concurrency=200,
    )
    return Service(
        name="noop",
        bus=bus,
        start=[bus.start, loop.start],
        background=[loop.run_heartbeats, loop.run_results],
        stop=[loop.close],
    )


async def embedded(folder: Path, port: int) -> None:
    """The embedded product with this worker in place of its own."""
    from steptrail_embedded.compose import Options, compose
    from steptrail_embedded.paths import DataFolder
    from steptrail_gateway.service import create_api_token

    data = DataFolder(folder)
    data.prepare()
    whole = compose(Options(data=data, port=port, demo=False))
    others = [service for service in whole.others if service.name not in ("crawler", "dbprobe")]
    bus = connect("memory:", name="noop", broker=whole.broker)
    service = replace(whole, others=[*others, noop_worker(bus)]).combined()
    ready = asyncio.Event()

    async def leave_token() -> None:
        await ready.wait()
        data.write_access(f"http://127.0.0.1:{port}", await create_api_token(whole.gateway, name="bench"))

    writing = asyncio.create_task(leave_token())
    await serve(service, port=port, on_ready=lambda _: ready.set())
    await writing


async def distributed(address: str, port: int) -> None:
    """The worker alone, on RabbitMQ."""
    await serve(noop_worker(connect(address, name="noop")), port=port)


if __name__ == "__main__":
    import uvloop

    kind, where, number = sys.argv[1:4]
    work = embedded(Path(where), int(number)) if kind == "embedded" else distributed(where, int(number))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
