"""TLS to a database server, by the three words of a connection."""

import ssl
from functools import lru_cache

from steptrail_checks.identity import identify
from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.contracts.connections import DatabaseServer
from steptrail_common.contracts.model import FailureClass


def context_of(
    connection: OpenedConnection, *, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> ssl.SSLContext | None:
    """None when the connection is not encrypted. Raises `CheckFailed` for a certificate or key that cannot be used."""
    settings = connection.settings
    assert isinstance(settings, DatabaseServer)  # noqa: S101  (files have no servers)
    if settings.tls == "disable":
        return None
    certificate = getattr(settings, "client_certificate", None)
    if settings.tls == "require" and certificate is None:
        return _shared(newest)
    context = _judging(settings.ca_certificate, newest) if settings.tls == "verify-full" else _unjudging(newest)
    if certificate is not None:
        identify(context, certificate, connection.secrets.get("client_key", ""))
    return context


@lru_cache(maxsize=2)
def _shared(newest: ssl.TLSVersion) -> ssl.SSLContext:
    """Made once: most connections want just this."""
    return _unjudging(newest)


def _unjudging(newest: ssl.TLSVersion) -> ssl.SSLContext:
    """Encrypts, and takes any certificate."""
    context = _modern(newest)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _modern(newest: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = newest
    return context


def _judging(certificate: str | None, newest: ssl.TLSVersion) -> ssl.SSLContext:
    context = _modern(newest)
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
