"""Client certificates: what a connection identifies itself with in TLS."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from steptrail_common.contracts.model import FailureClass

from steptrail_checks.port import CheckFailed


def identify(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Let the context show this certificate (PEM, with its key as PEM). Raises `CheckFailed` (`bad_client_certificate`,
    ours) when they cannot be used."""
    try:
        with as_file(f"{certificate}\n{key}") as path:
            context.load_cert_chain(path, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise unusable() from error


def unusable() -> CheckFailed:
    """The certificates or the key of a connection are no good."""
    return CheckFailed(
        FailureClass.TLS,
        "the connection's certificates or key cannot be used: they must be PEM, key and certificate belong "
        "together, and the key must not be protected by a password",
        reason="bad_client_certificate",
        ours=True,
    )


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


@contextmanager
def as_file(text: str) -> Iterator[str]:
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
