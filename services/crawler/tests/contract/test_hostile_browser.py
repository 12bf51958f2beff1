"""Pages that attack the browser, and browsers that do not work: every step ends with a name and in time, the next one
works, and no process is left behind."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import StepResult
from steptrail_crawler.adapters import browser as browsers
from steptrail_crawler.adapters import processes
from steptrail_crawler.adapters.browser import BrowserPool
from steptrail_crawler.adapters.browser_page import PageSession
from steptrail_crawler.adapters.pages import PageFetcher
from steptrail_crawler.adapters.rendered import RenderedKind

from ..conftest import Raw, answer
from .conftest import MEMORY_BYTES, Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMED = frozenset({"read", "page_busy", "browser_crashed", "selector_error"})
"""How a page that never comes to rest may end."""


def found(result: StepResult, label: str) -> Any:
    return next((finding.value for finding in result.findings if finding.label == label), None)


async def still_works(shop: Shop) -> None:
    result = await shop.show(shop.page("/good", "<p id=good>x</p>"), wait_for="#good")
    assert result.ok, result.message


NEVER_STILL = {
    "alerts": "<script>while (true) alert('x')</script>",
    "dialogs of every kind": "<script>while (true) { confirm('x'); prompt('x'); print() }</script>",
    "windows": "<script>while (true) window.open('/evil')</script>",
    "reloads": "<script>onbeforeunload = () => 'stay'; setInterval(() => location.reload(), 1)</script>",
    "a loop": "<script>while (true) {}</script>",
    "a loop later": "<p>x</p><script>onload = () => setTimeout(() => { while (true) {} }, 1)</script>",
    "history": "<script>setInterval(() => { for (;;) history.pushState(0, '', '?' + Math.random()) }, 1)</script>",
    "frames": "<script>setInterval(() => document.body.append(Object.assign("
    "document.createElement('iframe'), {src: '/evil'})), 1)</script><body>",
    "memory": "<script>const kept = []; for (;;) kept.push(new Uint8Array(50e6).fill(1))</script>",
    "text": "<body><script>let t = 'x'; setInterval(() => { t += t; document.body.append(t) }, 1)</script>",
    "canvas": "<script>const kept = []; for (;;) { const c = document.createElement('canvas');"
    "c.width = c.height = 8000; const x = c.getContext('2d'); x.fillRect(0, 0, 8000, 8000);"
    "kept.push(x.getImageData(0, 0, 8000, 8000)) }</script>",
}


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("attack", NEVER_STILL)
async def test_a_page_that_never_rests_ends_with_its_step(attack: str, shop: Shop) -> None:
    """By a name, not much later than its limit; what it wants to be dismissed is, and the next page is shown."""
    await still_works(shop)  # the start of a browser is no part of the time of this page
    evil = shop.page("/evil", NEVER_STILL[attack])
    result = await shop.show(evil, seconds=4.0, wait_for="#never", screenshot="on_failure")
    if result.reason == "worker_unavailable":
        # The attack before made the browser slow or die while this page was in it, or not even there: it is not to
        # blame for that, and a run looks at it again (test_of_several_pages_in_a_browser_that_dies_none_is_to_blame).
        result = await shop.show(evil, seconds=4.0, wait_for="#never", screenshot="on_failure")
    assert not result.ok
    assert result.reason in NAMED, result
    assert result.failure_class in (FailureClass.TIMEOUT, FailureClass.NOT_FOUND, FailureClass.PROTOCOL)
    assert not result.ours
    await still_works(shop)


async def test_a_page_cannot_write_its_history_for_ever(shop: Shop) -> None:
    """The browser ignores what is too much, as it does for everyone. Each entry is told to all its parts and to us, who
    would be late for the end of the step, and for those of other pages."""
    script = "for (let n = 0; n < 5000; n++) history.pushState(0, '', '?' + n); out.textContent = location.search"
    asserts = [{"subject": "selector", "argument": "#out", "part": "text", "operators": {"ne": "?4999"}}]
    result = await shop.show(shop.page("/evil", f"<p id=out></p><script>{script}</script>"), asserts=asserts)
    assert result.ok, result.message


async def test_a_miner_ends_with_its_page(shop: Shop) -> None:
    """A worker that counts for ever in WebAssembly leaves the page usable, and has no process when the step is over."""
    await still_works(shop)
    loop = "[0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11]"
    source = f"WebAssembly.instantiate(new Uint8Array({loop})).then(m => {{ postMessage(1); m.instance.exports.f() }})"
    start = f"new Worker(URL.createObjectURL(new Blob([`{source}`]))).onmessage = () => document.body.id = 'mining'"
    result = await shop.show(shop.page("/evil", f"<body><script>{start}</script>"), wait_for="#mining")
    assert result.ok, result.message
    group = shop.pool._all[-1].group
    async with asyncio.timeout(10):
        while _renderers_of(group, busy=True):  # noqa: ASYNC110 (processes of others: nobody tells when they end)
            await asyncio.sleep(0.05)
    await still_works(shop)


def _renderers_of(group: int, *, busy: bool) -> list[int]:
    """Renderers of a browser; `busy`: that have used more than a second of processor time."""
    seen = []
    for process in psutil.process_iter():
        try:
            renders = os.getpgid(process.pid) == group and "--type=renderer" in process.cmdline()
            if renders and (not busy or process.cpu_times().user > 1.0):
                seen.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return seen


async def test_more_than_five_tabs_are_closed(shop: Shop) -> None:
    """However many a page opens, with or without being clicked."""
    body = (
        "<a id=a target=_blank rel=opener href=/good>x</a><script>for (let i = 0; i < 500; i++) open('/good')</script>"
    )
    shop.page("/good", "<p>x</p>")
    url = shop.page("/evil", body)
    result = await shop.show(url, actions=[{"click": "#a"}] * 9)
    assert result.ok, result.message
    assert int(str(found(result, "Tabs closed")).split(",")[0]) >= 4


FILE_TEXT = b"this is a file; "
"""What the files of this test are full of. Zeros would do no good: the browser's own shared memory begins with them."""


