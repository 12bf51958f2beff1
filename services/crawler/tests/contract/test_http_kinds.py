"""One suite for both kinds that fetch by HTTP: the same policy, limits and failure names for pages and APIs."""

import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import brotli
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import StepResult

from ..conftest import Checks, Site, answer

KINDS = ("web_crawl", "api_call")
PAGE = answer("<title>hello</title>", content_type="text/html; charset=utf-8")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def named(result: StepResult) -> tuple[FailureClass | None, str | None]:
    return result.failure_class, result.reason


@pytest.mark.req("FR-013")
async def test_an_answer_is_seen_with_status_time_and_evidence(kind: str, site: Site, checks: Checks) -> None:
    """What came back, how long each phase took, and the answer itself."""
    site.routes["/a"] = PAGE
    result = await checks.run(
        {"type": kind, "url": f"{site.url}/a"}, asserts=[{"subject": "title", "operators": {"eq": "hello"}}]
    )
    assert result.ok, result.message
    assert {finding.label: finding.value for finding in result.findings}["HTTP status"] == 200
    assert {"dns", "connect", "first_byte", "body", "total"} <= result.timings.keys()
    assert "200 OK" in await checks.shown(result, "response")
    assert site.last("/a").headers["user-agent"].startswith("Steptrail/")


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "500 Internal Server Error", "503 Busy"])
async def test_error_statuses_fail_by_default(kind: str, status: str, site: Site, checks: Checks) -> None:
    """With the status in the sentence, and the answer kept as evidence."""
    site.routes["/a"] = answer("sorry", status, content_type="text/plain")
    result = await checks.run({"type": kind, "url": f"{site.url}/a"})
    assert named(result) == (FailureClass.HTTP_STATUS, "unavailable" if status == "503 Busy" else None)
    assert result.message == f"HTTP status {status[:3]}, expected below 400"
    assert result.evidence


@pytest.mark.req("FR-020")
async def test_a_wrong_status_reads_expected_against_actual(kind: str, site: Site, checks: Checks) -> None:
    """The sentence of the dashboard."""
    result = await checks.run(
        {"type": kind, "url": f"{site.url}/a"}, asserts=[{"subject": "status", "operators": {"eq": 200}}]
    )
    assert result.message == "HTTP status 404, expected 200"
    assert result.failure_class == FailureClass.ASSERTION


@pytest.mark.req("NFR-008")
async def test_trouble_on_the_wire_has_names(kind: str, checks: Checks) -> None:
    """Refused connections and unknown names are different things."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lonely = Checks(checks.folder, [f"127.0.0.1:{port}"])
    refused = await lonely.run({"type": kind, "url": f"http://127.0.0.1:{port}/"})
    assert refused.failure_class == FailureClass.CONNECT
    assert "connection refused" in str(refused.message)
    unknown = await lonely.run({"type": kind, "url": "http://no-such-host.invalid/"})
    assert unknown.failure_class == FailureClass.DNS
    await lonely.close()


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"])
async def test_silence_ends_at_the_limit(kind: str, beginning: bytes, site: Site, checks: Checks) -> None:
    """Nothing, half a head or half a body, and then nothing more."""

    async def hang(writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        await writer.drain()
        await asyncio.sleep(30)

    site.routes["/a"] = hang
    result = await checks.run({"type": kind, "url": f"{site.url}/a"}, timeout_seconds=0.4)
    assert result.failure_class == FailureClass.TIMEOUT
    assert result.duration_seconds < 2


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_body_that_drips_for_ever_ends_at_the_limit(kind: str, site: Site, checks: Checks) -> None:
    """Every byte in time, the whole never."""
    site.routes["/a"] = drip
    result = await checks.run({"type": kind, "url": f"{site.url}/a"}, timeout_seconds=0.4)
    assert result.failure_class == FailureClass.TIMEOUT


ZEROS = b"\0" * 200_000_000


@lru_cache
def _bomb(encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(ZEROS, 9)
    if encoding == "deflate":
        return zlib.compress(ZEROS, 9)
    if encoding == "gzip, gzip":
        return gzip.compress(gzip.compress(ZEROS, 9), 9)
    return brotli.compress(ZEROS, quality=3)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
async def test_bombs_are_cut_at_the_decoded_limit(kind: str, encoding: str, site: Site, checks: Checks) -> None:
    """Two hundred megabytes in a few kilobytes never unfold."""
    site.routes["/a"] = answer(_bomb(encoding), content_type="text/html", content_encoding=encoding)
    result = await checks.run({"type": kind, "url": f"{site.url}/a"}, timeout_seconds=20)
    assert result.failure_class == FailureClass.TOO_LARGE
    assert "10 MiB" in str(result.message)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


async def test_endless_bodies_are_cut(kind: str, site: Site, checks: Checks) -> None:
    """A chunked body without an end."""
    site.routes["/a"] = endless
    result = await checks.run({"type": kind, "url": f"{site.url}/a"}, timeout_seconds=20)
    assert result.failure_class == FailureClass.TOO_LARGE
    assert result.evidence


async def _raw(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x01\x02\x03" * 50, b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(100_000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip, gzip, gzip\r\ncontent-length: 0\r\n\r\n",
    ],
    ids=["ssh", "noise", "status", "headers", "long-header", "short", "length", "chunks", "gzip", "encodings"],
)  # fmt: skip
async def test_nonsense_is_a_protocol_failure(kind: str, raw: bytes, site: Site, checks: Checks) -> None:
    """Other protocols, oversized heads, broken framing and broken compression."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        await _raw(writer, raw)

    site.routes["/a"] = speak
    result = await checks.run({"type": kind, "url": f"{site.url}/a"})
    assert result.failure_class in (FailureClass.PROTOCOL, FailureClass.CONNECT), result.message
    assert not result.ours


