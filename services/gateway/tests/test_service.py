"""The gateway as processes: two replicas on PostgreSQL and RabbitMQ."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from steptrail_common.bus import connect
from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.events import envelope, routing_key
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.testing.process import free_port

PASSWORD = "a password of the tests"
START_SECONDS = 120.0
"""Generous: many tests may share the machine."""
pytestmark = pytest.mark.timeout(400)


class Replica:
    """One `python -m steptrail_gateway`."""

    def __init__(self, environment: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "steptrail_gateway"],
            env={**environment, "STEPTRAIL_GATEWAY_PORT": str(port)},
            stderr=subprocess.PIPE,
        )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.stop()
            try:
                if httpx2.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ready after {START_SECONDS} s: {self.stop()}")

    def stop(self) -> tuple[int, str]:
        """SIGTERM; the exit code and what was logged."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            logged = self.process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            logged = self.process.communicate()[1]
        return self.process.returncode, logged.decode()


@pytest.fixture
def environment(fresh_postgres: str, fresh_vhost: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("STEPTRAIL_")}
    return {
        **own,
        "STEPTRAIL_GATEWAY_STORE": fresh_postgres,
        "STEPTRAIL_BUS": fresh_vhost,
        "STEPTRAIL_SERVICE_TOKEN": "a-service-token-of-the-tests-0123456789",
        "STEPTRAIL_ADMIN_PASSWORD": PASSWORD,
    }


@pytest.fixture
def replicas(environment: dict[str, str]) -> Iterator[list[Replica]]:
    """Two that start at the same moment on an empty database."""
    both = [Replica(environment), Replica(environment)]
    try:
        for one in both:
            one.wait_ready()
        yield both
    finally:
        for one in both:
            one.stop()


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "steptrail_gateway", *arguments], env=environment, capture_output=True, text=True
    )


@asynccontextmanager
async def stream(replica: Replica, cookie: str) -> AsyncIterator[httpx2.Response]:
    headers = {"Accept": "text/event-stream", "Cookie": cookie}
    async with (
        httpx2.AsyncClient(timeout=20) as client,
        client.stream("GET", f"{replica.url}/api/v1/events", headers=headers) as response,
    ):
        assert response.status_code == 200
        yield response


async def tell(address: str, seq: int) -> None:
    event = RunEvent.model_validate(
        {
            "run_id": "r1",
            "process_id": "p1",
            "seq": seq,
            "at": "2026-11-20T12:00:00Z",
            "type": "run.queued",
            "status": "queued",
        }
    )
    wrapped = envelope(event.type, event, source="x", identity=("r1", seq), at=event.at, subject="p1")
    bus = connect(address, name="tests")
    await bus.start()
    message = Message(wrapped.model_dump_json().encode(), wrapped.id, headers={"position": "7"})
    await bus.publish([(Destination(topic=routing_key(event.type, "p1")), message)])
    await bus.close()


async def first_data(response: httpx2.Response) -> Any:
    async with asyncio.timeout(10):
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                return json.loads(line[6:])
    raise AssertionError("the stream ended")


@pytest.mark.req("NFR-015")
async def test_replicas_share_sign_ins_and_each_hears_every_event(
    replicas: list[Replica], environment: dict[str, str]
) -> None:
    """A sign-in at one counts at the other; an event reaches the browsers of both; a restart of one takes no time."""
    one, other = replicas
    async with httpx2.AsyncClient() as client:
        signed_in = await client.post(f"{one.url}/api/v1/session", json={"username": "admin", "password": PASSWORD})
        assert signed_in.status_code == 200
        cookie = f"steptrail_session={signed_in.cookies['steptrail_session']}"
        me = await client.get(f"{other.url}/api/v1/me", headers={"Cookie": cookie})
        assert me.json()["username"] == "admin"
        users = await client.get(f"{one.url}/api/v1/users", headers={"Cookie": cookie})
        assert len(users.json()["items"]) == 1
    async with stream(one, cookie) as here, stream(other, cookie) as there:
        await tell(environment["STEPTRAIL_BUS"], 1)
        assert (await first_data(here))["run_id"] == "r1"
        assert (await first_data(there))["run_id"] == "r1"
        started = time.monotonic()
        code, logged = await asyncio.to_thread(one.stop)
        assert code == 0, logged
        assert time.monotonic() - started < 5
        assert "Traceback" not in logged


async def test_operator_gets_a_link_and_a_verdict_on_the_audit_log(
    replicas: list[Replica], environment: dict[str, str]
) -> None:
    """Beside running replicas, on the same database."""
    printed = await asyncio.to_thread(command, environment, "create-link")
    assert printed.returncode == 0, printed.stderr
    code = printed.stdout.strip().partition("/sign-in#code=")[2]
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{replicas[1].url}/api/v1/session/link", json={"code": code})
        assert answer.json()["role"] == "admin"
    verdict = await asyncio.to_thread(command, environment, "verify-audit")
    assert verdict.returncode == 0, verdict.stderr
    assert "lines, unbroken" in verdict.stdout


def test_operator_is_told_what_is_wrong(environment: dict[str, str]) -> None:
    """A short token, an unknown account, an unknown command: one sentence each, no stack."""
    short = command({**environment, "STEPTRAIL_SERVICE_TOKEN": "short"}, "create-link")
    assert short.returncode != 0
    assert "openssl rand -hex 32" in short.stderr
    unknown = command(environment, "create-link", "nobody")
    assert "There is no user 'nobody'" in unknown.stderr
    misspelt = command(environment, "creat-link")
    assert misspelt.returncode == 3
    assert misspelt.stderr.startswith("usage:")
    for failed in (short, unknown, misspelt):
        assert "Traceback" not in failed.stderr
