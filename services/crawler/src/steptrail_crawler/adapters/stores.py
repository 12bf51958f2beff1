"""Object stores: their libraries are loaded when needed, and connect through the egress policy only."""

import asyncio
import hashlib
import importlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from steptrail_checks.port import CheckFailed, OpenedConnection
from steptrail_common.contracts.connections import AzureBlobSettings, GcsSettings, S3Settings
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.exchange import judge, secret_of
from steptrail_crawler.adapters.http import HttpClient
from steptrail_crawler.adapters.oauth2 import Tokens
from steptrail_crawler.adapters.store_files import StorePlace

MAX_STORES = 50
StoreSettings = S3Settings | GcsSettings | AzureBlobSettings


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file system of fsspec on this loop, and how its connections are given back."""

    files: Any
    close: Callable[[], Awaitable[Any]]


class Stores:
    """File systems by connection, kept warm: making one costs more than using it."""

    def __init__(self, client: HttpClient) -> None:
        self._policy = client.policy
        self._tokens = Tokens(client)
        self._open: OrderedDict[str, _Opened] = OrderedDict()
        self._lock = asyncio.Lock()

    async def place(self, connection: OpenedConnection, *, deadline: float) -> StorePlace:
        """The bucket or container of a connection. Raises `CheckFailed` when its library is not installed."""
        settings = connection.settings
        if not isinstance(settings, StoreSettings):
            raise TypeError(settings)
        if settings.endpoint_url is not None:
            judge(self._policy, settings.endpoint_url)
        files = await self._files(connection, settings)
        if isinstance(settings, GcsSettings) and settings.auth == "service_account":
            await self._sign_in(files, connection, deadline)
        store = settings.container if isinstance(settings, AzureBlobSettings) else settings.bucket
        root = f"{store}/{settings.prefix.strip('/')}".rstrip("/")
        return StorePlace(files, root, f"{_SCHEMES[settings.kind]}://{root}", deadline=deadline)

    async def close(self) -> None:
        """Give back all connections."""
        for opened in self._open.values():
            await opened.close()
        self._open.clear()

    async def _files(self, connection: OpenedConnection, settings: StoreSettings) -> Any:
        secrets = sorted(connection.secrets.items())
        key = hashlib.sha256(repr((connection.connection_id, settings.model_dump_json(), secrets)).encode()).hexdigest()
        async with self._lock:
            if key not in self._open:
                self._open[key] = await self._opened(connection, settings)
                if len(self._open) > MAX_STORES:
                    _, oldest = self._open.popitem(last=False)
                    await oldest.close()
            self._open.move_to_end(key)
            return self._open[key].files

    async def _opened(self, connection: OpenedConnection, settings: StoreSettings) -> _Opened:
        module = await _loaded(settings.kind)
        if isinstance(settings, S3Settings):
            secret = secret_of(connection, "secret_access_key") if settings.access_key_id else None
            files = module.file_system(self._policy, settings, secret, connection.secrets.get("session_token"))
            return _Opened(files, (await files.set_session()).close)
        if isinstance(settings, GcsSettings):
            files = module.file_system(self._policy, settings)
            return _Opened(files, (await files._set_session()).close)
        name = {"account_key": "account_key", "sas": "sas_token"}.get(settings.auth)
        files = module.file_system(self._policy, settings, secret_of(connection, name) if name else None)
        return _Opened(files, files.close)

    async def _sign_in(self, files: Any, connection: OpenedConnection, deadline: float) -> None:
        """A fresh token for Google, fetched through the policy from the issuer that the key names."""
        module = await _loaded("gcs")
        text = secret_of(connection, "service_account_key")
        try:
            wanted = await asyncio.to_thread(module.token_request, json.loads(text))
        except (ValueError, KeyError) as error:
            told = f"the service account's key of connection {connection.connection_id} is damaged: enter it again"
            raise CheckFailed(FailureClass.AUTH, told, reason="credentials", ours=True) from error
        judge(self._policy, wanted.token_url)
        identity = hashlib.sha256(text.encode()).hexdigest()
        module.use_token(files, await self._tokens.token(wanted, deadline, identity=identity))


_SCHEMES = {"s3": "s3", "gcs": "gs", "azure_blob": "az"}


async def _loaded(kind: str) -> Any:
    try:
        return await asyncio.to_thread(importlib.import_module, f"steptrail_crawler.adapters.{kind}")
    except ImportError as error:
        raise missing(kind.replace("_", "-")) from error


def missing(extra: str) -> CheckFailed:
    """The worker lacks an optional part."""
    return CheckFailed(
        FailureClass.INTERNAL,
        f"this worker cannot read such places: install steptrail-crawler[{extra}] for it",
        reason="worker_unavailable",
        ours=True,
    )