@pytest.mark.req("NFR-012")
async def test_nothing_is_downloaded(shop: Shop) -> None:
    """Neither one endless file nor a thousand small ones; nothing of them is on the disk."""
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-disposition: attachment; filename=a.bin\r\n\r\n")
        while True:
            writer.write(FILE_TEXT * 4_096)
            await writer.drain()
            sent += len(FILE_TEXT) * 4_096

    shop.site.routes |= {"/endless": endless, "/small": _attachment()}
    named = await shop.show(f"{shop.site.url}/endless")
    assert (named.failure_class, named.reason) == (FailureClass.PROTOCOL, "download")
    script = """for (let i = 0; i < 1000; i++) { const a = document.createElement('a');
    a.href = (i ? '/small?' : '/endless?') + i; a.download = ''; document.body.append(a); a.click() }
    document.body.id = 'done'"""
    result = await shop.show(shop.page("/evil", f"<body><script>{script}</script>"), wait_for="#done")
    assert result.ok, result.message
    kept = [path for path in shop.pool._all[-1].home.rglob("*") if path.is_file() and FILE_TEXT in _start(path)]
    assert kept == []
    assert sent < 100 * 1024 * 1024


def _attachment() -> Raw:
    return answer(FILE_TEXT * 100, content_disposition="attachment; filename=b.bin")


def _start(path: Path) -> bytes:
    try:
        return path.read_bytes()[:4096]
    except OSError:
        return b""


