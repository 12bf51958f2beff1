"""A composition root of the tests: one of our services with a bus and a store that fail on purpose.

`python -m tests.chaos.faulty orchestrator 7` is `python -m steptrail_orchestrator` on a bad day with seed 7: what was
committed or published is told as an error in a third of all calls, so callers repeat what has happened.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from steptrail_common.testing.faults import Faults, FaultyBus, Kind, faulty_store

CHANCES = {Kind.AFTER: 0.35, Kind.TWICE: 0.1, Kind.BEFORE: 0.05}
STORES: dict[str, tuple[str, tuple[str, ...]]] = {
    "orchestrator": ("SqlRunStore", ("begin", "decide", "decide_due", "decide_orphans", "beat")),
    "reporting": ("SqlFactStore", ("recording",)),
    "notifier": ("SqlNotifierStore", ("recording", "claim", "finish")),
}
"""The store of each service by its name in `service.py`, and what of it fails."""


def main() -> None:
    name, seed = sys.argv[1], int(sys.argv[2])
    service = importlib.import_module(f"steptrail_{name}.service")
    bus_faults, store_faults = Faults(seed, CHANCES), Faults(seed + 1, CHANCES)
    connect: Callable[..., Any] = service.connect
    adapter, methods = STORES[name]
    real = getattr(service, adapter)

    class Spoiled:
        """Made like the real one, or opened like it."""

        def __new__(cls, *args: Any, **named: Any) -> Any:
            return faulty_store(real(*args, **named), store_faults, methods)

        @staticmethod
        def open(*args: Any, **named: Any) -> Any:
            return faulty_store(real.open(*args, **named), store_faults, methods)

    service.connect = lambda *args, **named: FaultyBus(connect(*args, **named), bus_faults)  # type: ignore[attr-defined]
    setattr(service, adapter, Spoiled)
    sys.argv = sys.argv[:1]
    importlib.import_module(f"steptrail_{name}.__main__").run()


if __name__ == "__main__":
    main()
