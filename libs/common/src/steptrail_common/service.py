"""The runner of every service: start in order, serve, drain on a signal, stop in reverse.

A service is a plain value made by its composition root; `serve` runs one as a process, `running` runs one inside a
process that already exists (embedded, tests).
"""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvicorn
import uvloop
from fastapi import FastAPI
from prometheus_client import start_http_server

from steptrail_common import telemetry
from steptrail_common.bus.port import Bus
from steptrail_common.contracts.checks import PluginBroken, plugins
from steptrail_common.errors import ConfigurationError, SteptrailError, Unavailable
from steptrail_common.settings import WorkerSettings
from steptrail_common.tasks import end
from steptrail_common.web import build_app

START_PATIENCE_SECONDS = 60.0
"""How long a start waits for a database or broker that is not there yet."""
UNREAD_SECONDS = 60
"""A peer that reads nothing of what it was sent for so long loses its connection and what is buffered for it."""
_GRACEFUL_HTTP_SECONDS = 5
_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_HEALTHY_AFTER_SECONDS = 60.0
_GARBAGE_THRESHOLDS = (10_000, 20, 20)
"""New objects between two looks for cycles. Python's 700 make up a tenth of the work of a busy service."""

Hook = Callable[[], Awaitable[None]]
S = TypeVar("S", bound=WorkerSettings)


@dataclass
class Service:
    """What a composition root returns. The runner drains and closes `bus`; connecting it belongs into `start`."""

    name: str
    app: FastAPI | None = None
    bus: Bus | None = None
    background: Sequence[Hook] = ()
    start: Sequence[Hook] = ()
    stop: Sequence[Hook] = ()
    checks: Mapping[str, Hook] = field(default_factory=dict)
    before_shutdown: Callable[[], None] | None = None
    ahead: Sequence[Callable[[], object]] = ()
    """Done by `serve` in a thread once the service is ready: neither the start nor the first request waits for it.
    Each must be something that the first use does by itself if it comes earlier."""


@asynccontextmanager
async def running(service: Service, *, drain_seconds: float = 20.0) -> AsyncIterator[None]:
    """Start hooks in order, background tasks while the block runs; then drain, cancel, stop hooks in reverse."""
    tasks: list[asyncio.Task[None]] = []
    try:
        for hook in service.start:
            await _patiently(service.name, hook)
        tasks = [asyncio.create_task(_kept_alive(service.name, hook), name=_label(hook)) for hook in service.background]
        telemetry.log.info("service.started", name=service.name)
        yield
    finally:
        await _wind_down(service, tasks, drain_seconds)


async def _patiently(name: str, hook: Hook) -> None:
    """Run a start hook; while what it needs is `Unavailable`, try again for a minute. Hooks can be repeated."""
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    for attempt in range(sys.maxsize):
        try:
            return await hook()
        except Unavailable as error:
            pause = _BACKOFF_SECONDS[min(attempt, 3)]
            if time.monotonic() + pause > deadline:
                raise
            telemetry.log.warning("service.waiting", name=name, hook=_label(hook), detail=error.detail)
            await asyncio.sleep(pause)


async def _kept_alive(name: str, hook: Hook) -> None:
    """A background task has no reason to end: log it and begin again, slower each time."""
    failures = 0
    while True:
        began = time.monotonic()
        try:
            await hook()
            telemetry.log.error("background.ended", name=name, task=_label(hook))
        except Exception as error:
            write = telemetry.log.warning if isinstance(error, Unavailable) else telemetry.log.exception
            write("background.failed", name=name, task=_label(hook), error=repr(error))
        telemetry.BACKGROUND_RESTARTS.labels(_label(hook)).inc()
        failures = 0 if time.monotonic() - began > _HEALTHY_AFTER_SECONDS else failures + 1
        await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1] if failures else 0.0)


async def _work_ahead(service: Service) -> None:
    """What fails here is tried again by who needs it first, and fails where somebody sees it."""
    for work in service.ahead:
        try:
            await asyncio.to_thread(work)
        except Exception:
            telemetry.log.exception("service.ahead_failed", name=service.name, work=_label(work))
    gc.freeze()  # modules again: they stay


async def _wind_down(service: Service, tasks: Sequence[asyncio.Task[None]], drain_seconds: float) -> None:
    """Each part gets its turn even if the one before it fails; nothing here hides the error that led here."""
    if service.bus is not None:
        await _attempt(service.name, lambda: _drain(service.bus, drain_seconds))
    await end(*tasks)
    for hook in reversed(service.stop):
        await _attempt(service.name, hook)
    if service.bus is not None:
        await _attempt(service.name, service.bus.close)
    telemetry.log.info("service.stopped", name=service.name)


