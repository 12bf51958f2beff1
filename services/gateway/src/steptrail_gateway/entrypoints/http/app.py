"""The application: the API, the page, and the headers every answer carries."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from steptrail_common.web import build_app

from steptrail_gateway.entrypoints.http import (
    boards,
    connections,
    incidents,
    notifications,
    openapi,
    people,
    processes,
    reports,
    runs,
    schedules,
    schemas,
    stream,
)
from steptrail_gateway.entrypoints.http.access import Gateway
from steptrail_gateway.entrypoints.http.forward import PREFIX
from steptrail_gateway.entrypoints.http.headers import SecurityHeaders
from steptrail_gateway.entrypoints.http.page import Page, PageFirst

ROUTERS = (people, processes, runs, schedules, boards, connections, reports, incidents, notifications, schemas, stream)


def api_routes() -> list[tuple[str, APIRoute]]:
    """Every route of the public API with its path."""
    return [
        (PREFIX + route.path, route)
        for module in ROUTERS
        for route in module.router.routes
        if isinstance(route, APIRoute)
    ]


def create_api(version: str, checks: Mapping[str, Callable[[], Awaitable[None]]] | None = None) -> FastAPI:
    """The API with its description; it answers once `create_app` has given it something to work with."""
    app = build_app(title="Steptrail", version=version, checks=checks)
    for module in ROUTERS:
        app.include_router(module.router, prefix=PREFIX)

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def read_description() -> JSONResponse:
        return JSONResponse(app.openapi())

    def described() -> dict[str, Any]:
        return openapi.describe(app, api_routes())

    app.openapi = described  # type: ignore[method-assign]
    return app


def create_app(
    gateway: Gateway, page: Page, *, version: str, checks: Mapping[str, Callable[[], Awaitable[None]]]
) -> FastAPI:
    """The whole front door. Paths that are not below `/api` and no health route belong to the page."""
    app = create_api(version, checks)
    app.state.gateway = gateway
    app.add_middleware(PageFirst, page=page)
    app.add_middleware(SecurityHeaders, https=(gateway.public_url or "").startswith("https://"))
    return app
