"""Object stores: their libraries are loaded when needed, and connect through the egress policy only."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.contracts.connections import S3Settings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.egress import EgressPolicy

from steptrail_crawler.adapters.exchange import judge, secret_of
from steptrail_crawler.adapters.store_files import StorePlace

MAX_STORES = 50
_CONNECT_SECONDS, _READ_SECONDS = 10, 30
_Close = Callable[[], Awaitable[Any]]


class Stores:
    """File systems by connection, kept warm: making one costs more than using it."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._open: OrderedDict[str, tuple[Any, _Close]] = OrderedDict()
        self._lock = asyncio.Lock()

    async def place(self, connection: OpenedConnection, *, deadline: float) -> StorePlace:
        """The bucket of a connection. Raises `CheckFailed` when its library is not installed."""
        settings = connection.settings
        if not isinstance(settings, S3Settings):
            raise TypeError(settings)
        if settings.endpoint_url is not None:
            judge(self._policy, settings.endpoint_url)
        files = await self._files(connection, settings)
        root = f"{settings.bucket}/{settings.prefix.strip('/')}".rstrip("/")
        return StorePlace(files, root, f"s3://{root}", deadline=deadline)

    async def close(self) -> None:
        """Give back all connections."""
        for _, close in self._open.values():
            await close()
        self._open.clear()

    async def _files(self, connection: OpenedConnection, settings: S3Settings) -> Any:
        secrets = sorted(connection.secrets.items())
        key = hashlib.sha256(repr((connection.connection_id, settings.model_dump_json(), secrets)).encode()).hexdigest()
        async with self._lock:
            if key not in self._open:
                self._open[key] = await self._s3(connection, settings)
                if len(self._open) > MAX_STORES:
                    _, (_, close) = self._open.popitem(last=False)
                    await close()
            self._open.move_to_end(key)
            return self._open[key][0]

    async def _s3(self, connection: OpenedConnection, settings: S3Settings) -> tuple[Any, _Close]:
        try:
            module = await asyncio.to_thread(__import__, "steptrail_crawler.adapters.s3", fromlist=["file_system"])
        except ImportError as error:
            raise missing("s3") from error
        secret = secret_of(connection, "secret_access_key") if settings.access_key_id else None
        files = module.file_system(self._policy, settings, secret, connection.secrets.get("session_token"))
        session = await files.set_session()
        return files, session.close


def missing(extra: str) -> CheckFailed:
    """The worker lacks an optional part."""
    return CheckFailed(
        FailureClass.INTERNAL,
        f"this worker cannot read such places: install steptrail-crawler[{extra}] for it",
        reason="worker_unavailable",
        ours=True,
    )
