"""Folders of SFTP servers, through fsspec and paramiko. The server's key must be the one of the connection."""

import asyncio
import base64
import io
import socket
import stat
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TypeVar

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem
from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.contracts.connections import SftpSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressDenied, EgressPolicy, NameNotResolved

from steptrail_crawler.adapters.exchange import secret_of
from steptrail_crawler.domain.address import invalid
from steptrail_crawler.domain.pattern import denied, printable
from steptrail_crawler.ports import Entry

MAX_ENTRIES = 100_000
T = TypeVar("T")


class _JudgedSftp(SFTPFileSystem):  # type: ignore[misc]
    """fsspec's file system over a client that is connected and checked already."""

    cachable = False

    def __init__(self, client: paramiko.SSHClient) -> None:
        self._ready = client
        super().__init__("judged")

    def _connect(self) -> None:
        self.client = self._ready
        self.ftp = self.client.open_sftp()


class SftpPlace:
    """One folder of a server. Connects at the first look; `close` when done. Links are followed below the root only."""

    def __init__(self, policy: EgressPolicy, connection: OpenedConnection, *, deadline: float) -> None:
        settings = connection.settings
        if not isinstance(settings, SftpSettings):
            raise TypeError(settings)
        self.title = f"sftp://{settings.host}:{settings.port}{settings.root}"
        self._policy, self._connection, self._settings = policy, connection, settings
        self._deadline = deadline
        self._client: paramiko.SSHClient | None = None
        self._files: _JudgedSftp | None = None
        self._root = settings.root

    async def entries(self, folder: Sequence[str]) -> list[Entry]:
        return await self._try(lambda files: self._list(files, folder)) or []

    async def entry(self, path: Sequence[str]) -> Entry | None:
        return await self._try(lambda files: self._entry(files, list(path)))

    async def content(self, path: Sequence[str], limit: int) -> tuple[bytes, bool]:
        body = await self._try(lambda files: self._read(files, path, limit + 1))
        if body is None:
            raise CheckFailed(FailureClass.NOT_FOUND, f"{printable(path[-1])} vanished while it was looked at")
        return body[:limit], len(body) > limit

    async def close(self) -> None:
        """Ends the connection, also one that hangs."""
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    def _list(self, files: _JudgedSftp, folder: Sequence[str]) -> list[Entry]:
        names = files.ftp.listdir(self._real(files, folder))
        if len(names) > MAX_ENTRIES:
            raise CheckFailed(FailureClass.TOO_MANY, f"the folder holds more than {MAX_ENTRIES} names")
        found: list[Entry] = []
        for attributes in files.ftp.listdir_attr(self._real(files, folder)):
            path = [*folder, attributes.filename]
            if stat.S_ISLNK(attributes.st_mode or 0):
                try:
                    linked = self._entry(files, path)
                except (CheckFailed, OSError):
                    continue  # leads out, or nowhere
                found += [linked] if linked is not None else []
            elif (entry := _entry_of(path, attributes)) is not None:
                found.append(entry)
        return found

    def _entry(self, files: _JudgedSftp, path: list[str]) -> Entry | None:
        return _entry_of(path, files.ftp.stat(self._real(files, path)))

    def _read(self, files: _JudgedSftp, path: Sequence[str], limit: int) -> bytes:
        real = self._real(files, path)
        if not stat.S_ISREG(files.ftp.stat(real).st_mode or 0):
            raise denied("/".join(path), "it is not a regular file")
        with files.ftp.open(real, "rb") as file:
            return file.read(limit)

    def _real(self, files: _JudgedSftp, path: Sequence[str]) -> str:
        """Where the server says a path leads; refused when that is outside of the root."""
        real = files.ftp.normalize(str(PurePosixPath(self._root, *path)))
        root = files.ftp.normalize(self._root)
        if real != root and not real.startswith(root.rstrip("/") + "/"):
            raise denied("/".join(path), "a symbolic link leads out of the connection's folder")
        return real

    async def _try(self, work: Callable[[_JudgedSftp], T]) -> T | None:
        """In a thread, within the time; None for what is not there."""
        try:
            async with asyncio.timeout(max(self._deadline - time.monotonic(), 0.001)):
                files = self._files or await self._connected()
                return await asyncio.to_thread(work, files)
        except FileNotFoundError:
            return None
        except CheckFailed:
            raise
        except Exception as error:
            raise self._failure(error) from error

    async def _connected(self) -> _JudgedSftp:
        settings = self._settings
        addresses = await self._policy.resolve(settings.host, settings.port, kind="sftp")
        left = max(self._deadline - time.monotonic(), 0.1)
        self._client = client = paramiko.SSHClient()
        self._files = await asyncio.to_thread(self._sign_in, client, addresses, left)
        return self._files

    def _sign_in(self, client: paramiko.SSHClient, addresses: Sequence[str], seconds: float) -> _JudgedSftp:
        """To a judged address, over a socket of our own; nothing of this machine's keys, agents or files is used."""
        settings = self._settings
        kind, _, key = settings.host_key.partition(" ")
        name = settings.host if settings.port == 22 else f"[{settings.host}]:{settings.port}"
        try:
            client.get_host_keys().add(name, kind, paramiko.PKey.from_type_string(kind, base64.b64decode(key)))
        except (paramiko.SSHException, ValueError) as error:
            raise invalid("the connection's host_key cannot be read: paste what ssh-keyscan prints") from error
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        signs_by_key = settings.auth == "private_key"
        client.connect(
            settings.host,
            port=settings.port,
            username=settings.username,
            password=None if signs_by_key else secret_of(self._connection, "password"),
            pkey=self._key() if signs_by_key else None,
            sock=_socket(addresses, settings.port, seconds),
            timeout=seconds,
            banner_timeout=seconds,
            auth_timeout=seconds,
            allow_agent=False,
            look_for_keys=False,
        )
        files = _JudgedSftp(client)
        channel = files.ftp.get_channel()
        if channel is not None:
            channel.settimeout(seconds)
        return files

    def _key(self) -> paramiko.PKey:
        text, phrase = secret_of(self._connection, "private_key"), self._connection.secrets.get("passphrase")
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            try:
                return kind.from_private_key(io.StringIO(text), password=phrase)
            except (paramiko.SSHException, ValueError):
                continue
        raise CheckFailed(
            FailureClass.AUTH,
            "the connection's private_key cannot be read: it must be a key of OpenSSH (ed25519, ecdsa or rsa) with its "
            "passphrase",
            reason="bad_private_key",
            ours=True,
        )

    def _failure(self, error: Exception) -> CheckFailed:
        host = self._settings.host
        if isinstance(error, EgressDenied):
            return CheckFailed(FailureClass.BLOCKED_BY_POLICY, error.detail, reason=error.reason, ours=True)
        if isinstance(error, NameNotResolved):
            return CheckFailed(FailureClass.DNS, error.detail)
        if isinstance(error, TimeoutError):
            return CheckFailed(FailureClass.TIMEOUT, f"{host} did not answer in time", reason="read")
        if isinstance(error, paramiko.AuthenticationException):
            return CheckFailed(FailureClass.AUTH, f"{host} refuses the connection's credentials", ours=True)
        if isinstance(error, paramiko.BadHostKeyException) or "not found in known_hosts" in str(error):
            message = f"{host} shows another key than the connection's host_key: it may be another server"
            return CheckFailed(FailureClass.TLS, message, reason="host_key")
        if isinstance(error, PermissionError):
            return CheckFailed(FailureClass.PERMISSION, f"{host}: the account may not read this", ours=True)
        if isinstance(error, paramiko.SSHException):
            return CheckFailed(FailureClass.PROTOCOL, f"{host} does not speak SFTP properly: {str(error)[:200]}")
        if isinstance(error, OSError | EOFError):
            return CheckFailed(FailureClass.CONNECT, f"{host} cannot be reached: {str(error)[:200]}")
        raise error


def _socket(addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), timeout=seconds / len(addresses))
        except OSError:
            continue
    return socket.create_connection((addresses[-1], port), timeout=seconds / len(addresses))


def _entry_of(path: list[str], attributes: paramiko.SFTPAttributes) -> Entry | None:
    mode = attributes.st_mode or 0
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return None
    when = datetime.fromtimestamp(attributes.st_mtime, UTC) if attributes.st_mtime else None
    return Entry(path[-1] if path else "", "/".join(path), stat.S_ISDIR(mode), attributes.st_size, when)
