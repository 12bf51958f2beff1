"""The hub of live streams: every event is encoded once and handed to each client that wants it.

A client has a bounded queue of frames. One that does not read is dropped; it never slows the others, because handing
over never waits. Keep-alives and the re-check of sign-ins are one task each for all clients.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Iterable
from typing import Final

from steptrail_common import telemetry
from steptrail_common.errors import TooManyRequests, Unavailable

from steptrail_gateway.domain.people import Caller
from steptrail_gateway.domain.stream import ALIVE, KEEP_ALIVE, Frame, Wants

MAX_PENDING_FRAMES: Final = 2_000
STREAMS_PER_USER: Final = 50
MAX_STREAMS: Final = 10_000
_FRAMES_PER_TURN: Final = 100
_WOKEN_PER_TURN: Final = 50
"""Clients that send in one turn of the event loop. What arrives meanwhile goes to all the others in the same piece, and
other requests need not wait until thousands have been served."""


class Client:
    """One open stream. `gone` is set when it must end: `too_slow` at once, otherwise after what is pending.

    One reader waits on a plain future: this is the path that every event takes to every browser.
    """

    __slots__ = ("_already", "_max_pending", "_pending", "_waiter", "caller", "gone", "too_slow", "wants")

    def __init__(self, caller: Caller, wants: Wants, max_pending: int) -> None:
        self.caller = caller
        self.wants = wants
        self.gone = asyncio.Event()
        self.too_slow = False
        self._pending: deque[Frame | bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._already: set[tuple[str, int]] = set()
        self._max_pending = max_pending

    def push(self, frame: Frame | bytes) -> bool:
        """Hand over one frame, never waiting; a full queue ends the client. Says whether it has to be woken."""
        if len(self._pending) >= self._max_pending:
            self.too_slow = True
            self.end()
            return False
        self._pending.append(frame)
        return len(self._pending) == 1

    def end(self) -> None:
        self.gone.set()
        self.wake()

    def skip(self, keys: Iterable[tuple[str, int]]) -> None:
        """Events that were replayed from the log and may still arrive live, or wait here already."""
        self._already.update(keys)

    def forget_skipped(self) -> None:
        self._already.clear()

    async def take(self) -> bytes:
        """Everything pending as one piece; empty when the client is to end."""
        while True:
            if self._pending and (data := self._drain()):
                return data
            if self.gone.is_set():
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def wake(self) -> None:
        """Let it send what is pending."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _drain(self) -> bytes:
        pieces = []
        while self._pending:
            frame = self._pending.popleft()
            if isinstance(frame, bytes):
                pieces.append(frame)
            elif not self._already or frame.key not in self._already:
                pieces.append(frame.data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Hub:
    """All open streams of this replica."""

    def __init__(
        self,
        *,
        streams_per_user: int = STREAMS_PER_USER,
        max_streams: int = MAX_STREAMS,
        max_pending: int = MAX_PENDING_FRAMES,
    ) -> None:
        self._clients: dict[Client, None] = {}
        self._per_user: Counter[str] = Counter()
        self._streams_per_user = streams_per_user
        self._max_streams = max_streams
        self._max_pending = max_pending
        self._closed = False
        self._to_wake: deque[Client] = deque()
        self._waking = False

    def __len__(self) -> int:
        return len(self._clients)

    def join(self, caller: Caller, wants: Wants) -> Client:
        """A new client; it gets every matching frame from now on. Raises `TooManyRequests`, `Unavailable`."""
        if self._closed:
            raise Unavailable("This server is shutting down; connect again.", retry_after_seconds=1)
        if self._per_user[caller.user_id] >= self._streams_per_user:
            raise TooManyRequests(
                f"There are {self._streams_per_user} live streams of this account already; close some.",
                retry_after_seconds=30,
            )
        if len(self._clients) >= self._max_streams:
            raise Unavailable("This server has as many live streams as it can hold.", retry_after_seconds=30)
        client = Client(caller, wants, self._max_pending)
        self._clients[client] = None
        self._per_user[caller.user_id] += 1
        telemetry.SSE_CLIENTS.set(len(self._clients))
        return client

    def leave(self, client: Client) -> None:
        """Idempotent."""
        if client not in self._clients:
            return
        del self._clients[client]
        self._per_user[client.caller.user_id] -= 1
        if not self._per_user[client.caller.user_id]:
            del self._per_user[client.caller.user_id]
        telemetry.SSE_CLIENTS.set(len(self._clients))
        if client.too_slow:
            telemetry.SSE_DROPPED.inc()
            telemetry.log.warning("stream.too_slow", username=client.caller.username)

    async def publish(self, frames: Collection[Frame]) -> None:
        """Hand frames to everyone who wants them, letting the senders run in between."""
        for number, frame in enumerate(frames, start=1):
            for client in self._clients:
                if client.wants.match(frame):
                    self._hand(client, frame)
            if number % _FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)

    def say(self, data: bytes) -> None:
        """The same bytes to all: a reset."""
        for client in self._clients:
            self._hand(client, data)

    def keep_alive(self) -> None:
        """Once per interval; replayed events cannot arrive live any more by then."""
        for client in self._clients:
            client.forget_skipped()
            self._hand(client, ALIVE if client.wants.alive else KEEP_ALIVE)

    def callers(self) -> list[Caller]:
        return [client.caller for client in self._clients]

    def close_of(self, credential_ids: Collection[str]) -> None:
        """End the streams of these sessions and tokens."""
        for client in list(self._clients):
            if client.caller.credential_id in credential_ids:
                client.end()

    def close(self) -> None:
        """End all streams and take no more: the server shuts down."""
        self._closed = True
        for client in list(self._clients):
            client.end()

    def _hand(self, client: Client, data: Frame | bytes) -> None:
        if not client.push(data):
            return
        self._to_wake.append(client)
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake_some)

    def _wake_some(self) -> None:
        for _ in range(min(len(self._to_wake), _WOKEN_PER_TURN)):
            self._to_wake.popleft().wake()
        self._waking = bool(self._to_wake)
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)
