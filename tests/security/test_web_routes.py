"""No route without a sign-in, none without the right role, no way around a route."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs/openapi.json").read_text())
ROLES = ("viewer", "operator", "editor", "admin")
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
GUARDED = [one for one in OPERATIONS if one[2]["security"]]
OPEN = {("POST", "/api/v1/session"), ("POST", "/api/v1/session/link")}


def filled(path: str) -> str:
    """A path with ids in it; whether the things exist does not matter here."""
    return re.sub(r"\{\w+\}", "1", path)


def named(cases: list[tuple[str, str, Any]]) -> Any:
    return pytest.mark.parametrize(
        ("method", "path", "operation"), cases, ids=[f"{method} {path}" for method, path, _ in cases]
    )


def test_only_signing_in_works_before_signing_in() -> None:
    """Whoever adds a route without a permission meets this line."""
    assert {(method, path) for method, path, operation in OPERATIONS if not operation["security"]} == OPEN


async def test_document_names_every_route_that_runs(door: Any) -> None:
    """The list below cannot overlook one: what the application answers is what the document names."""
    from fastapi.routing import _iter_routes_with_context  # the framework's own walk over included routers

    running = set()
    for route, context in _iter_routes_with_context(door.service.app.router.routes):
        shown = context or route
        running |= {(method, shown.path) for method in getattr(shown, "methods", None) or ()}
    documented = {(method, path) for method, path, _ in OPERATIONS}
    assert running - documented <= {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/api/v1/openapi.json"),
        ("HEAD", "/healthz"),
        ("HEAD", "/readyz"),
    }
    assert documented <= running


@pytest.mark.req("NFR-010")
async def test_every_route_asks_for_a_sign_in(door: Any) -> None:
    """401 without credentials, with a wrong cookie, with a wrong token; and no service is ever asked."""
    wrong: list[dict[str, str]] = [
        {},
        {"Cookie": "steptrail_session=guess", "X-Steptrail-Request": "1"},
        {"Authorization": "Bearer stp_guess"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": "Bearer "},
    ]
    for headers in wrong:
        client = door.client(**headers)
        for method, path, _ in GUARDED:
            answer = await client.request(method, filled(path), headers={"Accept": "*/*"})
            assert answer.status_code == 401, f"{method} {path} {headers}"
            assert answer.headers["content-type"] == "application/problem+json"
    assert door.behind.asked() == []


@pytest.mark.req("NFR-010")
async def test_every_route_asks_for_its_role(door: Any) -> None:
    """403 for every role below the one the route names; and no service is ever asked."""
    refused = 0
    for role in ROLES:
        client = await door.program(role)
        for method, path, operation in GUARDED:
            if ROLES.index(role) >= ROLES.index(operation["x-lowest-role"]):
                continue
            answer = await client.request(method, filled(path))
            assert answer.status_code == 403, f"{role}: {method} {path}"
            assert operation["x-lowest-role"] in answer.json()["detail"]
            refused += 1
    assert refused > 40
    assert door.behind.asked() == []


@pytest.mark.req("NFR-010")
async def test_the_named_role_is_enough(door: Any) -> None:
    """With it nothing is answered with 401 or 403; what is answered instead depends on the request."""
    for method, path, operation in GUARDED:
        if path == "/api/v1/events":
            continue  # an endless answer: see the tests of the stream
        client = await door.program(operation["x-lowest-role"])
        answer = await client.request(method, filled(path))
        assert answer.status_code not in (401, 403, 500), f"{method} {path}: {answer.text}"


WAYS_AROUND = [
    "//api//v1/runs",
    "/api//v1/runs",
    "/api/v1//runs",
    "/api/./v1/runs",
    "/api/v1/../v1/runs",
    "/api/v1/session/../runs",
    "/API/V1/RUNS",
    "/api/v1/runs/",
    "/api/v1/runs;x=1",
    "/api/v1/runs%2f",
    "/api%2fv1%2fruns",
    "/%61pi/v1/runs",
    "/api/v1/runs%00",
    "/api/v1/runs/healthz",
    "/api/v1/healthz",
    "/healthz/../api/v1/runs",
    "/readyz/api/v1/runs",
    "/api/v1/users/..%2fhealthz",
    "/api/v1/openapi.json/../runs",
    "/api/v1/\\runs",
]


@pytest.mark.parametrize("path", WAYS_AROUND)
async def test_no_spelling_of_a_path_goes_around_the_check(door: Any, address: str, path: str) -> None:
    """On a real socket, as sent: nothing there, a sign-in wanted, or the page, which holds no data."""
    import asyncio

    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n".encode()
    )
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.split(" ")[1] in ("400", "401", "404"), answer[:200]
    assert door.behind.asked() == []


@pytest.mark.parametrize("path", WAYS_AROUND)
async def test_no_spelling_reaches_another_route_of_a_service(door: Any, path: str) -> None:
    """Signed in or not: ids never become parts of an address behind us."""
    client = await door.program("viewer")
    await client.get(path)
    assert [asked for asked in door.behind.asked() if asked not in ("GET /runs", "GET /runs/healthz")] == []


@pytest.mark.parametrize(
    "bad", ["..", "%2e%2e", "..%2f..%2fsnapshots", "{1}", "-1", "0%00", "%7B1%7D", "a%20b", "9" * 200, "%F0%9F%92%A9"]
)
async def test_impossible_ids_answer_like_unknown_ones(door: Any, bad: str) -> None:
    """404, the same words, and no service is asked."""
    client = await door.program("admin")
    for path in ("/api/v1/processes/{}", "/api/v1/runs/{}", "/api/v1/connections/{}", "/api/v1/users/{}"):
        answer = await client.get(path.format(bad))
        assert answer.status_code == 404, f"{path} {bad}"
    assert not [asked for asked in door.behind.asked() if "snapshot" in asked or ".." in asked]


@pytest.mark.parametrize("odd", ["0", "9223372036854775808", "550e8400-e29b-41d4-a716-446655440000"])
async def test_unknown_ids_are_404(door: Any, odd: str) -> None:
    client = await door.program("admin")
    for path in ("/api/v1/processes/{}", "/api/v1/runs/{}", "/api/v1/processes/p/revisions/{}", "/api/v1/users/{}"):
        assert (await client.get(path.format(odd))).status_code == 404


async def test_method_that_is_not_there_is_405(door: Any) -> None:
    answer = await (await door.program("admin")).patch("/api/v1/runs")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
