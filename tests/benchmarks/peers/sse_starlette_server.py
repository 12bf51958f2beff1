"""The same stream by sse-starlette: an event of the same size to every client, so many times a second.

Runs in an environment of its own: `sse_starlette_server.py PORT EVENTS_PER_SECOND SECONDS`. `GET /events` is the
stream, `POST /tell` sends the events and says how many they were.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PORT, RATE, SECONDS = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
FILLING = "x" * 230
queues: set["asyncio.Queue[str]"] = set()


async def events(_request: Request) -> EventSourceResponse:
    async def told() -> AsyncIterator[dict[str, str]]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                yield {"event": "step.finished", "data": await queue.get()}
        finally:
            queues.discard(queue)

    return EventSourceResponse(told(), sep="\n")


async def tell(_request: Request) -> JSONResponse:
    count = int(RATE * SECONDS)
    for _ in range(count):
        text = json.dumps({"at": datetime.now(UTC).isoformat(), "filling": FILLING}, separators=(",", ":"))
        for queue in queues:
            queue.put_nowait(text)
        await asyncio.sleep(1 / RATE)
    return JSONResponse({"events": count})


async def ready(_request: Request) -> JSONResponse:
    return JSONResponse({})


app = Starlette(
    routes=[Route("/events", events), Route("/tell", tell, methods=["POST"]), Route("/ready", ready)],
)
uvicorn.run(app, port=PORT, log_level="error", access_log=False, backlog=2048)
