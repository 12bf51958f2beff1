"""The outer form of SQL Server's protocol (MS-TDS): packets, the first message, and the answer to a sign-in."""

import struct

HEADER_BYTES = 8
PRELOGIN, ANSWER, END_OF_MESSAGE = 0x12, 0x04, 0x01
VERSION, ENCRYPTION, THREAD, MARS = 0, 1, 3, 4
ENCRYPT_OFF, ENCRYPT_ON, NOT_SUPPORTED, REQUIRED = 0, 1, 2, 3
_NO_MORE_OPTIONS = 0xFF
_FRAGMENT_BYTES = 4096 - HEADER_BYTES


def packets(kind: int, body: bytes) -> bytes:
    """A message in packets of the size that every server takes (2.2.3)."""
    parts = [body[at : at + _FRAGMENT_BYTES] for at in range(0, len(body), _FRAGMENT_BYTES)] or [b""]
    last = len(parts) - 1
    return b"".join(
        struct.pack(
            ">BBHHBB", kind, END_OF_MESSAGE if at == last else 0, len(part) + HEADER_BYTES, 0, (at + 1) % 256, 0
        )
        + part
        for at, part in enumerate(parts)
    )


def greeting(encryption: int) -> bytes:
    """PRELOGIN of a client (2.2.6.5): options by place and length, then their values."""
    values = {VERSION: bytes(6), ENCRYPTION: bytes([encryption]), THREAD: bytes(4), MARS: b"\x00"}
    at, table = 5 * len(values) + 1, b""
    for option, value in values.items():
        table += struct.pack(">BHH", option, at, len(value))
        at += len(value)
    return table + bytes([_NO_MORE_OPTIONS]) + b"".join(values.values())


def option(body: bytes, wanted: int) -> int | None:
    """The first byte of an option of PRELOGIN; None if it is not there."""
    at = _place(body, wanted)
    return None if at is None else body[at]


def with_option(body: bytes, wanted: int, value: int) -> bytes:
    """PRELOGIN with another first byte of an option it has."""
    at = _place(body, wanted)
    return body if at is None else body[:at] + bytes([value]) + body[at + 1 :]


def _place(body: bytes, wanted: int) -> int | None:
    for at in range(0, len(body) - 4, 5):
        found, offset, length = struct.unpack_from(">BHH", body, at)
        if found == _NO_MORE_OPTIONS:
            return None
        if found == wanted and length and offset < len(body):
            return int(offset)
    return None


def behind_message(data: bytes | bytearray) -> bytes | None:
    """What follows the first message; None while it is not there as a whole."""
    at = 0
    while at + HEADER_BYTES <= len(data):
        status, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        at += max(length, HEADER_BYTES)
        if status & END_OF_MESSAGE:
            return bytes(data[at:]) if at <= len(data) else None
    return None


_ENVIRONMENT, _ROUTING, _SIGNED_IN, _DONE = 0xE3, 20, 0xAD, 0xFD
_SHORT_LENGTH = frozenset({0xAA, 0xAB, 0xAD, 0xE3, 0xED})
"""Tokens with two bytes of length: error, info, sign-in, environment, sign-in by Windows."""
_LONG_LENGTH = frozenset({0xE4, 0xEE})
_FEATURES, _NO_MORE_FEATURES = 0xAE, 0xFF
_DONE_BYTES = 13
_TOKEN_TYPE_BYTES = 4
"""Of an environment token, up to what it is about."""


class TdsWatch:
    """Reads a server's answers until it has signed us in. Ends the connection when it routes us elsewhere, or encrypts
    what we cannot look into; and what cannot be read, because it could be a route. `greeted`: its answer to PRELOGIN
    came already. Tokens: 2.2.7.
    """

    def __init__(self, *, greeted: bool = False) -> None:
        self.redirected = False
        self.demands_tls = False
        self._greeted = greeted
        self._signed_in = False
        self._buffer = b""
        self._answer = b""

    def __call__(self, data: bytes) -> bool:
        if self._signed_in:
            return True
        self._buffer += data
        while len(self._buffer) >= HEADER_BYTES and not self._signed_in:
            kind, status, length = self._buffer[0], self._buffer[1], int.from_bytes(self._buffer[2:4], "big")
            if length < HEADER_BYTES:
                return False
            if len(self._buffer) < length:
                break
            body, self._buffer = self._buffer[HEADER_BYTES:length], self._buffer[length:]
            if kind == ANSWER and not self._passes(body, last=bool(status & END_OF_MESSAGE)):
                return False
        return True

    def _passes(self, body: bytes, *, last: bool) -> bool:
        self._answer += body
        if not self._greeted:
            if last:
                self._greeted, greeting, self._answer = True, self._answer, b""
                self.demands_tls = option(greeting, ENCRYPTION) in (ENCRYPT_ON, REQUIRED)
            return not self.demands_tls
        while self._answer:
            if self._answer[0] == _ENVIRONMENT and len(self._answer) >= _TOKEN_TYPE_BYTES:
                self.redirected = self._answer[_TOKEN_TYPE_BYTES - 1] == _ROUTING
            size = _token_bytes(self._answer)
            if self.redirected or size is None:
                return False
            if size > len(self._answer):
                return not last
            self._signed_in = self._signed_in or self._answer[0] == _SIGNED_IN
            self._answer = self._answer[size:]
        self._signed_in = self._signed_in and last
        return True


def _token_bytes(answer: bytes) -> int | None:
    """How many bytes the first token takes; None if it is none that a sign-in is answered with."""
    token = answer[0]
    if token in _SHORT_LENGTH:
        return 3 + int.from_bytes(answer[1:3], "little")
    if token in _LONG_LENGTH:
        return 5 + int.from_bytes(answer[1:5], "little")
    if token == _DONE:
        return _DONE_BYTES
    if token != _FEATURES:
        return None
    end = 1
    while end < len(answer) and answer[end] != _NO_MORE_FEATURES:
        end += 5 + int.from_bytes(answer[end + 1 : end + 5], "little")
    return end + 1
