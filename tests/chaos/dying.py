"""A composition root of the tests: one of our services that dies at one exact place, as `kill -9` would end it there.

`python -m tests.chaos.dying crawler before` is `python -m steptrail_crawler` that dies when its first check is done and
nobody was told; with `after` the broker has confirmed the result, and the request is not acknowledged.
`gateway before` dies with the first request for a new run in its hands; with `after` the run is committed, and the
client was not answered.
"""

import importlib
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from steptrail_common.bus.port import Bus, Destination, Message
from steptrail_common.contracts.workers import RESULTS_QUEUE
from steptrail_common.testing.faults import Faults, FaultyBus
from steptrail_common.web import ServiceClient

BEFORE, AFTER = "before", "after"


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # not reached: the signal cannot be caught


class _DyingBus(FaultyBus):
    """Any message may pass but a result."""

    def __init__(self, bus: Bus, where: str) -> None:
        super().__init__(bus, Faults(0, {}))
        self._where = where

    async def publish(self, messages: Sequence[tuple[Destination, Message]]) -> None:
        result = any(destination.queue == RESULTS_QUEUE for destination, _ in messages)
        if result and self._where == BEFORE:
            _die()
        await super().publish(messages)
        if result:
            _die()


def crawler(where: str) -> None:
    service = importlib.import_module("steptrail_crawler.service")
    connect = service.connect
    service.connect = lambda *args, **named: _DyingBus(connect(*args, **named), where)  # type: ignore[attr-defined]


def gateway(where: str) -> None:
    service = importlib.import_module("steptrail_gateway.service")

    class DyingClient(ServiceClient):
        async def request(self, method: str, path: str, **more: Any) -> Any:
            new_run = (method, path) == ("POST", "/runs")
            if new_run and where == BEFORE:
                _die()
            answer = await super().request(method, path, **more)
            if new_run:
                _die()
            return answer

    service.ServiceClient = DyingClient  # type: ignore[attr-defined]


def main() -> None:
    name, where = sys.argv[1], sys.argv[2]
    {"crawler": crawler, "gateway": gateway}[name](where)
    sys.argv = sys.argv[:1]
    runpy.run_module(f"steptrail_{name}", run_name="__main__")


if __name__ == "__main__":
    main()
