"""TLS of outgoing requests: own authorities, client certificates, and what a server's certificate says."""

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx2
from steptrail_checks.identity import as_file, identify, unusable
from steptrail_common.contracts.model import utc

if TYPE_CHECKING:
    from cryptography import x509

_REVOCATION_LIST = "-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How to meet a server. `ca`, `certificate`, `key`: PEM texts; revocation lists may stand in `ca`."""

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
                with as_file(self.ca) as path:
                    context.load_verify_locations(path)
                if _REVOCATION_LIST in self.ca:
                    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        except (ssl.SSLError, ValueError, OSError) as error:
            raise unusable() from error
        if self.certificate is not None:
            identify(context, self.certificate, self.key or "")
        return context


def certificate_facts(der: bytes, now: datetime) -> dict[str, Any]:
    """What assertions can ask of a certificate; `seconds_left` is negative once it has expired."""
    facts, ends = _parsed(der)
    return {**facts, "seconds_left": (ends - now).total_seconds()} if ends is not None else {}


@lru_cache(maxsize=256)
def _parsed(der: bytes) -> tuple[Mapping[str, Any], datetime | None]:
    from cryptography import x509  # only where it is used: most of what starts never reads a certificate

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


def _names(certificate: "x509.Certificate") -> list[str]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found]
