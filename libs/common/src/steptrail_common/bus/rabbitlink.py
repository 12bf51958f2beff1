"""One RabbitMQ connection that comes back by itself."""

import asyncio
import contextlib
import ipaddress

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AuthenticationError, ConnectionNotAllowed, ProbableAuthenticationError
from yarl import URL

from steptrail_common.errors import ConfigurationError, Unavailable
from steptrail_common.tasks import end

CONNECT_TIMEOUT_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 2.0
HEARTBEAT_SECONDS = 10
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0

log = structlog.get_logger()


def broker_url(address: str) -> URL:
    """The address with our heartbeat. Raises ConfigurationError for `guest` on a broker that is not local."""
    try:
        url = URL(address)
    except ValueError as error:
        raise ConfigurationError(f"The bus address cannot be read: {error}") from None
    if url.host is None:
        raise ConfigurationError("The bus address names no host: write amqp://user:password@host/vhost")
    if (url.user or "guest") == "guest" and not _is_local(url.host):
        raise ConfigurationError(
            f"The bus address uses the account guest on {url.host}: create a user of its own on the broker "
            "(rabbitmqctl add_user) and name it in the address."
        )
    return url.update_query(heartbeat=str(HEARTBEAT_SECONDS))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Link:
    """Keeps one connection open from `start` to `close`; `connection()` waits until it stands."""

    def __init__(self, url: URL, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: AbstractConnection | None = None
        self._stands = asyncio.Event()
        self._lost = asyncio.Event()
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        return self._stands.is_set()

    async def start(self, timeout_seconds: float) -> None:
        """Connect. Raises ConfigurationError when the broker refuses us, Unavailable when it is not there in time."""
        self._task = asyncio.create_task(self._keep(), name=f"rabbitmq {self._name}")
        stands = asyncio.create_task(self._stands.wait())
        try:
            await asyncio.wait({stands, self._task}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stands.cancel()
        if not self.up:
            raise self._start_error()

    def _start_error(self) -> ConfigurationError | Unavailable:
        place = f"{self._url.host}:{self._url.port}"
        if isinstance(self._failure, AuthenticationError | ProbableAuthenticationError | ConnectionNotAllowed):
            return ConfigurationError(
                f"RabbitMQ at {place} refuses user {self._url.user or 'guest'}: check the user, its password and its "
                f"rights on the virtual host {self._url.path[1:] or '/'}."
            )
        return Unavailable(f"RabbitMQ cannot be reached at {place}: {self._failure or 'no answer'}")

    async def connection(self, timeout_seconds: float) -> AbstractConnection:
        """The standing connection; waits for it. Raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            while self._connection is None:
                await self._stands.wait()
        return self._connection

    def give_up(self, connection: AbstractConnection) -> None:
        """It answers nothing any more, which the heartbeat would notice half a minute later: another one is made."""
        if connection is self._connection:
            log.warning("rabbitmq_connection_stuck", connection=self._name)
            self._lost.set()

    async def close(self) -> None:
        if self._task is not None:
            await end(self._task)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._one_life()
                pause = FIRST_PAUSE_SECONDS
                log.warning("rabbitmq_connection_lost", connection=self._name)
            except Exception as error:
                self._failure = error
                log.warning("rabbitmq_connect_failed", connection=self._name, error=repr(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _one_life(self) -> None:
        """Connect and stay until the connection is lost."""
        self._lost = lost = asyncio.Event()
        connection = await aio_pika.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            client_properties={"connection_name": self._name},
        )
        connection.close_callbacks.add(lambda *_: lost.set())
        try:
            if connection.transport is None or connection.transport.connection.is_closed:
                return
            self._connection = connection
            self._stands.set()
            await lost.wait()
        finally:
            self._connection = None
            self._stands.clear()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), CLOSE_TIMEOUT_SECONDS)
