"""The runner: order of start and stop, background tasks that must not end, signals, drain."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY
from steptrail_common import service as runner
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Destination, Message, Subscription
from steptrail_common.errors import ConfigurationError, Unavailable
from steptrail_common.service import Service, running, serve
from structlog.testing import capture_logs

PROGRAM = """
import asyncio, sys
from fastapi.responses import StreamingResponse
from steptrail_common.service import Service, main
from steptrail_common.settings import ServiceSettings, SettingsConfigDict
from steptrail_common.web import build_app

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="STEPTRAIL_SAMPLE_")

def build(settings):
    closed = asyncio.Event()
    app = build_app(title="sample", checks={})

    @app.get("/stream")
    async def stream():
        async def body():
            yield b"first"
            await closed.wait()
            yield b"last"
        return StreamingResponse(body())

    async def say(word):
        print(word, flush=True)

    async def forever():
        await asyncio.Event().wait()

    return Service("sample", app, background=[forever], start=[lambda: say("started")],
                   stop=[lambda: say("first stop"), lambda: say("second stop")], before_shutdown=closed.set)

main(Settings, build)
"""


def noting(notes: list[str], word: str) -> Callable[[], Awaitable[None]]:
    """A hook that writes down that it ran."""

    async def hook() -> None:
        notes.append(word)

    return hook


async def test_start_in_order_stop_in_reverse() -> None:
    """What was opened last is closed first."""
    notes: list[str] = []
    made = Service(
        "sample",
        start=[noting(notes, "a"), noting(notes, "b")],
        stop=[noting(notes, "close a"), noting(notes, "close b")],
    )
    async with running(made):
        notes.append("serving")
    assert notes == ["a", "b", "serving", "close b", "close a"]


async def test_a_failing_stop_hook_does_not_keep_the_others_from_running() -> None:
    """A connection that is already dead must not leave files open."""
    notes: list[str] = []

    async def fails() -> None:
        raise OSError("already gone")

    async with running(Service("sample", stop=[noting(notes, "last"), fails])):
        pass
    assert notes == ["last"]


async def test_a_start_waits_for_what_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that comes up 10 seconds later is normal when machines start together."""
    monkeypatch.setattr(runner, "_BACKOFF_SECONDS", (0.01,) * 6)
    tries = 0

    async def connect() -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Unavailable("not yet")

    async with running(Service("sample", start=[connect])):
        assert tries == 4


async def test_a_start_does_not_wait_for_ever_nor_for_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what had been started is stopped."""
    monkeypatch.setattr(runner, "START_PATIENCE_SECONDS", 0.05)
    notes: list[str] = []

    async def away() -> None:
        raise Unavailable("still not")

    async def wrong() -> None:
        raise ConfigurationError("no")

    for hook, error in ((away, Unavailable), (wrong, ConfigurationError)):
        with pytest.raises(error):
            async with running(Service("sample", start=[hook], stop=[noting(notes, "stopped")])):
                pytest.fail("it must not serve")
    assert notes == ["stopped", "stopped"]


@pytest.mark.req("NFR-006")
async def test_a_background_task_that_ends_or_fails_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outbox relay that died must not stay dead; the metric tells."""
    monkeypatch.setattr(runner, "_BACKOFF_SECONDS", (0.01,) * 6)
    third = asyncio.Event()
    rounds = 0

    async def relay() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise RuntimeError("bang")
        if rounds == 3:
            third.set()
            await asyncio.Event().wait()

    labels = {"task": relay.__qualname__}
    before = REGISTRY.get_sample_value("steptrail_background_restarts_total", labels) or 0
    async with running(Service("sample", background=[relay])):
        await asyncio.wait_for(third.wait(), 5)
    assert REGISTRY.get_sample_value("steptrail_background_restarts_total", labels) == before + 2


async def test_handlers_under_way_end_before_anything_is_closed() -> None:
    """The bus is drained first: the store is still open for what a handler writes."""
    notes: list[str] = []
    begun = asyncio.Event()
    bus = InProcessBus(InProcessBroker())

    async def handle(_deliveries: object) -> None:
        begun.set()
        await asyncio.sleep(0.1)
        notes.append("handled")

    async def subscribe() -> None:
        await bus.start()
        await bus.subscribe(Subscription(queue="work"), handle)

    async with running(Service("sample", bus=bus, start=[subscribe], stop=[noting(notes, "store closed")])):
        await bus.publish([(Destination(queue="work"), Message(body=b"{}", dedup_id="1"))])
        await asyncio.wait_for(begun.wait(), 5)
    assert notes == ["handled", "store closed"]


