"""Real servers for every test that asks for one, what shares a test process, and the table of the chaos tests."""

import json
import math
import re
import statistics
from collections import defaultdict
from typing import Any

import pytest

pytest_plugins = ["steptrail_common.testing.plugin"]
_TOPOLOGY = re.compile(r"[\[-](embedded|distributed)[\]-]")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several test processes, a file stays in one of them, since its tests share servers and fixtures; and so do
    all stories of one topology, which is started once."""
    from xdist.scheduler import LoadScopeScheduling

    class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    return FileScheduling(config, log)


def _scope(nodeid: str) -> str:
    """What runs in one test process: a file, or the stories that share a parameter `product`."""
    file, _, test = nodeid.partition("::")
    topology = _TOPOLOGY.search(test) if "/e2e/" in f"/{file}" else None
    if topology is None:
        return file
    # What looks at every screen takes as long as half of the stories: it gets a product of its own.
    return f"{'screens' if file.endswith('test_quality.py') else 'stories'} of {topology[1]}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each fault of the chaos tests, over all its rounds."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties if report.when == "call" else ():
                if name == "chaos":
                    row = json.loads(value)
                    rows[row["test"]].append(row)
    if not rows:
        return
    terminalreporter.section("chaos")
    columns = ("rounds", "runs", "faults", "violations", "asked again", "duplicates", "late", "recovery p50", "p95")
    terminalreporter.write_line(f"{'test':40}" + "".join(f"{column:>14}" for column in columns))
    for name, found in rows.items():
        sums = [sum(row[key] for row in found) for key in
                ("runs", "faults", "violations", "asked_again", "duplicates", "late")]  # fmt: skip
        times = sorted(row["recovery_seconds"] for row in found)
        p95 = times[math.ceil(0.95 * len(times)) - 1]
        cells = [len(found), *sums, f"{statistics.median(times):.1f} s", f"{p95:.1f} s"]
        terminalreporter.write_line(f"{name:40}" + "".join(f"{cell!s:>14}" for cell in cells))
    seeds = sorted({row["seed"] for found in rows.values() for row in found})
    terminalreporter.write_line(f"seeds {seeds[0]} to {seeds[-1]}; replay with STEPTRAIL_CHAOS_SEED={seeds[0] - 1}")
