"""Signing keys and passwords in sealed boxes (libsodium): the store holds ciphertext, this process the private keys."""

from urllib.parse import urlsplit

from steptrail_common.sealing import SecretsKeyring, seal

FIELD = "signing_key"


class SealedKeys:
    """See `ports.SigningKeys`."""

    def __init__(self, public_key: str, keyring: SecretsKeyring) -> None:
        self._public_key = public_key
        self._keyring = keyring

    def seal(self, key: str, *, channel_id: str, url: str) -> str:
        """See `ports.SigningKeys`."""
        return seal(self._public_key, key, connection_id=_owner(channel_id), field=FIELD, host=_host(url))

    def open(self, sealed: str, *, channel_id: str, url: str) -> str:
        """See `ports.SigningKeys`."""
        return self._keyring.open(sealed, connection_id=_owner(channel_id), field=FIELD, host=_host(url))


def _owner(channel_id: str) -> str:
    """Never the name of a connection: those have no colon."""
    return f"channel:{channel_id}"


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
