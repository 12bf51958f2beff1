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


@dataclass
class Target:
    """`GET /<step>/<order>` answers after `seconds`; `POST /hook` takes a webhook."""

    url: str = ""
    seconds: float = 0.05
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests by (order, step)."""
    last_hit: dict[str, float] = field(default_factory=dict)
    """When an order was last asked for, on this machine's monotonic clock."""
    told: Counter[str] = field(default_factory=Counter)
    """Webhooks by run id."""
    message_ids: Counter[str] = field(default_factory=Counter)
    """Webhooks by their stable id."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    def asked(self, step: str, order: str) -> None:
        with self._lock:
            self.hits[order, step] += 1
            self.last_hit[order] = time.monotonic()

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
            made.asked(step, order)
            time.sleep(made.seconds)
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

    server = Server(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