@pytest.mark.req("NFR-012")
async def test_pages_get_no_permission(shop: Shop) -> None:
    """Camera, microphone, screen, place, clipboard, notifications, devices: nobody ever says yes."""
    asks = {
        "camera": "navigator.mediaDevices.getUserMedia({video: true})",
        "microphone": "navigator.mediaDevices.getUserMedia({audio: true})",
        "screen": "navigator.mediaDevices.getDisplayMedia()",
        "place": "new Promise((y, n) => navigator.geolocation.getCurrentPosition(y, n))",
        "clipboard": "navigator.clipboard.readText()",
        "notifications": "Notification.requestPermission().then(answer => { if (answer != 'granted') throw answer })",
        "usb": "navigator.usb.requestDevice({filters: []})",
        "serial": "navigator.serial.requestPort()",
        "bluetooth": "navigator.bluetooth.requestDevice({acceptAllDevices: true})",
        "midi": "navigator.requestMIDIAccess({sysex: true})",
        "files": "showDirectoryPicker()",
    }
    cases = ",".join(f"{name}: () => {call}" for name, call in asks.items())
    script = f"""const asks = {{{cases}}}, silence = () => new Promise((_, no) => setTimeout(no, 700));
    for (const name in asks) document.getElementById(name).onclick = async (event) => {{ let word = 'granted';
        try {{ await Promise.race([asks[name](), silence()]) }} catch {{ word = 'denied' }}
        event.target.textContent = `${{name}} ${{word}}`; event.target.className = 'answer' }}"""
    buttons = "".join(f"<button id={name}>{name}</button>" for name in asks)
    clicks = [step for name in asks for step in ({"click": f"#{name}"}, {"wait": f"#{name}.answer"})]
    result = await shop.show(
        shop.page("/evil", f"<body>{buttons}<script>{script}</script>"),
        actions=clicks,
        seconds=40.0,
        asserts=[
            {"subject": "selector", "argument": ".answer", "part": "count", "operators": {"eq": len(asks)}},
            {"subject": "xpath", "argument": "//button[contains(., 'granted')]", "operators": {"exists": False}},
        ],
    )
    assert result.ok, result.message


SELECTORS: list[dict[str, Any]] = [
    {"wait_for": "xpath=//*[count(//*[count(//*[count(//*) > 0]) > 0]) > 0][.='never']"},
    {"actions": [{"click": "*:has(*:has(*:has(* ~ * ~ * ~ b)))"}]},
    {"wait_for": "b"},
]


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("browser", SELECTORS, ids=["xpath", "css", "nothing"])
async def test_selectors_on_huge_pages_end_in_time(browser: dict[str, Any], shop: Shop) -> None:
    """Hundreds of thousands of elements: found, not found or given up, but named."""
    script = "document.body.innerHTML = '<p>x</p>'.repeat(300000)"
    result = await shop.show(shop.page("/evil", f"<body><script>{script}</script>"), seconds=8.0, **browser)
    assert not result.ok
    assert result.reason in NAMED, result
    await still_works(shop)


async def test_a_rendered_page_is_asked_with_the_same_limits(shop: Shop) -> None:
    """Selectors that find too much or take too long are the author's to change."""
    url = shop.page("/evil", "<body><script>document.body.innerHTML = '<p>x</p>'.repeat(20000)</script>")
    for selector in ("p", "p ~ p ~ p ~ p"):
        result = await shop.show(
            url, asserts=[{"subject": "selector", "argument": selector, "part": "count", "operators": {"eq": 1}}]
        )
        assert result.reason == "selector_error", result.message


# --- browsers that do not work ---------------------------------------------------------------------------------------


