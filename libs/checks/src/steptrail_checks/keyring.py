"""Opening a connection inside a worker: settings as they are, secrets from their sealed form."""

from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.model import FailureClass
from steptrail_common.sealing import SealRefused, SecretsKeyring, target_host

from steptrail_checks.port import CheckFailed, OpenedConnection


def open_connection(keyring: SecretsKeyring, sealed: SealedConnection) -> OpenedConnection:
    """Raises `CheckFailed` (`auth`, ours, reason `secret_refused`) when a secret is not for this connection or host."""
    host = target_host(sealed.settings)
    try:
        secrets = {
            field: keyring.open(text, connection_id=sealed.connection_id, field=field, host=host)
            for field, text in sealed.sealed.items()
        }
    except SealRefused as error:
        raise CheckFailed(
            FailureClass.AUTH,
            f"connection {sealed.connection_id}: {error.detail}",
            reason="secret_refused",
            ours=True,
        ) from error
    return OpenedConnection(sealed.connection_id, sealed.settings, secrets)
