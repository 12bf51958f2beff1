"""The HTTP side of every service: errors as problem documents, limits, the service token, cursors, the client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Message
from steptrail_common import errors, web
from steptrail_common.contracts.model import FieldError

TOKEN = "t" * 40
KEY = b"a key for cursors"


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


class Things(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inputs: dict[str, int] = {}
    steps: list[Step] = Field(default=[], max_length=5)


def sample_app(service_token: str | None = None) -> FastAPI:
    """An application with one route of each kind the tests need."""
    broken = asyncio.Event()

    async def database() -> None:
        if broken.is_set():
            raise RuntimeError("postgresql://app:canary@db is away")

    async def broker() -> None:
        if broken.is_set():
            raise errors.Unavailable("no connection to the broker")

    app = web.build_app(title="sample", service_token=service_token, checks={"database": database, "broker": broker})
    app.include_router(router)

    @app.post("/break")
    async def break_it() -> None:
        broken.set()

    return app


router = APIRouter()


@router.get("/things")
async def things(limit: int = 50, process_id: str | None = None) -> dict[str, int]:
    return {"limit": limit}


@router.post("/things")
async def make(body: Annotated[Things, Body()]) -> Things:
    return body


@router.post("/raw")
async def raw(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@router.get("/actor")
async def who(actor: Annotated[web.Actor, Depends(web.read_actor)]) -> dict[str, str]:
    return {"username": actor.username, "role": actor.role}


@router.get("/raise/{name}")
async def raising(name: str) -> None:
    if name == "RuntimeError":
        raise RuntimeError("canary of the inside")
    raise getattr(errors, name)("why", errors=[FieldError(path="a.b", message="c")], retry_after_seconds=7)


@router.get("/lines")
async def lines() -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"a\n"
        yield b"b\n"

    return StreamingResponse(body())


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """A plain client of an application without a token."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(sample_app()), base_url="http://sample") as made:
        yield made


@pytest.fixture
async def service() -> AsyncIterator[web.ServiceClient]:
    """Our own client of an application with a token."""
    made = web.ServiceClient("http://sample", TOKEN, httpx2.ASGITransport(sample_app(TOKEN)))
    yield made
    await made.aclose()


