"""What servers say to send a client elsewhere, seen in the stream before the driver sees it."""

from typing import Protocol

_TNS_HEADER_BYTES = 8
_REDIRECT, _ACCEPT = 5, 2


class Watch(Protocol):
    """Looks at what one connection's server sends; `redirected` tells why it was ended."""

    redirected: bool

    def __call__(self, data: bytes) -> bool:
        """False ends the connection."""


class TnsWatch:
    """Reads the packets of an Oracle listener until it accepts; a redirect ends the connection.

    The packet: two bytes of length, two of checksum, one of type (Oracle Net, as Wireshark's `tns` describes it).
    """

    def __init__(self) -> None:
        self.redirected = False
        self._buffer = b""
        self._accepted = False

    def __call__(self, data: bytes) -> bool:
        if self._accepted:
            return True
        self._buffer += data
        while len(self._buffer) >= _TNS_HEADER_BYTES and not self._accepted:
            length, kind = int.from_bytes(self._buffer[:2], "big"), self._buffer[4]
            if kind == _REDIRECT:
                self.redirected = True
                return False
            self._accepted = kind == _ACCEPT
            if length < _TNS_HEADER_BYTES or len(self._buffer) < length:
                break
            self._buffer = self._buffer[length:]
        return True
