"""`web_crawl` in a real Chromium: what a page shows, what is done on it, and everything a hostile page may try."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.connections.http import FormLogin
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import StepResult
from steptrail_crawler.adapters import processes
from steptrail_crawler.adapters.browser import BrowserPool
from steptrail_crawler.adapters.pages import PageFetcher
from steptrail_crawler.adapters.rendered import RenderedKind

from ..conftest import answer, sealed
from .conftest import MEMORY_BYTES, Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


def found(result: StepResult, label: str) -> list[Any]:
    return [finding.value for finding in result.findings if finding.label == label]


@pytest.mark.req("FR-011")
async def test_a_page_is_looked_at_after_its_scripts_and_the_steps_actions(shop: Shop) -> None:
    """Waits, clicks, fields, keys and choices; the picture, the page and its redirects are evidence."""
    body = """<input id=n><select id=s><option>A<option value=b>B</select><button id=go>go</button><p id=out></p>
    <script>go.onclick = () => setTimeout(() => { out.textContent = n.value + s.value; out.className = 'done' }, 50);
    n.onkeydown = (e) => { if (e.key === 'Enter') document.title = 'entered' };</script>"""
    shop.page("/form", body)
    shop.site.routes["/old"] = answer("", "302 Found", location="/form")
    actions = [
        {"fill": "#n", "value": "x1"},
        {"press": "Enter", "on": "#n"},
        {"select": "#s", "value": "b"},
        {"scroll": "bottom"},
        {"click": "text=go"},
        {"wait": "p.done"},
    ]
    result = await shop.show(
        f"{shop.site.url}/old",
        actions=actions,
        screenshot="always",
        har="always",
        asserts=[
            {"subject": "selector", "argument": "#out", "part": "text", "operators": {"eq": "x1b"}},
            {"subject": "title", "operators": {"eq": "entered"}},
            {"subject": "redirects", "operators": {"eq": 1}},
        ],
    )
    assert result.ok, result.message
    assert found(result, "Redirected from") == [f"{shop.site.url}/old"]
    assert {piece.kind for piece in result.evidence} >= {"screenshot", "page", "recording"}
    har = json.loads(await shop.checks.shown(result, "recording"))
    assert f"{shop.site.url}/form" in [entry["request"]["url"] for entry in har["log"]["entries"]]


@pytest.mark.req("FR-020")
async def test_console_errors_and_failed_requests_are_told(shop: Shop) -> None:
    """As findings with their text, and as numbers to assert."""
    url = shop.page("/a", "<img src=/none.png><script>console.error('oops'); nothing.here()</script>")
    asserts = [
        {"subject": "console_errors", "operators": {"eq": 2}},
        {"subject": "failed_requests", "operators": {"eq": 1}},
    ]
    result = await shop.show(url, asserts=asserts)
    assert result.ok, result.message
    assert found(result, "Failed request") == [f"{shop.site.url}/none.png: HTTP status 404"]
    assert "oops" in found(result, "Console error")


@pytest.mark.req("FR-014")
async def test_a_login_form_is_used_with_the_connections_secret(shop: Shop) -> None:
    """The session's cookie opens the page; the password is in no evidence, not even in the log of requests."""
    form = "<form method=post action=/enter><input name=user><input name=pw type=password></form>"
    shop.page("/login", form)
    shop.site.routes["/enter"] = answer("", "303 See Other", location="/in", set_cookie="sid=abc; Path=/")
    shop.page("/in", "in")
    shop.page("/orders", "<p id=o>mine</p>")
    settings = HttpSettings(
        kind="http",
        base_url=shop.site.url,
        auth="form",
        username="ann",
        login=FormLogin(path="/login", username_field="user", password_field="pw"),
    )
    result = await shop.checks.run(
        {"type": "web_crawl", "connection": "conn", "path": "/orders", "browser": {"har": "always", "wait_for": "#o"}},
        connection=sealed(settings, password="s3cret-s3cret"),
        timeout_seconds=20,
    )
    assert result.ok, result.message
    assert "sid=abc" in shop.site.last("/orders").headers["cookie"]
    assert b"pw=s3cret-s3cret" in shop.site.last("/enter").body
    har = await shop.checks.shown(result, "recording")
    assert "s3cret" not in har + result.model_dump_json()
    assert "sid=abc" not in har


