"""`GET /events`: the live stream of one browser."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from starlette.types import Message, Receive, Scope, Send

from steptrail_gateway.domain.people import Caller
from steptrail_gateway.domain.stream import Wants
from steptrail_gateway.entrypoints.http.access import GatewayDep, may
from steptrail_gateway.entrypoints.http.examples import EVENT_STREAM
from steptrail_gateway.entrypoints.http.forward import problems
from steptrail_gateway.entrypoints.hub import Client, Hub
from steptrail_gateway.entrypoints.replay import Replay

router = APIRouter(tags=["live stream"])
MAX_NAMED: Final = 100
_FAREWELL_SECONDS: Final = 1.0
_HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
STREAM_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events. `id` is what to send as `Last-Event-ID`; `event` is the type, or `reset`, "
        "after which everything is to be read again; `data` is one JSON document (`RunEvent`, or what happened to a "
        "process or incident). After a resume events can come twice: drop those whose `run_id` and `seq` you know.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EVENT_STREAM}},
    }
}
Named = Annotated[
    list[str] | None, Query(max_length=MAX_NAMED, description="Repeatable; nothing named means everything")
]


@router.get("/events", response_class=Response, responses={**problems(406, 429), **STREAM_ANSWER})
async def stream_events(
    request: Request,
    gateway: GatewayDep,
    caller: Annotated[Caller, may("events.read")],
    run_id: Named = None,
    process_id: Named = None,
    alive: Annotated[bool, Query(description="Send `alive` events instead of comments while nothing happens")] = False,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)] = None,
) -> Response:
    """What happens, as it happens. A comment every 15 s keeps the connection alive."""
    if not accepts_stream(request):
        raise HTTPException(406, "send Accept: text/event-stream over HTTP/1.1 or later")
    client = gateway.hub.join(caller, Wants(frozenset(run_id or ()), frozenset(process_id or ()), alive))
    replay = Replay(gateway.clients.orchestrator, gateway.feed_position, client)
    return EventStream(gateway.hub, client, replay, last_event_id)


def accepts_stream(request: Request) -> bool:
    """A page opened by accident gets no endless answer, nor does a client that cannot read in pieces."""
    accept = request.headers.get("accept", "*/*")
    kinds = {part.split(";", 1)[0].strip().lower() for part in accept.split(",")}
    return bool(kinds & {"text/event-stream", "text/*", "*/*"} and "text/html" not in kinds) and (
        request.scope.get("http_version") != "1.0"
    )


class EventStream(Response):
    """Sends what the client's queue holds until either side ends it."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, client: Client, replay: Replay, last_event_id: str | None) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._hub = hub
        self._client = client
        self._replay = replay
        self._last_event_id = last_event_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tasks = [
            asyncio.create_task(self._send(send)),
            asyncio.create_task(_disconnected(receive)),
            asyncio.create_task(self._client.gone.wait()),
        ]
        sending = tasks[0]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._client.gone.is_set() and not self._client.too_slow:
                await asyncio.wait([sending], timeout=_FAREWELL_SECONDS)
        finally:
            self._hub.leave(self._client)
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for data in self._replay.pieces(self._last_event_id):
            await send(_piece(data))
        while data := await self._client.take():
            await send(_piece(data))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _piece(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
