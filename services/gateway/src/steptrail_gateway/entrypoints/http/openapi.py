"""The OpenAPI document: every route, every error, examples, and the permission each route needs."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from steptrail_common.contracts.model import Problem

from steptrail_gateway.domain.origin import REQUEST_HEADER
from steptrail_gateway.domain.permissions import LOWEST_ROLE
from steptrail_gateway.entrypoints.http.access import BEARER_SCHEME, COOKIE_SCHEME
from steptrail_gateway.entrypoints.http.examples import DEFINITION, INCIDENT, PROBLEM, START_RUN

DESCRIPTION: Final = f"""\
Check business processes that cross systems, and watch where each case stands.

**Signing in.** Browsers use the session cookie of `POST /session`; every request of theirs that changes something also
carries the header `{REQUEST_HEADER}: 1`. Programs send `Authorization: Bearer stp_…`, a token of `POST /tokens`.

**Conventions.** JSON, `snake_case`, RFC 3339 in UTC, durations in seconds where the name says so. Errors are problem
documents (RFC 9457). Lists take `limit` (at most 200) and `cursor` and answer `items` and `next_cursor`. Unknown query
parameters are refused. Definitions are saved with `ETag` and `If-Match`. Work is made with an `Idempotency-Key`.
"""
_EXAMPLES: Final[dict[str, Any]] = {"Problem": PROBLEM, "StartRun": START_RUN, "IncidentSummary": INCIDENT}


def describe(app: FastAPI, routes: Iterable[tuple[str, APIRoute]]) -> dict[str, Any]:
    """The document of an application, made once. `routes`: the public path of each route of the API."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, servers=[{"url": "/"}]
        )
        _add_security(document)
        _add_permissions(routes, document)
        schemas = document["components"]["schemas"]
        _add_problem(schemas)
        for name, example in _EXAMPLES.items():
            schemas[name]["examples"] = [example]
        schemas["PlanRequest"]["examples"] = [{"inputs": {"order_id": "4711"}, "document": DEFINITION}]
        app.openapi_schema = document
    return app.openapi_schema


def permission_of(route: APIRoute) -> str | None:
    """What a route asks for; None for the few that work before sign-in."""
    return _find(route.dependant)


def _find(dependant: Dependant) -> str | None:
    own = getattr(dependant.call, "permission", None)
    if own is not None:
        return str(own)
    return next((found for sub in dependant.dependencies if (found := _find(sub)) is not None), None)


def _add_security(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {
        scheme.scheme_name: scheme.model.model_dump(mode="json", by_alias=True, exclude_none=True)
        for scheme in (COOKIE_SCHEME, BEARER_SCHEME)
    }


def _add_permissions(routes: Iterable[tuple[str, APIRoute]], document: dict[str, Any]) -> None:
    for path, route in routes:
        for method in route.methods or ():
            operation = document["paths"][path][method.lower()]
            operation["operationId"] = route.name
            permission = permission_of(route)
            if permission is None:
                operation["security"] = []
                continue
            operation["security"] = [{COOKIE_SCHEME.scheme_name: []}, {BEARER_SCHEME.scheme_name: []}]
            operation["x-permission"] = permission
            operation["x-lowest-role"] = LOWEST_ROLE[permission]


def _add_problem(schemas: dict[str, Any]) -> None:
    """The schema that every error answer names."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    found = {**schema.pop("$defs", {}), "Problem": schema}
    for one in found.values():
        for described in one["properties"].values():
            described.pop("default", None)  # an answer leaves out what is empty
    schemas.update(found)
