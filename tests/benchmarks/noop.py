"""A worker whose checks do nothing, so that what is measured is everything else."""

import asyncio
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from steptrail_checks.politeness import OFF, Politeness
from steptrail_checks.port import CheckContext, Observation, OpenedConnection
from steptrail_checks.subjects import TableSubject
from steptrail_checks.worker import WorkerLoop
from steptrail_common import telemetry
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
    "inputs": {"order": {"required": False, "default": "0"}},
    "steps": [
        {
            "id": f"s{number}",
            "name": f"Step {number}",
            "check": {"type": "api_call", "url": "http://example.com/${{ inputs.order }}"},
        }
        for number in range(1, STEPS + 1)
    ],
}
CONCURRENCY = 200
LASTS = "BENCH_STEP_SECONDS"
"""The variable that makes a step last, for what wants its events evenly spread."""


def new_run() -> dict[str, Any]:
    """The body of a request for a run. Each asks for something else: equal looks at the same moment would be done once
    for all of them."""
    return {"process_id": PROCESS_ID, "inputs": {"order": uuid4().hex}}


class NoopKind:
    """Answers every `api_call` at once, or after the time it is told."""

    type = "api_call"

    async def check(self, context: CheckContext) -> Observation:
        if seconds := float(os.environ.get(LASTS, "0")):
            await asyncio.sleep(seconds)
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
        concurrency=CONCURRENCY,
        # Nobody is asked, so nobody is spared: with the rate that spares a target, this would measure the rate.
        politeness=Politeness(rate=OFF, concurrency=CONCURRENCY),
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
    from steptrail_embedded.memory import spare_memory
    from steptrail_embedded.paths import DataFolder
    from steptrail_gateway.service import create_api_token

    spare_memory()
    data = DataFolder(folder)
    data.prepare()
    whole = compose(Options(data=data, port=port, demo=False))
    replaced = [service for service in whole.others if service.name in ("crawler", "dbprobe")]
    others = [service for service in whole.others if service not in replaced]
    bus = connect("memory:", name="noop", broker=whole.broker)
    loaded = [work for service in replaced for work in service.ahead]  # its memory is a part of the product's
    service = replace(whole, others=[*others, replace(noop_worker(bus), ahead=loaded)]).combined()
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
    telemetry.configure("steptrail-noop", level=os.environ.get("STEPTRAIL_LOG_LEVEL", "info"))
    work = embedded(Path(where), int(number)) if kind == "embedded" else distributed(where, int(number))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