def _program(folder: Path, script: str) -> Path:
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("script", ["exit 1", "kill -SEGV $$", "exec sleep 60", None], ids=str)
async def test_a_browser_that_does_not_start_is_the_workers_trouble(
    script: str | None, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at once, dies, hangs or is no program: another worker may have a better one. Nothing of it stays."""
    monkeypatch.setattr(browsers, "START_SECONDS", 2.0)
    program = _program(tmp_path, script) if script else tmp_path / "nothing"
    pool = BrowserPool(executable=program, sandbox=None, max_memory_bytes=MEMORY_BYTES)
    result = await _with_pool(shop, pool, lambda: shop.show(shop.page("/a", "x")))
    assert (result.failure_class, result.reason, result.ours) == (FailureClass.WORKER_LOST, "worker_unavailable", True)
    assert not [one for one in psutil.Process().children(recursive=True) if str(tmp_path) in " ".join(_words(one))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def _with_pool(shop: Shop, pool: BrowserPool, work: Callable[[], Awaitable[StepResult]]) -> StepResult:
    """Something done with another pool, which is closed afterwards."""
    own = shop.checks.kinds["web_crawl"]
    shop.checks.kinds["web_crawl"] = RenderedKind(PageFetcher(shop.checks.client), pool, concurrency=4)
    try:
        return await work()
    finally:
        shop.checks.kinds["web_crawl"] = own
        await pool.close()


async def _killed_while(shop: Shop, pages: int) -> list[StepResult]:
    """The browser is killed while so many pages are open in it."""
    url = shop.page("/a", "<p>x</p><img src=/seen>")
    visits = [asyncio.create_task(shop.show(url, wait_for="#never")) for _ in range(pages)]
    async with asyncio.timeout(20):
        while sum(asked.path == "/seen" for asked in shop.site.asked) < pages:  # noqa: ASYNC110 (heard by a server)
            await asyncio.sleep(0.02)
    running = shop.pool._all[-1]
    processes.kill_group(running.group, running.pid)
    return await asyncio.gather(*visits)


async def test_a_page_alone_in_a_browser_that_dies_is_to_blame(shop: Shop) -> None:
    [result] = await _killed_while(shop, 1)
    assert (result.failure_class, result.reason, result.ours) == (FailureClass.PROTOCOL, "browser_crashed", False)
    await still_works(shop)


@pytest.mark.req("NFR-008")
async def test_of_several_pages_in_a_browser_that_dies_none_is_to_blame(shop: Shop) -> None:
    """They are looked at again elsewhere: one page must not make others fail."""
    for result in await _killed_while(shop, 3):
        assert (result.failure_class, result.ours) == (FailureClass.WORKER_LOST, True), result
        assert result.reason == "worker_unavailable"
    await still_works(shop)


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("begun", [False, True], ids=["not even begun", "half opened"])
async def test_a_page_is_not_to_blame_for_a_browser_that_does_not_open_it(
    begun: bool, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs: the step is our error and may be tried again, in another browser; this one gets no more pages."""
    await still_works(shop)
    hanging = shop.pool._all[-1]
    if begun:
        prepare = PageSession.prepare

        async def stopped(session: PageSession) -> None:
            os.killpg(hanging.group, signal.SIGSTOP)
            await prepare(session)

        monkeypatch.setattr(PageSession, "prepare", stopped)
    else:
        os.killpg(hanging.group, signal.SIGSTOP)
    result = await shop.show(shop.page("/a", "<p>x</p>"), seconds=4.0)
    assert (result.failure_class, result.reason, result.ours) == (FailureClass.WORKER_LOST, "worker_unavailable", True)
    assert "opened no page in time" in str(result.message)
    monkeypatch.undo()
    await still_works(shop)
    async with asyncio.timeout(20):
        while processes.alive(hanging.group):  # noqa: ASYNC110 (not our child: nobody tells when it ends)
            await asyncio.sleep(0.05)


@pytest.mark.req("FR-011")
async def test_no_process_and_no_file_is_left_behind(shop: Shop, chromium_path: str, tmp_path: Path) -> None:
    """Counted before the first page and after the last one, with a page in between that had to be ended by force."""
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    pool = BrowserPool(executable=Path(chromium_path), sandbox=None, max_memory_bytes=MEMORY_BYTES, max_pages=2)
    homes: set[Path] = set()

    async def visits() -> StepResult:
        for body, seconds in (("<p>x</p>", 20.0), (NEVER_STILL["a loop"], 4.0), ("<p>x</p>", 20.0)):
            # the pool is new: the time of the good ones holds the start of a browser, which may last START_SECONDS
            result = await shop.show(shop.page("/a", body), seconds=seconds)
            homes.update(running.home for running in pool._all)
        return result

    last = await _with_pool(shop, pool, visits)
    assert last.ok, last.message
    assert {one.pid for one in psutil.Process().children(recursive=True)} - before == set()
    assert homes
    assert not [home for home in homes if home.exists()]