@pytest.mark.req("FR-014")
async def test_credentials_stay_at_their_own_host(shop: Shop) -> None:
    """Neither a redirect nor a part of the page takes them elsewhere; a secret is typed at its own host only."""
    shop.page("/a", f"<img src={shop.other.url}/i.png><p id=x>x</p>")
    shop.site.routes["/away"] = answer("", "302 Found", location=f"{shop.other.url}/b")
    shop.other.routes["/b"] = answer("<input id=i>", content_type="text/html")
    settings = HttpSettings(kind="http", base_url=shop.site.url, auth="bearer")
    connection = sealed(settings, token="t0ken-t0ken")
    check = {"type": "web_crawl", "connection": "conn", "path": "/a", "render": True}
    result = await shop.checks.run(check, connection=connection, timeout_seconds=20)
    assert result.ok, result.message
    assert shop.site.last("/a").headers["authorization"] == "Bearer t0ken-t0ken"
    actions = [{"fill": "#i", "secret": "token"}]
    away = {"type": "web_crawl", "connection": "conn", "path": "/away", "browser": {"actions": actions}}
    refused = await shop.checks.run(away, connection=connection, timeout_seconds=20)
    assert (refused.failure_class, refused.reason) == (FailureClass.BLOCKED_BY_POLICY, "secret_elsewhere")
    assert not [asked for asked in shop.other.asked if "authorization" in asked.headers]


@pytest.mark.req("NFR-014")
async def test_pictures_show_no_secret(shop: Shop) -> None:
    """Neither in a field it was typed into nor as text: two pages that differ in their secret alone look the same."""
    body = "<body style='font: 20px monospace'><p>token: {0}</p><input id=i size=30>"
    frame = "<iframe src=/frame></iframe>"
    settings = HttpSettings(kind="http", base_url=shop.site.url, auth="bearer")
    fill = [{"fill": "#i", "secret": "token"}]
    check = {"type": "web_crawl", "connection": "conn", "path": "/a", "browser": {"actions": fill}}
    pictures = set()
    for secret in ("aaaa-aaaa-aaaa", "zzzz-zzzz-zzzz"):
        shop.page("/a", body.format(secret) + frame)
        shop.page("/frame", body.format(secret))
        result = await shop.checks.run(check, connection=sealed(settings, token=secret), timeout_seconds=20)
        assert result.ok, result.message
        assert secret not in await shop.checks.shown(result, "page")
        pictures.add(next(piece.sha256 for piece in result.evidence if piece.kind == "screenshot"))
    assert len(pictures) == 1
    bare = await shop.show(f"{shop.site.url}/a", screenshot="always")
    assert pictures.isdisjoint(piece.sha256 for piece in bare.evidence)


@pytest.mark.req("FR-014")
async def test_tabs_a_page_opens_are_signed_in_as_well(shop: Shop) -> None:
    """By script, link or form, with everything they load; where one is redirected to another host nothing goes along,
    and another check in the same browser has no part in it."""
    opening = """<body data-n=0><button id=a onclick="window.open('/away')">a</button>
    <button id=b onclick="window.open('/pop')">b</button><a id=l target=_blank rel=opener href=/link>l</a>
    <form method=post target=_blank rel=opener action=/post><button id=s>s</button></form>"""
    shop.page("/a", opening)
    for path in ("/pop", "/link", "/post"):
        shop.page(path, "<img src=/i.png onerror='opener.document.body.dataset.n++'>")
    shop.site.routes["/away"] = answer("", "302 Found", location=f"{shop.other.url}/b")
    shop.other.routes["/b"] = answer("<img src=/i.png>", content_type="text/html")
    settings = HttpSettings(kind="http", base_url=shop.site.url, auth="bearer")
    actions = [*({"click": f"#{name}"} for name in "abls"), {"wait": "body[data-n='3']"}]
    check = {"type": "web_crawl", "connection": "conn", "path": "/a", "browser": {"actions": actions}}
    signed_in = shop.checks.run(check, connection=sealed(settings, token="t0ken-t0ken"), timeout_seconds=20)
    stranger = shop.show(shop.page("/plain", "<p>x</p>"), actions=[{"wait": "p"}])
    result, other = await asyncio.gather(signed_in, stranger)
    assert (result.ok, other.ok) == (True, True), (result.message, other.message)
    carried = {(one.path, one.headers.get("authorization")) for one in shop.site.asked}
    own = ("/a", "/pop", "/link", "/post", "/away", "/i.png")
    assert carried >= {(path, "Bearer t0ken-t0ken") for path in own}
    assert ("/plain", None) in carried
    assert {path for path, token in carried if token is None} <= {"/plain", "/robots.txt", "/favicon.ico"}
    assert [one.path for one in shop.other.asked if one.path == "/b"]
    assert not [one for one in shop.other.asked if "authorization" in one.headers]


