"""Bodies, parameters and headers nobody should send."""

import asyncio
import gzip
from typing import Any

import pytest


async def test_large_bodies_are_refused_before_they_are_read(door: Any) -> None:
    """By their length, and by what arrives when they name none."""
    client = await door.program("editor")
    named = await client.post("/api/v1/processes", content=b"x" * (2 * 1024 * 1024 + 1))

    async def endless() -> Any:
        for _ in range(64):
            yield b"x" * 65536

    unnamed = await client.post("/api/v1/processes", content=endless())
    assert {named.status_code, unnamed.status_code} == {413}
    assert door.behind.asked() == []


async def test_compressed_bodies_are_not_unpacked(door: Any) -> None:
    """A bomb stays packed."""
    bomb = gzip.compress(b"0" * 50_000_000)
    client = await door.program("editor")
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert (await client.post("/api/v1/processes", content=bomb, headers=headers)).status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"process_id": "p", "process_id": ',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"process_id":"p","inputs":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    ],
    ids=["empty", "null", "list", "text", "cut", "cut-key", "utf-16", "deep-list", "deep-object"],
)
@pytest.mark.req("NFR-012")
async def test_broken_json_is_refused(door: Any, body: bytes) -> None:
    """Never 500, whatever the depth."""
    client = await door.program("operator")
    answer = await client.post("/api/v1/runs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.req("NFR-012")
async def test_unknown_fields_and_parameters_are_named(door: Any) -> None:
    """A misspelt filter does not silently return everything."""
    client = await door.program("admin")
    body = await client.post("/api/v1/runs", json={"process_id": "p", "input": {}})
    assert body.json()["errors"][0]["path"] == "body.input"
    query = await client.get("/api/v1/runs", params={"proces_id": "p"})
    assert (query.status_code, query.json()["errors"][0]["path"]) == (422, "query.proces_id")
    assert "process_id" in query.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "1000000000"},
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "x"},
        {"limit": "9" * 400},
        {"offset": "-1"},
        {"sort": "password_hash"},
        {"status": "sucess"},
        {"since": "yesterday"},
        {"since": "2026-01-01"},
        {"trigger": "magic"},
        {"cursor": "x" * 3000},
        {"$where": "1"},
        {"__proto__": "1"},
    ],
    ids=str,
)
@pytest.mark.req("NFR-012")
async def test_absurd_parameters_are_refused(door: Any, params: dict[str, str]) -> None:
    client = await door.program("viewer")
    for path in ("/api/v1/runs", "/api/v1/reports/runs"):
        answer = await client.get(path, params=params)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["path"].startswith("query.")
    assert door.behind.asked() == []


async def test_cursors_changed_by_hand_are_refused(door: Any) -> None:
    """They are signed, each kind of list is told from the others, and no value in them is trusted."""
    browser = await door.browser()
    for number in range(3):
        await browser.post("/api/v1/users", json={"username": f"user{number}"})
    cursor = (await browser.get("/api/v1/users", params={"limit": 1})).json()["next_cursor"]
    for changed in (cursor[:-2], cursor + "A", "A" + cursor[1:], "e30", "ünïcode", "\x00", cursor.swapcase()):
        answer = await browser.get("/api/v1/users", params={"cursor": changed})
        assert answer.status_code == 422, changed
    foreign = await browser.get("/api/v1/audit", params={"cursor": cursor})
    assert foreign.status_code == 422


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "<script>", "../x", "null\x00", "x" * 201, "\u202eada", "a/b", "ada;"]
)
async def test_impossible_usernames_are_refused(door: Any, name: str) -> None:
    browser = await door.browser()
    answer = await browser.post("/api/v1/users", json={"username": name})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "body.username"


async def test_weak_role_and_password_values_are_refused(door: Any) -> None:
    browser = await door.browser()
    for body in (
        {"username": "eve", "role": "root"},
        {"username": "eve", "password": "short"},
        {"username": "eve", "is_admin": True},
        {"username": {"$gt": ""}},
    ):
        assert (await browser.post("/api/v1/users", json=body)).status_code == 422


async def test_absurd_headers_do_no_harm(door: Any) -> None:
    """A million bytes of If-None-Match are left out; ten thousand ranges are ignored."""
    door.behind.catalog.answer("GET", "/processes/p", {"process_id": "p"}, headers={"etag": '"1"'})
    client = await door.program("viewer")
    headers = {"If-None-Match": '"' + "x" * 1_000_000 + '"', "Range": "bytes=" + ",".join(["0-0"] * 10_000)}
    answer = await client.get("/api/v1/processes/p", headers=headers)
    assert answer.status_code == 200
    assert "if-none-match" not in door.behind.catalog.asked[-1].headers
    assert "range" not in door.behind.catalog.asked[-1].headers


async def test_unexpected_fault_shows_an_id_and_no_stack(door: Any) -> None:
    """What a service answers in its own wrong way is our fault to hide and to log."""
    door.behind.catalog.answer("GET", "/processes", {"items": "not a list"})
    answer = await (await door.program("viewer")).get("/api/v1/processes")
    assert answer.status_code == 500
    problem = answer.json()
    assert problem["error_id"]
    assert "Traceback" not in answer.text
    assert "pydantic" not in answer.text


@pytest.mark.req("NFR-011")
async def test_every_answer_carries_the_security_headers(open_door: Any) -> None:
    """The API's, the page's, errors' and health's; HSTS only where there is TLS."""
    async with open_door(public_url="https://steptrail.example.com") as door:
        client = door.client()
        for path in ("/", "/api/v1/me", "/api/v1/nothing", "/healthz", "/missing.js", "/api/v1/openapi.json"):
            headers = (await client.get(path, headers={"Accept": "text/html"})).headers
            policy = headers["content-security-policy"]
            assert "script-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "object-src 'none'" in policy
            assert "unsafe-eval" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["strict-transport-security"].startswith("max-age=31536000")
            assert "access-control-allow-origin" not in headers
        assert (await client.get("/api/v1/me")).headers["cache-control"] == "no-store"
    async with open_door() as door:
        assert "strict-transport-security" not in (await door.client().get("/")).headers


async def test_health_says_no_more_than_it_must(door: Any) -> None:
    """Names of parts, no addresses; and a path that merely ends in health is a path like any other."""
    client = door.client()
    ready = (await client.get("/readyz")).json()
    assert ready == {"status": "ready", "parts": {"store": "ok", "bus": "ok"}}
    assert (await client.get("/api/v1/runs/healthz")).status_code == 401


async def test_stream_refuses_what_it_cannot_serve(door: Any, address: str) -> None:
    """A page that opens it by accident, HEAD, HTTP/1.0, absurd filters."""
    client = await door.program("viewer")
    html = await client.get("/api/v1/events", headers={"Accept": "text/html"})
    assert (html.status_code, html.headers["content-type"]) == (406, "application/problem+json")
    assert (await client.head("/api/v1/events")).status_code == 405
    many = {"run_id": [str(number) for number in range(101)]}
    assert (await client.get("/api/v1/events", params=many)).status_code == 422
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    token = await door.token("viewer")
    writer.write(f"GET /api/v1/events HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    assert " 406 " in answer.splitlines()[0]
