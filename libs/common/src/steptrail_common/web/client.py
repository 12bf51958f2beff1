"""From service to service."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from steptrail_common import errors, telemetry
from steptrail_common.contracts.model import Problem
from steptrail_common.errors import SteptrailError, Unavailable
from steptrail_common.web.problems import BY_STATUS


def _over_http() -> httpx2.AsyncBaseTransport:
    from steptrail_common.web.transport import AiohttpTransport  # where all services share a process nobody needs it

    return AiohttpTransport()


class ServiceClient:
    """Calls another service of ours. Its problem documents come back as the same errors, absence as `Unavailable`.

    One per target, shared and closed with `aclose`: a new one costs 20 ms for its TLS context.
    """

    def __init__(
        self,
        base_url: str,
        service_token: str,
        transport: httpx2.AsyncBaseTransport | None = None,
        *,
        timeout_seconds: float = 15.0,
    ) -> None:
        self._name = httpx2.URL(base_url).host
        self._client = httpx2.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {service_token}"},
            transport=transport or _over_http(),
            timeout=httpx2.Timeout(timeout_seconds, connect=3.0, pool=5.0),
        )

    async def get_json(
        self, path: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of a GET. Parameters that are None are left out."""
        return (await self.request("GET", path, params=params, headers=headers)).json()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        """The whole answer when it is a success; otherwise the matching `SteptrailError` is raised."""
        async with self._exchange(method, path, headers, params, json=json, content=content) as response:
            await response.aread()
            return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """An answer whose body is read piece by piece (`aiter_bytes`), for exports."""
        async with self._exchange(method, path, headers, params) as response:
            yield response

    @asynccontextmanager
    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str] | None, params: Mapping[str, Any] | None, **body: Any
    ) -> AsyncIterator[httpx2.Response]:
        wanted = {name: value for name, value in (params or {}).items() if value is not None}
        sent = telemetry.inject(headers or {})
        try:
            async with self._client.stream(method, path, params=wanted, headers=sent, **body) as response:
                if response.is_error:
                    await response.aread()
                    raise self._error(response)
                yield response
        except httpx2.TransportError as error:
            raise Unavailable(f"the service {self._name} does not answer ({type(error).__name__})") from error

    def _error(self, response: httpx2.Response) -> SteptrailError:
        try:
            document = Problem.model_validate_json(response.content)
        except ValueError:
            return Unavailable(f"the service {self._name} answered with status {response.status_code}")
        kind = BY_STATUS.get(document.status, SteptrailError)
        if kind is errors.NotAuthenticated:
            return Unavailable(f"the service {self._name} refuses our service token: give all services the same one")
        retry_after = response.headers.get("Retry-After", "")
        return kind(
            document.detail,
            errors=document.errors,
            retry_after_seconds=int(retry_after) if retry_after.isdigit() else None,
        )

    async def aclose(self) -> None:
        await self._client.aclose()