@pytest.mark.req("NFR-006")
async def test_work_ahead_is_done_once_requests_are_answered_and_its_failure_harms_nothing() -> None:
    """Health is answered while it lasts; what fails is logged, and what stands behind it is done as well."""
    allowed, ready, notes = threading.Event(), asyncio.Event(), list[str]()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def waits() -> None:
        allowed.wait(60)
        notes.append("in the loop" if threading.current_thread() is threading.main_thread() else "in a thread")

    def fails() -> None:
        raise OSError("no room")

    made = Service("sample", ahead=[waits, fails, lambda: notes.append("done")])
    with capture_logs() as logged:
        serving = asyncio.create_task(serve(made, port=port, on_ready=lambda _: ready.set()))
        async with httpx2.AsyncClient() as client:
            await asyncio.wait_for(_answered(client, f"http://127.0.0.1:{port}/readyz"), 60)
        assert (notes, ready.is_set()) == ([], False)
        allowed.set()
        await asyncio.wait_for(ready.wait(), 60)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 60)
    assert notes == ["in a thread", "done"]
    failed = [line for line in logged if line["event"] == "service.ahead_failed"]
    assert [(line["name"], line["work"].rpartition(".")[2]) for line in failed] == [("sample", "fails")]


async def _answered(client: httpx2.AsyncClient, url: str) -> None:
    while True:
        with contextlib.suppress(httpx2.TransportError):
            if (await client.get(url)).status_code == 200:
                return
        await asyncio.sleep(0.01)


class Process:
    """The sample program as a process of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        (folder / "sample.py").write_text(textwrap.dedent(PROGRAM))
        with socket.socket() as probe, socket.socket() as second:
            probe.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            self.port, self.metrics_port = probe.getsockname()[1], second.getsockname()[1]
        environment = {
            **os.environ,
            "STEPTRAIL_SERVICE_TOKEN": "0123456789abcdef" * 2,
            "STEPTRAIL_SAMPLE_PORT": str(self.port),
            "STEPTRAIL_SAMPLE_METRICS_PORT": str(self.metrics_port),
            **settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, folder / "sample.py"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def wait_ready(self) -> None:
        for _ in range(2400):
            if self.process.poll() is not None:
                raise AssertionError(self.process.communicate())
            try:
                if httpx2.get(self.url("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.025)
        raise AssertionError("not ready within 60 s")

    def end(self) -> tuple[int, str, list[dict[str, object]]]:
        """Exit code, what was printed, the log lines."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, [json.loads(line) for line in err.splitlines() if line.startswith("{")]


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_in_order_and_with_open_streams_closed(tmp_path: Path, number: int) -> None:
    """Exit code 0, hooks run, a live stream gets its proper end instead of holding the process."""
    process = Process(tmp_path)
    process.wait_ready()
    with httpx2.stream("GET", process.url("/stream")) as stream:
        pieces = stream.iter_raw()
        assert next(pieces) == b"first"
        process.process.send_signal(number)
        assert b"".join(pieces) == b"last"
    code, out, logged = process.end()
    assert (code, out.split("\n")[:3]) == (0, ["started", "second stop", "first stop"])
    assert [line["event"] for line in logged if str(line["event"]).startswith("service.")] == [
        "service.started",
        "service.ready",
        "service.stopped",
    ]


@pytest.mark.req("IR-6")
def test_metrics_are_served_on_their_own_port(tmp_path: Path) -> None:
    """And not on the port of the API."""
    process = Process(tmp_path)
    process.wait_ready()
    text = httpx2.get(f"http://127.0.0.1:{process.metrics_port}/metrics").text
    assert 'steptrail_http_seconds_count{method="GET",route="/readyz",status="200"}' in text
    assert httpx2.get(process.url("/metrics")).status_code == 404
    process.process.terminate()
    assert process.end()[0] == 0


def test_a_refusal_to_start_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    """No stack trace for what an administrator can mend."""
    process = Process(tmp_path, STEPTRAIL_SAMPLE_LOG_LEVEL="loud")
    out, err = process.process.communicate(timeout=60)
    assert (process.process.returncode, out) == (2, "")
    assert err.startswith("steptrail-sample cannot start: STEPTRAIL_SAMPLE_LOG_LEVEL: Input should be 'debug'")
    assert len(err.splitlines()) == 1


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """Before anything was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = Process(tmp_path, STEPTRAIL_SAMPLE_PORT=port)
        out, err = process.process.communicate(timeout=60)
    assert (process.process.returncode, out) == (2, "")
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in err


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
async def test_peer_that_never_reads_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel lets go of it, so that what is buffered for it does not stay for ever."""
    monkeypatch.setattr(runner, "UNREAD_SECONDS", 1)
    listener = runner._listen("127.0.0.1", 0)
    silent = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    reader, writer = await asyncio.open_connection(sock=accepted)
    writer.write(b"x" * 20_000_000)
    with pytest.raises((TimeoutError, ConnectionError)):
        async with asyncio.timeout(30):
            await writer.drain()
    assert writer.is_closing() or reader.exception() is not None
    silent.close()
    writer.close()
    listener.close()
