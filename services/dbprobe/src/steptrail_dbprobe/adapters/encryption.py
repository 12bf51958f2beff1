"""TLS to a database server, by the three words of a connection."""

import ssl
from functools import lru_cache

from steptrail_checks.port import CheckFailed
from steptrail_common.contracts.connections import DatabaseServer
from steptrail_common.contracts.model import FailureClass


def context_of(settings: DatabaseServer) -> ssl.SSLContext | None:
    """None when the connection is not encrypted. Raises `CheckFailed` for a certificate that cannot be read."""
    if settings.tls == "disable":
        return None
    if settings.tls == "require":
        return _unjudging()
    return _judging(settings.ca_certificate)


@lru_cache(maxsize=1)
def _unjudging() -> ssl.SSLContext:
    """Encrypts, and takes any certificate. Made once: reading the system's certificates is not needed for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _judging(certificate: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError) as error:
        raise CheckFailed(
            FailureClass.TLS,
            "the certificate in ca_certificate cannot be read: paste it again, from BEGIN to END CERTIFICATE",
            reason="ca_certificate",
            ours=True,
        ) from error
    return context
