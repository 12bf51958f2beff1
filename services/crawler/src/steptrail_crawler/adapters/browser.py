"""Chromium as a servant that is not trusted: started, shared by checks, renewed, and killed with everything it started.

One browser at a time serves all checks of a worker, each in a context of its own (cookies, storage and renderer
processes are apart). It is renewed after so many pages, so much time, or when it has grown; a renderer that grows
beyond all bounds is killed alone, a browser that does not obey with its whole process group. It gets no secrets: its
environment is made anew.
"""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters import processes

if TYPE_CHECKING:
    from playwright.async_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAX_PAGES = 200
"""Checks after which a browser is renewed."""
MAX_AGE_SECONDS = 3600.0
START_SECONDS = 20.0
CLOSE_SECONDS = 3.0
WATCH_SECONDS = 1.0
NO_PROXY_PORT = 9
"""The discard port: what does not belong to a check has no way out."""
_FLAGS = (
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-domain-reliability",
    "--deny-permission-prompts",
    "--dns-prefetch-disable",
    "--no-first-run",
    "--no-pings",
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-blink-features=GetDisplayMedia,WebUSB,WebHID,Serial",  # their choosers would wait for ever
    "--disable-features=WebTransport,MediaRouter,OptimizationHints,Translate,DialMediaRouteProvider",
)
_UNWANTED = ("--disable-popup-blocking", "--disable-ipc-flooding-protection")
"""Flags for tests of one's own pages, which Playwright sets. Without its protection from floods a page that writes its
history for ever keeps the browser, the driver and this worker busy with hearing of it."""
log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Lease:
    """The use of a browser by one check. `alone`: no other check used it meanwhile."""

    browser: "Browser"
    alone: bool = True

    @property
    def lost(self) -> bool:
        """Whether the browser is gone."""
        return not self.browser.is_connected()


@dataclass(slots=True)
class _Running:
    """A browser that is up. `group`: its process group; `retired`: gets no more pages, ends with the last."""

    browser: "Browser"
    pid: int
    group: int
    home: Path
    started: float = field(default_factory=time.monotonic)
    pages: int = 0
    leases: set[Lease] = field(default_factory=set)
    retired: bool = False

    @property
    def active(self) -> bool:
        return bool(self.leases)

    def let(self) -> Lease:
        """To one more check."""
        lease = Lease(self.browser, alone=not self.leases)
        for other in self.leases:
            other.alone = False
        self.leases.add(lease)
        self.pages += 1
        return lease