@pytest.mark.req("NFR-013")
async def test_robots_txt_counts_for_browsers_too(shop: Shop) -> None:
    shop.other.routes["/robots.txt"] = answer("User-agent: *\nDisallow: /private\n")
    result = await shop.show(f"{shop.other.url}/private")
    assert result.reason == "robots_txt"
    assert [asked.path for asked in shop.other.asked] == ["/robots.txt"]


@pytest.mark.parametrize(
    ("browser", "failure_class"),
    [
        ({"wait_for": "#never"}, FailureClass.NOT_FOUND),
        ({"actions": [{"wait": "#never"}]}, FailureClass.NOT_FOUND),
        ({"wait_for": "p[["}, FailureClass.INVALID_DEFINITION),
        ({"actions": [{"click": "xpath=//p["}]}, FailureClass.INVALID_DEFINITION),
    ],
)
async def test_selectors_that_find_nothing_or_are_wrong(
    browser: dict[str, Any], failure_class: FailureClass, shop: Shop
) -> None:
    """Named, in time, with a picture of the failure. What is wrong ends at once, so its limit may be generous."""
    seconds = 4.0 if failure_class is FailureClass.NOT_FOUND else 15.0
    result = await shop.show(shop.page("/a", "<p>x</p>"), seconds=seconds, **{**browser, "screenshot": "on_failure"})
    assert (result.failure_class, result.reason) == (failure_class, "selector_error")
    assert {"screenshot", "page"} <= {piece.kind for piece in result.evidence}


INSIDE = {
    "redirect": "<script>location = '/inside'</script>",
    "frame": "<iframe src='http://127.0.0.1:{port}/x'></iframe>",
    "fetch": "<script>fetch('http://127.0.0.1:{port}/x', {{mode: 'no-cors'}})</script>",
    "other spelling": "<img src='http://2130706433:{port}/x'><img src='http://[::ffff:127.0.0.1]:{port}/x'>",
    "web socket": "<script>new WebSocket('ws://127.0.0.1:{port}/x')</script>",
    "worker": "<script>new Worker(URL.createObjectURL(new Blob(['fetch(\"http://localhost:{port}/x\")'])))</script>",
    "beacon": "<script>navigator.sendBeacon('http://127.0.0.1:{port}/x', 'y')</script>",
    "metadata": "<script>location = 'http://169.254.169.254/latest/meta-data/'</script>",
    "file": "<script>location = 'file:///etc/passwd'</script><iframe src=file:///etc/passwd></iframe>",
}


@pytest.mark.req("NFR-012")
async def test_no_page_reaches_what_the_policy_forbids(shop: Shop) -> None:
    """By redirect, frame, script, socket, worker, or another spelling: a server of ours hears nothing."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    shop.site.routes["/inside"] = answer("", "302 Found", location=f"http://127.0.0.1:{port}/x")
    for name, body in INSIDE.items():
        shop.page("/evil", body.format(port=port))
        result = await shop.show(f"{shop.site.url}/evil", actions=[{"pause": "300ms"}])
        shown = [piece for piece in result.evidence if piece.kind == "page"]
        assert not shown or "root:" not in await shop.checks.body(shown[0]), name
    server.close()
    assert heard == []


@pytest.mark.req("NFR-012")
async def test_web_rtc_sends_nothing_around_the_proxy(shop: Shop) -> None:
    """No datagram leaves the browser."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)
        script = """const c = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:%d'}]});
        c.createDataChannel('x'); c.createOffer().then(o => c.setLocalDescription(o));"""
        url = shop.page("/a", f"<script>{script % ear.getsockname()[1]}</script>")
        await shop.show(url, actions=[{"pause": "700ms"}])
        with pytest.raises(BlockingIOError):
            ear.recv(100)