async def _drain(bus: Bus | None, drain_seconds: float) -> None:
    if bus is not None:
        await bus.drain(drain_seconds)


async def _attempt(name: str, hook: Hook) -> None:
    try:
        await hook()
    except Exception:
        telemetry.log.exception("service.stop_failed", name=name, hook=_label(hook))


def _label(hook: Any) -> str:
    return str(getattr(hook, "__qualname__", type(hook).__name__))


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn's own handlers raise them a second time after the shutdown."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()


async def serve(
    service: Service,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    metrics_port: int | None = None,
    drain_seconds: float = 20.0,
    trusted_proxies: Sequence[str] = (),
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Run one service as this process until SIGTERM or SIGINT; a second signal ends it without waiting.

    `on_ready` is called with the port (useful with port 0) once requests are answered and the work ahead is done.
    Workers answer health only.
    """
    app = service.app or build_app(title=service.name, checks=service.checks)
    listener = _listen(host, port)
    metrics = _serve_metrics(host, metrics_port)
    server = _Server(_uvicorn_config(app, trusted_proxies))
    process = _Process(service, app, server, listener, on_ready, drain_seconds)
    try:
        await process.run()
    finally:
        listener.close()
        metrics()
        telemetry.flush()


@dataclass
class _Process:
    """One service from its first signal handler to its last log line."""

    service: Service
    app: FastAPI
    server: _Server
    listener: socket.socket
    on_ready: Callable[[int], None] | None
    drain_seconds: float
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    ready: bool = False
    work: asyncio.Task[None] | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self.work = asyncio.create_task(self._serve(), name="service")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        try:
            await asyncio.wait([self.work])
        finally:
            self.work.cancel()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        if not self.work.cancelled():
            self.work.result()

    def _on_signal(self) -> None:
        if self.ready and not self.ending.is_set():
            self.ending.set()
        elif self.work is not None:  # still starting, or asked twice
            self.server.force_exit = True
            self.work.cancel()

    async def _serve(self) -> None:
        async with running(self.service, drain_seconds=self.drain_seconds):
            http = asyncio.create_task(self.server.serve(sockets=[self.listener]), name="http")
            await self._first_of(http, self.server.serving)
            self.ready = True
            _look_less_for_garbage()
            port = self.listener.getsockname()[1]
            telemetry.log.info("service.ready", name=self.service.name, port=port)
            await _work_ahead(self.service)
            if self.on_ready is not None:
                self.on_ready(port)
            await self._first_of(http, self.ending)
            self.app.state.draining = True
            if self.service.before_shutdown is not None:
                self.service.before_shutdown()
            self.server.should_exit = True
            await http

    @staticmethod
    async def _first_of(http: asyncio.Task[None], event: asyncio.Event) -> None:
        waiting = asyncio.create_task(event.wait())
        await asyncio.wait([http, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()


def _look_less_for_garbage() -> None:
    """What the start has made, modules above all, stays: leave it out of every later look."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything starts, so that a taken port is one clear sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another port"
        ) from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    return listener


def _serve_metrics(host: str, port: int | None) -> Callable[[], None]:
    """Prometheus text on its own port, from a thread; returns how to stop it."""
    if port is None:
        return lambda: None
    try:
        server, thread = start_http_server(port, addr=host)
    except OSError as error:
        raise ConfigurationError(f"cannot serve metrics on {host} port {port}: {error.strerror}") from None

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _uvicorn_config(app: FastAPI, trusted_proxies: Sequence[str]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=_GRACEFUL_HTTP_SECONDS,
    )


def main(settings_type: type[S], build: Callable[[S], Service]) -> None:
    """The whole of a `__main__`: read settings, build, serve on uvloop; a refusal to start is one sentence."""
    try:
        require_plugins()
        settings = settings_type.load()
        telemetry.configure(
            f"steptrail-{settings.service_name()}", level=settings.log_level, otlp_endpoint=settings.otlp_endpoint
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main(settings, build))
    except SteptrailError as error:
        sys.stderr.write(f"steptrail-{settings_type.service_name()} cannot start: {error.detail}\n")
        raise SystemExit(2 if isinstance(error, ConfigurationError) else 1) from None


def require_plugins() -> None:
    """Load the check plugins that are installed. Raises `ConfigurationError` that names one that does not work."""
    try:
        plugins()
    except PluginBroken as error:
        raise ConfigurationError(str(error)) from error


async def _main(settings: S, build: Callable[[S], Service]) -> None:
    await serve(
        build(settings),
        host=settings.host,
        port=settings.port,
        metrics_port=settings.metrics_port,
        drain_seconds=settings.drain_seconds,
        trusted_proxies=settings.trusted_proxies,
    )