@pytest.mark.req("FR-014")
async def test_redirects_are_followed_and_listed(kind: str, site: Site, other_site: Site, checks: Checks) -> None:
    """Up to five, over hosts, with cookies of their own host."""
    site.routes["/a"] = answer("", "302 Found", location="/b", set_cookie="session=1; Path=/")
    site.routes["/b"] = answer("", "301 Moved", location=f"{other_site.url}/c")
    other_site.routes["/c"] = PAGE
    result = await checks.run({"type": kind, "url": f"{site.url}/a"})
    assert result.ok, result.message
    labels = [(finding.label, finding.value) for finding in result.findings]
    assert ("Redirected from", f"{site.url}/a") in labels
    assert ("Final address", f"{other_site.url}/c") in labels
    assert site.last("/b").headers["cookie"] == "session=1"
    assert "cookie" not in other_site.last("/c").headers


async def test_endless_redirects_stop_at_five(kind: str, site: Site, checks: Checks) -> None:
    """A loop is named as such."""
    site.routes["/a"] = answer("", "302 Found", location="/a")
    result = await checks.run({"type": kind, "url": f"{site.url}/a"})
    assert named(result) == (FailureClass.PROTOCOL, "too_many_redirects")
    assert len([request for request in site.asked if request.path == "/a"]) == 6


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/", "http://localhost/", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/",
        "http://[::ffff:127.0.0.1]/", "http://2130706433/", "file:///etc/passwd", "ftp://example.com/",
        "gopher://example.com/", "http://user:pw@example.com/", "http://example.com:25/", "//169.254.169.254/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_redirects_to_forbidden_places_are_refused(
    kind: str, status: str, location: str, site: Site, checks: Checks
) -> None:
    """Each hop is judged like the first."""
    site.routes["/a"] = answer("", status, location=location)
    result = await checks.run({"type": kind, "url": f"{site.url}/a"})
    assert result.failure_class == FailureClass.BLOCKED_BY_POLICY, result.message
    assert result.ours


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/", "http://127.1/", "http://0/", "http://2130706433/", "http://0x7f000001/", "http://[::1]/",
        "http://017700000001/", "http://169.254.169.254/", "http://metadata.google.internal/", "http://192.168.1.1/",
        "http://100.100.100.200/", "http://[fd00:ec2::254]/", "http://[::ffff:7f00:1]/", "http://localhost:22/",
        "file:///etc/passwd", "FILE:///etc/passwd", "gopher://x/", "ftp://x/", "data:text/html,x", "javascript:1",
        "http://user:pw@example.com/", "http://example.com/\r\nX: 1", "http://example.com:5432/", "http://a b/",
    ],
)  # fmt: skip
async def test_forbidden_addresses_are_refused_and_explained(kind: str, url: str, checks: Checks) -> None:
    """By any spelling, without a single packet; ours to change, not the target's fault."""
    result = await checks.run({"type": kind, "url": url})
    assert result.failure_class == FailureClass.BLOCKED_BY_POLICY, result.message
    assert result.ours
    assert result.message
    assert "pw" not in result.model_dump_json()


def _certificate(folder: Path, *, host: str, days: int) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "key.pem")
    return context


@pytest.fixture
async def tls_site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(routes={"/a": PAGE})
    context = _certificate(tmp_path, host="127.0.0.1", days=10)
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=context)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()


@pytest.mark.req("NFR-011")
async def test_certificates_are_checked_unless_a_step_says_otherwise(kind: str, tls_site: Site, tmp_path: Path) -> None:
    """Self-signed is refused by name; relaxing it is a visible choice of the step."""
    checks = Checks(tmp_path, [f"127.0.0.1:{tls_site.port}"])
    check: dict[str, Any] = {"type": kind, "url": f"https://127.0.0.1:{tls_site.port}/a"}
    refused = await checks.run(check)
    assert named(refused) == (FailureClass.TLS, "self_signed"), refused.message
    relaxed = await checks.run({**check, "verify_tls": False})
    assert relaxed.ok, relaxed.message
    assert relaxed.timings["tls"] > 0
    await checks.close()


async def test_tls_to_a_server_without_tls_is_named(kind: str, tmp_path: Path) -> None:
    """A plain server answers a TLS greeting with plain text."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer("", "400 Bad Request"))
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    checks = Checks(tmp_path, [f"127.0.0.1:{port}"])
    result = await checks.run({"type": kind, "url": f"https://127.0.0.1:{port}/a"})
    assert named(result) == (FailureClass.TLS, "handshake"), result.message
    await checks.close()
    server.close()


async def test_a_slow_target_does_not_delay_others(kind: str, site: Site, checks: Checks) -> None:
    """Many at once, one of them hanging."""

    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    site.routes |= {"/slow": hang, "/a": PAGE}
    slow = asyncio.create_task(checks.run({"type": kind, "url": f"{site.url}/slow"}, timeout_seconds=1.5))
    await asyncio.sleep(0.05)
    results = await asyncio.gather(*(checks.run({"type": kind, "url": f"{site.url}/a"}) for _ in range(20)))
    assert all(result.ok for result in results)
    assert not slow.done()
    assert (await slow).failure_class == FailureClass.TIMEOUT
