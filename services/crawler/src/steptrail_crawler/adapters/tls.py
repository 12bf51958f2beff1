"""TLS of outgoing requests: own authorities, client certificates, and what a server's certificate says."""

import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import httpx2
from cryptography import x509
from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.model import FailureClass, utc


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How to meet a server. `ca`, `certificate`, `key`: PEM texts."""

    verify: bool = True
    ca: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    http2: bool = False

    def context(self) -> ssl.SSLContext:
        """Raises `CheckFailed` (`bad_certificate`, ours) for certificates or keys that cannot be used."""
        context = httpx2.create_ssl_context(verify=self.verify, trust_env=False)
        try:
            if self.ca is not None:
                context.load_verify_locations(cadata=self.ca)
            if self.certificate is not None:
                with _as_file(f"{self.certificate}\n{self.key or ''}") as path:
                    context.load_cert_chain(path, password=_no_password)
        except (ssl.SSLError, ValueError, OSError) as error:
            raise CheckFailed(
                FailureClass.TLS,
                "the connection's certificate or its key cannot be used: both must be PEM, belong together, "
                "and the key must not be protected by a password",
                reason="bad_client_certificate",
                ours=True,
            ) from error
        return context


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """OpenSSL reads keys from files only; where the system can, this one is in memory."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile("w") as file:  # readable by its owner only
        file.write(text)
        file.flush()
        yield file.name


def certificate_facts(der: bytes, now: datetime) -> dict[str, Any]:
    """What assertions can ask of a certificate; `seconds_left` is negative once it has expired."""
    facts, ends = _parsed(der)
    return {**facts, "seconds_left": (ends - now).total_seconds()} if ends is not None else {}


@lru_cache(maxsize=256)
def _parsed(der: bytes) -> tuple[Mapping[str, Any], datetime | None]:
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = _names(certificate)
        facts = {
            "issuer": certificate.issuer.rfc4514_string(),
            "subject": certificate.subject.rfc4514_string(),
            "names": names,
            "not_before": utc(certificate.not_valid_before_utc),
            "not_after": utc(certificate.not_valid_after_utc),
            "fingerprint": hashlib.sha256(der).hexdigest(),
        }
    except ValueError:
        return {}, None
    return facts, certificate.not_valid_after_utc


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found]
