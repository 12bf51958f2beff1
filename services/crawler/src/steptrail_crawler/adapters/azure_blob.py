"""Azure Blob Storage as a file system of fsspec, read only; every connection is judged by the egress policy."""

import asyncio
from typing import Any

import aiohttp
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobPrefix, BlobServiceClient, ContainerClient
from fsspec.asyn import AsyncFileSystem
from steptrail_common.contracts.connections import AzureBlobSettings
from steptrail_common.egress import EgressPolicy

from steptrail_crawler.adapters.guarded_aiohttp import connector


class BlobFileSystem(AsyncFileSystem):  # type: ignore[misc]
    """The containers of one account: paths are `container/name`."""

    protocol = "az"
    cachable = False

    def __init__(self, service: BlobServiceClient) -> None:
        super().__init__(asynchronous=True, loop=asyncio.get_running_loop(), use_listings_cache=False)
        self._service = service

    async def close(self) -> None:
        """Give back the connections."""
        await self._service.close()

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        container, folder = _parts(path)
        client = self._service.get_container_client(container)
        found = await self._below(client, f"{folder}/" if folder else "", None)
        return found if detail else [entry["name"] for entry in found]

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        container, name = _parts(path)
        client = self._service.get_container_client(container)
        try:
            if not name:
                await client.get_container_properties()
                return {"name": container, "size": 0, "type": "directory"}
            return _entry(container, await client.get_blob_client(name).get_blob_properties())
        except ResourceNotFoundError as error:
            if name and await self._below(client, f"{name}/", 1):
                return {"name": f"{container}/{name}", "size": 0, "type": "directory"}
            raise FileNotFoundError(path) from error

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        container, name = _parts(path)
        first = start or 0
        blob = self._service.get_blob_client(container, name)
        try:
            body = await blob.download_blob(offset=first, length=None if end is None else end - first)
            return bytes(await body.readall())
        except ResourceNotFoundError as error:
            raise FileNotFoundError(path) from error

    async def _below(self, client: ContainerClient, prefix: str, limit: int | None) -> list[dict[str, Any]]:
        found = []
        try:
            async for item in client.walk_blobs(name_starts_with=prefix, delimiter="/"):
                found.append(_entry(client.container_name, item))
                if limit is not None and len(found) >= limit:
                    break
        except ResourceNotFoundError as error:
            raise FileNotFoundError(client.container_name) from error
        return found


def file_system(policy: EgressPolicy, settings: AzureBlobSettings, secret: str | None) -> BlobFileSystem:
    """Storage on this loop. Nothing is taken from the machine: no identities of its own, no proxies."""
    session = aiohttp.ClientSession(
        connector=connector(policy), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )
    credential: Any = None
    if settings.auth == "account_key" and secret is not None:
        credential = AzureNamedKeyCredential(settings.account, secret)
    elif settings.auth == "sas" and secret is not None:
        credential = AzureSasCredential(secret.lstrip("?"))
    service = BlobServiceClient(
        settings.endpoint_url or f"https://{settings.account}.blob.core.windows.net",
        credential=credential,
        transport=AioHttpTransport(session=session, session_owner=True, use_env_settings=False),
        retry_total=0,
        permit_redirects=False,
        connection_timeout=10,
        read_timeout=30,
    )
    return BlobFileSystem(service)


def _parts(path: str) -> tuple[str, str]:
    container, _, name = path.strip("/").partition("/")
    return container, name


def _entry(container: str, item: Any) -> dict[str, Any]:
    name = f"{container}/{item.name}"
    if isinstance(item, BlobPrefix):
        return {"name": name, "size": 0, "type": "directory"}
    return {"name": name, "size": item.size, "type": "file", "last_modified": item.last_modified}
