"""The check kind `tcp_check`: does something answer on this port, what does it greet with, how long is it certified?

check: {type: tcp_check, host: mail.example.com, port: 465, tls: true}
assert:
  - {jsonpath: $.certificate.days_left, gt: 14}
  - {regex: '^220 ', exists: true}
"""

import asyncio
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from steptrail_checks.plugins import FactsSubject, Tools
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import CheckConfiguration, Touch
from steptrail_common.contracts.checks.text import Expression, Text
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import Finding

GREETING_BYTES = 1024
GREETING_SECONDS = 1.0
"""How long a server that speaks first gets to do so; others are silent, which is no fault."""

Port = Annotated[int, Field(ge=1, le=65535)]


class TcpCheck(CheckConfiguration):
    """Connect to a port, listen to what is said first, and look at the certificate."""

    subjects: ClassVar[tuple[str, ...]] = ("jsonpath", "text", "regex", "elapsed")
    captures: ClassVar[tuple[str, ...]] = ("jsonpath", "regex")
    timeout_seconds: ClassVar[float] = 10.0

    type: Literal["tcp_check"]
    host: Text = Field(description="Name or address of the machine")
    port: Port | Expression = Field(description="TCP port, 1 to 65535")
    tls: bool = Field(default=False, description="Encrypted from the first byte; the certificate must be valid")

    def touches(self, settings: ConnectionSettings | None) -> Iterator[Touch]:
        yield Touch("host", f"{self.host}:{self.port}", "TLS" if self.tls else "TCP")

    def shares_answer(self) -> bool:
        return True


class TcpCheckKind:
    """What the worker runs."""

    type = "tcp_check"
    configuration = TcpCheck

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        assert isinstance(check, TcpCheck)  # noqa: S101  (its queue carries nothing else)
        port = int(check.port)
        started = time.monotonic()
        tls = ssl.create_default_context() if check.tls else None
        reader, writer = await self._tools.connect(check.host, port, seconds=context.timeout_seconds, tls=tls)
        try:
            connected = time.monotonic() - started
            facts = {"address": writer.get_extra_info("peername")[0], "port": port}
            facts |= _certificate(writer, context.now)
            greeting = await _greeting(reader)
        finally:
            writer.close()
        text = greeting.decode("utf-8", "replace")
        return Observation(
            subject=FactsSubject(facts | {"greeting": text}, elapsed=connected, text=text),
            target=f"{check.host}:{port}",
            findings=[Finding(label=name, value=value) for name, value in facts.items()],
            timings={"connect": connected, "total": time.monotonic() - started},
            evidence=[EvidenceDraft("content", "Greeting", "text/plain", greeting)] if greeting else [],
        )

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        raise CheckFailed(FailureClass.INVALID_DEFINITION, "tcp_check uses no connections", ours=True)

    async def close(self) -> None:
        """Holds nothing."""


def _certificate(writer: asyncio.StreamWriter, now: datetime) -> dict[str, Any]:
    found = writer.get_extra_info("peercert")
    if not found:
        return {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
    return {"certificate": {"ends": ends.isoformat(), "days_left": (ends - now).days}}


async def _greeting(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(GREETING_SECONDS):
            return await reader.read(GREETING_BYTES)
    except (TimeoutError, ConnectionError):
        return b""
