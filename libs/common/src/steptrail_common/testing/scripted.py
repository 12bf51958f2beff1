"""A service that answers from a table and remembers what it was asked, and a clock that is set by hand."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx2
from starlette.types import Receive, Scope, Send

from steptrail_common.contracts.model import Problem
from steptrail_common.web import PROBLEM_TYPE, ServiceClient


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Scripted:
    """One answer."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class ScriptedService:
    """An ASGI application in place of a service. What it has no answer for is 404; `away` makes it unreachable."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.away = False
        self._answers: dict[tuple[str, str], Callable[[Asked], Scripted]] = {}

    def answer(
        self, method: str, path: str, body: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Always the same answer; bytes are sent as they are, all else as JSON."""
        self._answers[method, path] = lambda _: Scripted(body, status, headers or {})

    def react(self, method: str, path: str, reaction: Callable[[Asked], Scripted]) -> None:
        """An answer that depends on what was asked."""
        self._answers[method, path] = reaction

    def refuse(self, method: str, path: str, problem: Problem, *, headers: Mapping[str, str] | None = None) -> None:
        """A problem document."""
        fields = {"content-type": PROBLEM_TYPE, **(headers or {})}
        body = problem.model_dump_json(exclude_none=True).encode()
        self._answers[method, path] = lambda _: Scripted(body, problem.status, fields)

    def client(self, token: str = "t" * 40) -> ServiceClient:
        return ServiceClient("http://scripted", token, transport=httpx2.ASGITransport(self))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.away:
            raise httpx2.ConnectError("away")
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
        asked = Asked(scope["method"], scope["path"], query, headers, body)
        self.asked.append(asked)
        reaction = self._answers.get((asked.method, asked.path), _unknown)
        await _send(reaction(asked), send)


def _unknown(asked: Asked) -> Scripted:
    problem = Problem(
        type="/problems/not-found",
        title="Not found",
        status=404,
        detail=f"nothing at {asked.path}",
        instance=asked.path,
    )
    return Scripted(problem.model_dump_json(exclude_none=True).encode(), 404, {"content-type": PROBLEM_TYPE})


async def _send(scripted: Scripted, send: Send) -> None:
    raw = isinstance(scripted.body, bytes)
    body = scripted.body if raw else b"" if scripted.body is None else json.dumps(scripted.body).encode()
    headers = dict(scripted.headers)
    if not raw and body:
        headers.setdefault("content-type", "application/json")
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": scripted.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


class HandClock:
    """Stands still until it is moved."""

    def __init__(self, at: datetime | None = None) -> None:
        self._now = at or datetime(2026, 11, 20, 12, tzinfo=UTC)
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def move(self, **by: float) -> None:
        """`move(minutes=5)`."""
        step = timedelta(**by)
        self._now += step
        self._seconds += step.total_seconds()
