"""Servers whose certificates or protocols are not to be trusted: refused by name for pages and APIs, unless a step says
otherwise, which its result then shows."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.model import FailureClass

from ..conftest import Checks, Site, answer, sealed
from .test_http_kinds import KINDS, named

PAGE = answer("<title>T</title>", content_type="text/html")
PEM = serialization.Encoding.PEM


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass(frozen=True)
class Authority:
    """A private authority that signs for servers and clients, and takes signatures back."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Own Authority")])
        builder = _builder(name, name, key.public_key(), days=100)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(PEM).decode()

    def signed(self, host: str, days: int = 10) -> tuple[x509.Certificate, str]:
        """(a certificate for an address, with its key as PEM)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
        builder = _builder(name, self.certificate.subject, key.public_key(), days=days)
        certificate = builder.add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return certificate, private.decode()

    def revoking(self, *certificates: x509.Certificate) -> str:
        """A revocation list as PEM."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, now, now + timedelta(days=1))
        for certificate in certificates:
            entry = x509.RevokedCertificateBuilder(certificate.serial_number, now - timedelta(hours=1)).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM).decode()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), now - timedelta(days=50), now + timedelta(days=days)
    )


@asynccontextmanager
async def served(
    folder: Path, certificate: x509.Certificate, key: str, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    """A site behind a certificate."""
    context = context or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (folder / "server.pem").write_text(key + certificate.public_bytes(PEM).decode())
    context.load_cert_chain(folder / "server.pem")
    site = Site(routes={"/a": PAGE})
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=context)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()


async def looked(folder: Path, site: Site, kind: str, authority: str | None, **more: Any) -> tuple[Any, dict[str, Any]]:
    """(the result, its findings) of a check through a connection that knows the authority."""
    checks = Checks(folder, [f"127.0.0.1:{site.port}"])
    secrets = {"client_key": more.pop("client_key")} if "client_key" in more else {}
    check = {"type": kind, "connection": "conn", "path": "/a"} | (
        {"verify_tls": False} if more.pop("relaxed", 0) else {}
    )
    settings = HttpSettings.model_validate(
        {"kind": "http", "base_url": f"https://127.0.0.1:{site.port}", "ca_certificate": authority, **more}
    )
    result = await checks.run(check, connection=sealed(settings, **secrets), timeout_seconds=15.0)
    await checks.close()
    return result, {item.label: item.value for item in result.findings}


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize(("host", "days", "reason"), [("127.0.0.1", -5, "expired"), ("127.0.0.9", 10, "wrong_host")])
async def test_expired_and_wrong_certificates_are_refused_by_name(
    kind: str, host: str, days: int, reason: str, tmp_path: Path
) -> None:
    """Though their authority is known; a step that accepts them anyway passes."""
    authority = Authority.new()
    async with served(tmp_path, *authority.signed(host, days)) as site:
        refused, _ = await looked(tmp_path, site, kind, authority.pem)
        assert named(refused) == (FailureClass.TLS, reason), refused.message
        relaxed, _ = await looked(tmp_path, site, kind, authority.pem, relaxed=True)
        assert relaxed.ok, relaxed.message


@pytest.mark.req("NFR-011")
async def test_an_unknown_authority_is_refused_and_an_own_one_accepted(kind: str, tmp_path: Path) -> None:
    """The connection names it."""
    authority = Authority.new()
    async with served(tmp_path, *authority.signed("127.0.0.1")) as site:
        refused, _ = await looked(tmp_path, site, kind, None)
        assert named(refused) == (FailureClass.TLS, "unknown_issuer"), refused.message
        known, _ = await looked(tmp_path, site, kind, authority.pem)
        assert known.ok, known.message


@pytest.mark.req("NFR-011")
async def test_a_revoked_certificate_is_refused(kind: str, tmp_path: Path) -> None:
    """By the revocation list that stands behind the authority; another one of the same authority is fine."""
    authority = Authority.new()
    revoked, good = authority.signed("127.0.0.1"), authority.signed("127.0.0.1")
    known = authority.pem + authority.revoking(revoked[0])
    async with served(tmp_path, *revoked) as site:
        refused, _ = await looked(tmp_path, site, kind, known)
        assert named(refused) == (FailureClass.TLS, "revoked"), refused.message
    async with served(tmp_path, *good) as site:
        accepted, _ = await looked(tmp_path, site, kind, known)
        assert accepted.ok, accepted.message


@pytest.mark.req("NFR-011")
async def test_protocols_of_the_past_are_refused(kind: str, tmp_path: Path) -> None:
    """A server that knows nothing newer than TLS 1.1."""
    authority = Authority.new()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    async with served(tmp_path, *authority.signed("127.0.0.1"), context=old) as site:
        refused, _ = await looked(tmp_path, site, kind, authority.pem)
        assert named(refused) == (FailureClass.TLS, "handshake"), refused.message


async def test_a_relaxed_look_shows_that_it_was_one(tmp_path: Path) -> None:
    """In the findings of the page."""
    async with served(tmp_path, *Authority.new().signed("127.0.0.1")) as site:
        _, findings = await looked(tmp_path, site, "web_crawl", None, relaxed=True)
        assert "not checked" in findings["Certificate"]


@pytest.mark.req("FR-014")
async def test_a_client_certificate_opens_pages_too(tmp_path: Path) -> None:
    """It is shown at its own host; without it the server says no."""
    authority = Authority.new()
    client, key = authority.signed("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    async with served(tmp_path, *authority.signed("127.0.0.1"), context=context) as site:
        certificate = client.public_bytes(PEM).decode()
        known, _ = await looked(
            tmp_path, site, "web_crawl", authority.pem, client_certificate=certificate, client_key=key
        )
        assert known.ok, known.message
        stranger, _ = await looked(tmp_path, site, "web_crawl", authority.pem)
        assert stranger.failure_class in (FailureClass.TLS, FailureClass.CONNECT, FailureClass.PROTOCOL)
