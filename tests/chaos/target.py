"""The system that is checked, and the receiver of webhooks: both write down every request they ever got."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW, SLOWER = "slow", 100
WAIT = "wait"


@dataclass
class Target:
    """`GET /<step>/<order>` answers after `seconds`, the step `slow` a hundred times later, `wait` not before it may;
    `POST /hook` takes a webhook."""

    url: str = ""
    beside: str = ""
    """The same at another port: for workers this is another target."""
    seconds: float = 0.05
    open: threading.Event = field(default_factory=threading.Event)
    """Until it is set, the step `wait` is not answered."""
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests by (order, step)."""
    last_hit: dict[str, float] = field(default_factory=dict)
    """When an order was last asked for, on this machine's monotonic clock."""
    told: Counter[str] = field(default_factory=Counter)
    """Webhooks by run id."""
    message_ids: Counter[str] = field(default_factory=Counter)
    """Webhooks by their stable id."""
    tokens: set[str] = field(default_factory=set)
    """What came as `Authorization`."""
    most_at_once: int = 0
    """Orders whose steps were under way at the same moment, at most."""
    _under_way: Counter[str] = field(default_factory=Counter)
    """Requests that are not answered yet, by order."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def addresses(self) -> list[str]:
        return [self.address, urlsplit(self.beside).netloc]

    @contextmanager
    def asked(self, step: str, order: str) -> Iterator[None]:
        """A request, until it is answered. In `most_at_once` only the first of a step counts: a request that was sent
        twice, since its confirm was lost, may be asked again when its place is somebody else's."""
        with self._lock:
            counted = not self.hits[order, step]
            self.hits[order, step] += 1
            self.last_hit[order] = time.monotonic()
            self._under_way[order] += counted
            self.most_at_once = max(self.most_at_once, len(+self._under_way))
        try:
            yield
        finally:
            with self._lock:
                self._under_way[order] -= counted
                self._under_way = +self._under_way

    def hooked(self, message_id: str, body: str) -> None:
        run_id = json.loads(body)["data"]["run_id"]
        with self._lock:
            self.told[run_id] += 1
            self.message_ids[message_id] += 1


@contextmanager
def target() -> Iterator[Target]:
    """Listens on loopback until the tests are over."""
    made = Target()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            step, order = self.path.strip("/").split("/")[:2]
            if token := self.headers["authorization"]:
                made.tokens.add(token)
            with made.asked(step, order):
                if step == WAIT:
                    made.open.wait()
                time.sleep(made.seconds * (SLOWER if step == SLOW else 1))
            self._answer(json.dumps({"state": "OK", "order": order}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            made.hooked(self.headers["webhook-id"], body)
            self._answer(b"{}")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 500

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that was killed in mid-request is what these tests are about."""

    servers = [Server(("127.0.0.1", 0), Handler) for _ in range(2)]
    made.url, made.beside = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