def client_of(answer: httpx2.Response | Exception) -> web.ServiceClient:
    """A client whose network gives one answer."""

    def handle(_request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return web.ServiceClient("http://catalog:8080", TOKEN, httpx2.MockTransport(handle))


@pytest.mark.req("NFR-012")
async def test_a_wrong_body_names_every_field(client: httpx2.AsyncClient) -> None:
    """As people write paths, and without repeating what was sent."""
    answer = await client.post("/things", json={"inputs": {"order": "canary"}, "steps": [{"nam": 1}], "x": 1})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "/problems/invalid-input"
    assert problem["instance"] == "/things"
    assert {fault["path"] for fault in problem["errors"]} == {
        "body.inputs.order",
        "body.steps[0].name",
        "body.steps[0].nam",
        "body.x",
    }
    assert "canary" not in answer.text


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("body", ["{", "", "[" * 100_000, "\x00", '"text"'])
async def test_a_body_that_is_no_json_object_is_a_clear_error(client: httpx2.AsyncClient, body: str) -> None:
    """Never a 500, whatever is sent."""
    answer = await client.post("/things", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.req("NFR-012")
async def test_an_unknown_query_parameter_is_refused_with_the_nearest_name(client: httpx2.AsyncClient) -> None:
    """A misspelt filter must not return everything."""
    answer = await client.get("/things", params={"procces_id": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"path": "query.procces_id", "message": "no such parameter; did you mean process_id?"}
    ]
    assert (await client.get("/things", params={"process_id": "x", "limit": 3})).json() == {"limit": 3}


@pytest.mark.req("NFR-012")
async def test_a_body_above_the_limit_is_refused_before_it_is_read(client: httpx2.AsyncClient) -> None:
    """Whether its length is told or not."""
    big = b"x" * (web.MAX_BODY_BYTES + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    for content in (big, pieces()):
        answer = await client.post("/things", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["type"] == "/problems/too-large"


@pytest.mark.req("NFR-012")
async def test_a_compressed_body_is_refused(client: httpx2.AsyncClient) -> None:
    """It could unpack to anything."""
    answer = await client.post("/things", content=b"\x1f\x8b", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [("GET", "/nowhere", 404, "not-found"), ("DELETE", "/things", 405, "method-not-allowed")],
)
async def test_the_frameworks_own_errors_are_problem_documents_too(
    client: httpx2.AsyncClient, method: str, path: str, status: int, slug: str
) -> None:
    """One shape for every error."""
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_unexpected_error_shows_an_id_and_nothing_of_the_inside(
    client: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """The id is in the log, with the stack."""
    answer = await client.get("/raise/RuntimeError")
    assert answer.status_code == 500
    assert "canary" not in answer.text
    assert answer.json()["error_id"] in "".join(capsys.readouterr())


@pytest.mark.req("NFR-008")
async def test_a_client_that_leaves_in_mid_request_is_no_error_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who types on cancels the question before: nothing unexpected is logged, nothing is answered."""
    sent: list[Message] = []
    incoming: list[Message] = [
        {"type": "http.request", "body": b'{"steps": [', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/raw", "raw_path": b"/raw", "query_string": b"", "root_path": "", "headers": [],
        "server": ("test", 80), "client": ("test", 1),
    }  # fmt: skip
    await sample_app()(scope, receive, send)
    assert sent == []
    assert "http.unexpected" not in capsys.readouterr().out


@pytest.mark.req("IR-6")
async def test_readiness_names_the_part_that_is_not_ready(client: httpx2.AsyncClient) -> None:
    """Our own errors are quoted; others could carry a password and show their kind only."""
    assert (await client.get("/readyz")).json() == {"status": "ready", "parts": {"database": "ok", "broker": "ok"}}
    await client.post("/break")
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"database": "RuntimeError", "broker": "no connection to the broker"}
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.req("NFR-010")
@pytest.mark.parametrize("given", [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"bearer {TOKEN}x"])
async def test_without_the_service_token_no_route_answers(given: str | None) -> None:
    """Not even one that does not exist; only health does."""
    transport = httpx2.ASGITransport(sample_app(TOKEN))
    headers = {"authorization": given} if given else {}
    async with httpx2.AsyncClient(transport=transport, base_url="http://sample", headers=headers) as client:
        for path in ("/things", "/nowhere", "/openapi.json", "/docs", "/healthz/", "//healthz", "/x/healthz"):
            assert (await client.get(path)).status_code == 401, path
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


async def test_the_actor_comes_from_the_gateways_headers(service: web.ServiceClient) -> None:
    """Without them a service acts for itself."""
    headers = {web.ACTOR_HEADER: "eva", web.ROLE_HEADER: "editor"}
    assert await service.get_json("/actor", headers=headers) == {"username": "eva", "role": "editor"}
    assert await service.get_json("/actor") == {"username": "system", "role": "admin"}


@pytest.mark.parametrize(
    "name", ["InvalidInput", "Forbidden", "NotFound", "Conflict", "Stale", "TooManyRequests", "Unavailable"]
)
async def test_an_error_of_another_service_arrives_as_the_same_error(service: web.ServiceClient, name: str) -> None:
    """With its detail, its fields, and when to come back."""
    with pytest.raises(getattr(errors, name), match="why") as raised:
        await service.get_json(f"/raise/{name}")
    assert raised.value.errors == [FieldError(path="a.b", message="c")]
    assert raised.value.retry_after_seconds == 7


async def test_a_refused_service_token_is_our_fault_and_not_the_users() -> None:
    """Were it passed on as 401, browsers would sign their users out."""
    client = web.ServiceClient("http://sample", "u" * 40, httpx2.ASGITransport(sample_app(TOKEN)))
    with pytest.raises(errors.Unavailable, match="service token"):
        await client.get_json("/things")
    await client.aclose()


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize(
    "answer",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.Response(502, text="<html>bad gateway</html>"),
        httpx2.Response(503, json={"unexpected": "shape"}),
    ],
)
async def test_a_service_that_is_away_is_unavailable(answer: httpx2.Response | Exception) -> None:
    """By name, so that the log says which."""
    client = client_of(answer)
    with pytest.raises(errors.Unavailable, match="the service catalog"):
        await client.get_json("/processes")
    await client.aclose()


async def test_parameters_that_are_none_are_left_out_and_answers_can_be_streamed(service: web.ServiceClient) -> None:
    """As filters that were not given."""
    assert await service.get_json("/things", {"limit": 2, "process_id": None}) == {"limit": 2}
    async with service.stream("GET", "/lines") as answer:
        assert b"".join([piece async for piece in answer.aiter_bytes()]) == b"a\nb\n"


@pytest.mark.req("NFR-012")
def test_a_cursor_comes_back_only_unchanged() -> None:
    """Changed by hand, cut, signed with another key, or not a cursor at all: refused by name."""
    cursor = web.encode_cursor({"after": "2026-01-01", "id": 4}, KEY)
    assert web.decode_cursor(cursor, KEY) == {"after": "2026-01-01", "id": 4}
    changed = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    for bad in (changed, cursor[:-2], web.encode_cursor({"id": 5}, b"another"), "", "ü", "a", "=", "x" * 9000):
        with pytest.raises(errors.InvalidInput) as refused:
            web.decode_cursor(bad, KEY)
        assert refused.value.errors is not None
        assert refused.value.errors[0].path == "cursor"