@pytest.mark.req("NFR-012")
async def test_a_forbidden_address_is_refused_with_its_reason(shop: Shop) -> None:
    shop.site.routes["/r"] = answer("", "302 Found", location="http://169.254.169.254/")
    result = await shop.show(f"{shop.site.url}/r")
    assert (result.failure_class, result.reason) == (FailureClass.BLOCKED_BY_POLICY, "egress_denied")
    assert "169.254.169.254" in str(result.message)


@pytest.mark.req("NFR-008")
async def test_a_page_that_never_rests_ends_in_time_and_the_next_one_works(shop: Shop) -> None:
    """`while (true) {}` is over with its step; other pages go on."""
    busy = shop.page("/busy", "<p>x</p><script>setTimeout(() => { while (true) {} }, 50)</script>")
    result = await shop.show(busy, seconds=3.0, wait_for="#never", screenshot="on_failure")
    assert result.failure_class in (FailureClass.TIMEOUT, FailureClass.NOT_FOUND), result
    assert result.duration_seconds < 6
    assert (await shop.show(shop.page("/a", "<p>x</p>"))).ok


async def test_tabs_dialogs_downloads_and_permissions_do_no_harm(shop: Shop) -> None:
    """Dialogs are dismissed, tabs above five closed, downloads and permissions denied."""
    shop.site.routes["/big"] = answer(b"x" * 1000, content_disposition="attachment; filename=big.bin")
    script = """onbeforeunload = () => 'stay'; for (let i = 0; i < 3; i++) alert(i);
    for (let i = 0; i < 30; i++) window.open('about:blank');
    navigator.geolocation.getCurrentPosition(() => 0, () => document.body.append('no place'));
    const a = document.createElement('a'); a.href = '/big'; a.download = ''; document.body.append(a); a.click();"""
    url = shop.page("/a", f'<body><button id=b onclick="{script.replace(chr(34), chr(39))}">b</button></body>')
    result = await shop.show(url, actions=[{"click": "#b"}, {"wait": "text=no place"}])
    assert result.ok, result.message
    download = await shop.show(f"{shop.site.url}/big")
    assert (download.failure_class, download.reason) == (FailureClass.PROTOCOL, "download")


async def test_a_browser_is_renewed_after_its_pages(shop: Shop, chromium_path: str) -> None:
    """And nothing of the one before stays."""
    pool = BrowserPool(executable=Path(chromium_path), sandbox=None, max_memory_bytes=MEMORY_BYTES, max_pages=1)
    groups = []
    for _ in range(2):
        async with pool.lease():
            groups.append(pool._all[-1].group)
    await pool.close()
    assert len(set(groups)) == 2
    assert not [group for group in groups if processes.alive(group)]


@pytest.mark.req("NFR-008")
async def test_a_worker_without_a_browser_says_what_to_install(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the page's fault."""
    pool = BrowserPool(executable=None, sandbox=None, max_memory_bytes=MEMORY_BYTES)
    monkeypatch.setenv("PATH", "/nowhere")
    shop.checks.kinds["none"] = RenderedKind(PageFetcher(shop.checks.client), pool, concurrency=1)
    own, shop.checks.kinds["web_crawl"] = shop.checks.kinds["web_crawl"], shop.checks.kinds.pop("none")
    try:
        result = await shop.show(shop.page("/a", "x"))
    finally:
        shop.checks.kinds["web_crawl"] = own
    assert (result.failure_class, result.reason, result.ours) == (FailureClass.WORKER_LOST, "worker_unavailable", True)
    assert "apt-get install chromium" in str(result.message)


@pytest.mark.req("FR-014")
async def test_a_connection_with_a_client_certificate_is_refused_by_name(shop: Shop) -> None:
    """Also when it got its certificate after the process was saved; the site is not asked."""
    pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----"
    settings = HttpSettings(kind="http", base_url=f"https://127.0.0.1:{shop.site.port}", client_certificate=pem)
    check = {"type": "web_crawl", "connection": "conn", "path": "/", "render": True}
    result = await shop.checks.run(check, connection=sealed(settings, client_key="k"))
    assert result.failure_class is FailureClass.INVALID_DEFINITION, result.message
    assert str(result.message).startswith("render: a browser cannot identify with the client_certificate")
    assert shop.site.asked == []