class BrowserPool:
    """One per worker; nothing is started before the first page asks. Linux and other POSIX systems."""

    def __init__(
        self, *, executable: Path | None, sandbox: bool | None, max_memory_bytes: int, max_pages: int = MAX_PAGES
    ) -> None:
        """`executable` None: looked for on the PATH. `sandbox` None: on unless this is root, whom Chromium denies it.

        `max_memory_bytes`: of the browser with all its processes; one renderer may have half of it.
        """
        self._executable = executable
        self._sandbox = os.geteuid() != 0 if sandbox is None else sandbox
        self._max_memory = max_memory_bytes
        self._max_pages = max_pages
        self._playwright: Any = None
        self._current: _Running | None = None
        self._all: list[_Running] = []
        self._lock = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        """A browser for one check. Raises `CheckFailed` (`worker_unavailable`) if there is none here."""
        running, lease = await self._taken()
        try:
            yield lease
        finally:
            running.leases.discard(lease)
            if running.retired and not running.active:
                await asyncio.shield(self._end(running))

    def doubt(self, browser: "Browser") -> None:
        """Give it to no more checks: it does not close a page when it is told to."""
        for running in [one for one in self._all if one.browser is browser]:
            running.retired = True

    def kill(self, browser: "Browser") -> None:
        """At once, with everything it started: it does not obey."""
        for running in [one for one in self._all if one.browser is browser]:
            self._drop(running)
            processes.kill_group(running.group, running.pid)
            log.warning("browser.killed", pages=running.pages)

    async def close(self) -> None:
        """End everything; no process and no file stays."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        for running in list(self._all):
            await self._end(running)
        if self._playwright is not None:
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._playwright.stop()
            self._playwright = None

    async def _taken(self) -> tuple[_Running, Lease]:
        async with self._lock:
            running = self._current
            if running is None or self._worn(running):
                if running is not None:
                    await self._retire(running)
                running = self._current = await self._started()
            return running, running.let()

    def _worn(self, running: _Running) -> bool:
        old = time.monotonic() - running.started > MAX_AGE_SECONDS
        return running.retired or old or running.pages >= self._max_pages or not running.browser.is_connected()

    async def _retire(self, running: _Running) -> None:
        running.retired = True
        if not running.active:
            await self._end(running)

    def _drop(self, running: _Running) -> None:
        running.retired = True
        if running in self._all:
            self._all.remove(running)
        if self._current is running:
            self._current = None
        shutil.rmtree(running.home, ignore_errors=True)

    async def _end(self, running: _Running) -> None:
        """Politely first; what is left of its processes is killed."""
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await running.browser.close()
                while processes.alive(running.group):  # noqa: ASYNC110 (not our children: nobody tells when they end)
                    await asyncio.sleep(0.02)
        processes.kill_group(running.group, running.pid)
        self._drop(running)

    # --- starting ----------------------------------------------------------------------------------------------------

    async def _started(self) -> _Running:
        executable = self._found()
        home = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="steptrail-browser-"))
        try:
            browser = await self._launched(executable, home)
            session = await browser.new_browser_cdp_session()
            told = await session.send("SystemInfo.getProcessInfo")
            pid = next(int(one["id"]) for one in told["processInfo"] if one["type"] == "browser")
            running = _Running(browser, pid, processes.group_of(pid), home)
        except BaseException as error:
            shutil.rmtree(home, ignore_errors=True)
            if isinstance(error, CheckFailed) or not isinstance(error, Exception):
                raise
            self._playwright = None  # its driver may have died: the next check starts another
            log.error("browser.did_not_start", detail=str(error)[:500])
            raise unavailable(f"Chromium does not start on this worker: {_first_line(error)}") from error
        self._all.append(running)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="browser-watch")
        return running

    async def _launched(self, executable: Path, home: Path) -> "Browser":
        if self._playwright is None:
            self._playwright = await _driver()
        browser: Browser = await self._playwright.chromium.launch(
            executable_path=str(executable),
            args=list(_FLAGS),
            ignore_default_args=list(_UNWANTED),
            chromium_sandbox=self._sandbox,
            proxy={"server": f"http://127.0.0.1:{NO_PROXY_PORT}"},
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"},
            downloads_path=str(home),
            timeout=START_SECONDS * 1000,
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
        return browser

    def _found(self) -> Path:
        if self._executable is not None:
            if os.access(self._executable, os.X_OK):
                return self._executable
            raise unavailable(f"there is no browser at {self._executable} (STEPTRAIL_CRAWLER_BROWSER)")
        found = next((path for name in NAMES if (path := shutil.which(name))), None)
        if found is None:
            raise unavailable(
                "this worker has no browser: install Chromium (on Debian `apt-get install chromium`), or name it in "
                "STEPTRAIL_CRAWLER_BROWSER"
            )
        return Path(found)

    # --- keeping it small --------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for running in list(self._all):
                if running.active:
                    await self._keep_small(running)

    async def _keep_small(self, running: _Running) -> None:
        """Kill the renderer that takes more than half, renew a browser that has grown as a whole."""
        sizes = await asyncio.to_thread(processes.memory_of_group, running.group)
        if sum(sizes.values()) > self._max_memory:
            running.retired = True
        for pid, size in sizes.items():
            if size > self._max_memory / 2 and pid != running.pid:
                log.warning("browser.renderer_killed", megabytes=size // 1_000_000)
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


async def _driver() -> Any:
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise unavailable(
            "this worker cannot drive a browser: install the package with its extra, steptrail-crawler[browser]"
        ) from error
    return await async_playwright().start()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    sandboxed = next((line for line in lines if "sandbox" in line.lower() and "no-sandbox" not in line), None)
    return (sandboxed or (lines[0] if lines else type(error).__name__))[:300]


def unavailable(message: str) -> CheckFailed:
    """This worker cannot do it; another may."""
    return CheckFailed(FailureClass.WORKER_LOST, message, reason="worker_unavailable", ours=True)
