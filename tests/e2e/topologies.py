"""Starting Steptrail as its users do: one process with one command, or every service as processes of its own."""

import asyncio
import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx2
from steptrail_common.sealing import generate_keys
from steptrail_common.testing.plugin import MONGO, POSTGRES, RABBITMQ, Servers
from steptrail_common.testing.process import LocalServer, Server, free_port
from steptrail_common.testing.topology import REPLICATED, SERVICE_COMMANDS, SERVICES
from steptrail_embedded.demo.install import demo_connections, demo_definitions

from .product import PASSWORD, Product, poll

PYTHON = sys.executable
START_SECONDS = 60


class ServiceProcess(LocalServer):
    """One process of Steptrail; it is started when it says that it is ready."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], port: int, path: str) -> None:
        self.name, self.origin = name, "this checkout"
        super().__init__()
        self.port, self.path = port, path
        self.url = f"http://127.0.0.1:{port}"
        self._arguments = [PYTHON if part == "python" else part for part in command]
        self._variables = environment

    def _command(self) -> Sequence[str | Path]:
        return self._arguments

    def _environment(self) -> dict[str, str]:
        return self._variables

    def _answers(self) -> bool:
        # Without a client of the product's kind: it is asked twenty times a second.
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            asked.request("GET", self.path)
            return asked.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asked.close()

    def again(self, command: Sequence[str] | None = None, *, ready: bool = True, **variables: str) -> None:
        """Kill it and start it, with another command or further variables until the next time. `ready`: wait until it
        says that it is."""
        before = self._arguments, self._variables
        self.kill()
        self._arguments, self._variables = list(command or self._arguments), self._variables | variables
        try:
            if ready:
                self.start()
            else:
                self.launch()
        finally:
            self._arguments, self._variables = before

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@contextmanager
def embedded(
    folder: Path,
    *,
    data: Path | None = None,
    exceptions: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    way: Callable[[str], str] = str,
) -> Iterator[Product]:
    """`steptrail up`, in a data folder of its own. `settings` are further variables of its environment."""
    data = data or folder / "data"
    port = free_port()
    command = [PYTHON, "-m", "steptrail_embedded", "up", "--port", str(port), "--data", str(data), "--demo"]
    environment = {"STEPTRAIL_ADMIN_PASSWORD": PASSWORD, "STEPTRAIL_EGRESS_EXCEPTIONS": json.dumps(list(exceptions))}
    process = ServiceProcess("steptrail", command, environment | dict(settings or {}), port, "/readyz")
    try:
        process.start()
        for _ in poll(START_SECONDS):
            if "Stop with Ctrl+C" in process.log:  # the last line of the welcome, after the sign-in link
                break
        else:
            raise AssertionError(f"the embedded product did not become ready:\n{process.log[-4000:]}")
        token = json.loads((data / "access.json").read_text())["token"]
        yield Product("embedded", [process.url], token, folder, {"steptrail": process})
        assert "Traceback" not in process.log, process.log[-8000:]
    finally:
        process.discard()


@contextmanager
def distributed(
    folder: Path,
    servers: Servers,
    *,
    exceptions: Sequence[str] = (),
    replicas: int = 2,
    settings: Mapping[str, str] | None = None,
    way: Callable[[str], str] = str,
) -> Iterator[Product]:
    """Seven services as processes, two replicas of orchestrator, gateway and each worker, on a broker and databases
    of their own, which tests may stop and start. `exceptions` are addresses (ip:port) that checks may reach;
    `settings` are further variables of every process; `way` turns the address of the broker into the one they use."""
    with ExitStack() as stack:
        backends = {name: servers.make(kind) for name, kind in
                    (("rabbitmq", RABBITMQ), ("postgres", POSTGRES), ("mongo", MONGO))}  # fmt: skip
        for backend in backends.values():
            stack.callback(backend.discard)
        shop = _shop(folder)
        stack.callback(shop.discard)
        ports = {name: [free_port() for _ in range(replicas if name in REPLICATED else 1)] for name in SERVICES}
        environments = _environments(folder, backends, ports, [shop.address, *exceptions])
        bus = way(backends["rabbitmq"].url)
        processes = {"shop": shop}
        for name in ("catalog", "orchestrator", "reporting", "notifier", "crawler", "dbprobe", "gateway"):
            for number, port in enumerate(ports[name], 1):
                own = {f"STEPTRAIL_{name.upper()}_PORT": str(port), "STEPTRAIL_BUS": bus}
                environment = environments[name] | own | dict(settings or {})
                process = ServiceProcess(f"{name}-{number}", SERVICE_COMMANDS[name], environment, port, "/readyz")
                stack.callback(process.discard)
                processes[process.name] = process
        with ThreadPoolExecutor(len(processes)) as pool:
            list(pool.map(ServiceProcess.start, processes.values()))
        urls = [f"http://127.0.0.1:{port}" for port in ports["gateway"]]
        product = Product("distributed", urls, _token(urls[0]), folder, processes, backends)
        _install_demo(product, shop.url, folder)
        yield product
        for process in processes.values():
            unexpected = [line for line in process.log.splitlines() if "http.unexpected" in line]
            assert unexpected == [], f"{process.name} had a bug: {unexpected[0][:1500]} … {unexpected[0][-2500:]}"


def _shop(folder: Path) -> ServiceProcess:
    port = free_port()
    command = [PYTHON, "-m", "steptrail_embedded", "demo-shop", "--port", str(port), "--folder", str(folder / "shop")]
    return ServiceProcess("shop", command, {}, port, "/")


def _environments(
    folder: Path, backends: Mapping[str, Server], ports: Mapping[str, list[int]], exceptions: Sequence[str]
) -> dict[str, dict[str, str]]:
    """The environment of each service, as an operator would write it."""
    keys = generate_keys()
    private = folder / "secrets.private"
    private.write_text(keys.private)
    private.chmod(0o600)
    with ThreadPoolExecutor(1) as apart:  # the browser's event loop may be running in this thread
        stores = apart.submit(asyncio.run, _databases(backends["postgres"].url)).result()
    shared = {
        "STEPTRAIL_BUS": backends["rabbitmq"].url,
        "STEPTRAIL_SERVICE_TOKEN": secrets.token_hex(32),
        "STEPTRAIL_LOG_LEVEL": "info",
        "STEPTRAIL_EVIDENCE": str(folder / "evidence"),
        "STEPTRAIL_EGRESS_EXCEPTIONS": json.dumps(list(exceptions)),
    }
    opens = {"STEPTRAIL_PRIVATE_KEY_FILES": json.dumps([str(private)])}
    roots = {
        "STEPTRAIL_FILE_ROOTS": json.dumps([str(folder / "shop")]),
        "STEPTRAIL_LIMITS": urlunsplit(urlsplit(backends["mongo"].url)._replace(path="/steptrail_limits")),
    }
    own = {
        "catalog": {
            "STEPTRAIL_CATALOG_STORE": urlunsplit(urlsplit(backends["mongo"].url)._replace(path="/steptrail_catalog")),
            "STEPTRAIL_CATALOG_PUBLIC_KEY": keys.public,
        },
        "orchestrator": {
            "STEPTRAIL_ORCHESTRATOR_STORE": stores["orchestrator"],
            "STEPTRAIL_ORCHESTRATOR_CATALOG_URL": f"http://127.0.0.1:{ports['catalog'][0]}",
        },
        "reporting": {"STEPTRAIL_REPORTING_STORE": stores["reporting"]},
        "notifier": {
            "STEPTRAIL_NOTIFIER_STORE": stores["notifier"],
            "STEPTRAIL_NOTIFIER_PUBLIC_KEY": keys.public,
            "STEPTRAIL_NOTIFIER_PUBLIC_URL": f"http://127.0.0.1:{ports['gateway'][0]}",
        }
        | opens,
        "crawler": opens | roots,
        "dbprobe": opens | roots,
        "gateway": {
            "STEPTRAIL_GATEWAY_STORE": stores["gateway"],
            "STEPTRAIL_GATEWAY_CATALOG_URL": f"http://127.0.0.1:{ports['catalog'][0]}",
            "STEPTRAIL_GATEWAY_ORCHESTRATOR_URL": f"http://127.0.0.1:{ports['orchestrator'][0]}",
            "STEPTRAIL_GATEWAY_REPORTING_URL": f"http://127.0.0.1:{ports['reporting'][0]}",
            "STEPTRAIL_GATEWAY_NOTIFIER_URL": f"http://127.0.0.1:{ports['notifier'][0]}",
            "STEPTRAIL_GATEWAY_ADMIN_PASSWORD": PASSWORD,
        },
    }
    return {name: shared | values for name, values in own.items()}


async def _databases(server_url: str) -> dict[str, str]:
    """An empty PostgreSQL database for each service that has one; their addresses."""
    parts = urlsplit(server_url)
    connection = await asyncpg.connect(server_url.replace("+asyncpg", ""))
    names = ("orchestrator", "reporting", "notifier", "gateway")
    for name in names:
        await connection.execute(f"create database steptrail_{name}")
    await connection.close()
    return {name: urlunsplit(parts._replace(path=f"/steptrail_{name}")) for name in names}


def _token(url: str) -> str:
    """Sign in as the administrator, make a token."""
    origin = {"X-Steptrail-Request": "1", "Origin": url}
    with httpx2.Client(base_url=f"{url}/api/v1", headers=origin, timeout=30) as client:
        answer = client.post("/session", json={"username": "admin", "password": PASSWORD})
        assert answer.status_code in (200, 201, 204), answer.text
        made = client.post("/tokens", json={"name": "tests", "role": "admin"})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])


def _install_demo(product: Product, shop_url: str, folder: Path) -> None:
    with product.client() as client:
        for connection in demo_connections(shop_url, folder / "shop"):
            answer = client.post("/connections", json=connection)
            assert answer.status_code == 201, answer.text
        for text in demo_definitions().values():
            headers = {"Content-Type": "application/yaml"}
            answer = client.post("/processes", content=text.encode(), headers=headers)
            assert answer.status_code == 201, answer.text


def run_command(command: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=120, check=False)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False
