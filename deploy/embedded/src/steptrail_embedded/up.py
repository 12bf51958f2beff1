"""`steptrail up`: the demo's shop, the services, the first sign-in, then the page until a signal comes."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import AsyncExitStack
from http import HTTPStatus

import httpx2
import uvloop
from steptrail_common import telemetry
from steptrail_common.service import serve
from steptrail_gateway.service import create_api_token, create_sign_in_link

from steptrail_embedded.compose import DRAIN_SECONDS, Embedded, Options, compose
from steptrail_embedded.demo.install import install
from steptrail_embedded.demo.serve import shop_running

ADMINISTRATOR = "admin"
Announce = Callable[[str, str | None], None]
"""Called once with the page's address and a sign-in link."""

__all__ = ["Options", "compose", "run"]


def run(options: Options, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ConfigurationError` when a setting or a port does not allow a start."""
    telemetry.configure("steptrail-embedded", level="warning", otlp_endpoint=None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(options, announce))


async def _run(options: Options, announce: Announce) -> None:
    async with AsyncExitStack() as stack:
        shop_url = None
        if options.demo:
            port = options.data.demo_port(options.demo_port)
            shop_url = await stack.enter_async_context(shop_running(options.data.demo, "127.0.0.1", port))
            options.data.remember_demo_port(shop_url)
        embedded = compose(options, shop_address=shop_url.removeprefix("http://") if shop_url else None)
        service = embedded.combined()
        ready: asyncio.Queue[int] = asyncio.Queue()
        welcome = asyncio.create_task(_welcome(options, embedded, shop_url, ready, announce))
        try:
            await serve(
                service, host=options.host, port=options.port, drain_seconds=DRAIN_SECONDS, on_ready=ready.put_nowait
            )
        finally:
            welcome.cancel()
            await asyncio.gather(welcome, return_exceptions=True)


async def _welcome(
    options: Options, embedded: Embedded, shop_url: str | None, ready: "asyncio.Queue[int]", announce: Announce
) -> None:
    """Once requests are answered: install the demo, leave a token for the command line, print the sign-in link."""
    port = await ready.get()
    gc.enable()
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{port}"
    if shop_url:
        await install(embedded.catalog, shop_url, options.data.demo)
    options.data.write_access(url, await _command_line_token(options, embedded))
    announce(url, url + await create_sign_in_link(embedded.gateway, ADMINISTRATOR))


async def _command_line_token(options: Options, embedded: Embedded) -> str:
    """The token of the last start while it is good, so that programs go on after a restart; else a new one."""
    access = options.data.read_access()
    assert embedded.gateway.app is not None  # noqa: S101  (the gateway always has one)
    if access is not None:
        headers = {"Authorization": f"Bearer {access['token']}"}
        transport = httpx2.ASGITransport(app=embedded.gateway.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
            if (await client.get("/api/v1/me")).status_code == HTTPStatus.OK:
                return str(access["token"])
    return await create_api_token(embedded.gateway, ADMINISTRATOR, name="command line of this machine")
