"""The same work done by others: a Celery chain and a DBOS workflow, each in an environment of its own."""

import json
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from steptrail_common.testing.plugin import POSTGRES, RABBITMQ, REDIS, Servers

HERE = Path(__file__).parent
TOOLS = HERE.parents[2] / ".tools"
PEERS = {"celery": ("celery[redis]==5.7.0", "celery_chain.py"), "dbos": ("dbos==3.4.0", "dbos_workflow.py")}
_LIMIT_SECONDS = 600


def measure(servers: Servers, *, runs: int, steps: int, rounds: int) -> dict[str, dict[str, float]]:
    """By peer: steps per second (median of the rounds), CPU milliseconds per step of all its processes, memory; of
    Celery, whose steps say when they began, the gaps between them too.

    A peer that cannot be installed or fails is left out, and why is printed.
    """
    found = {}
    for name, (requirement, script) in PEERS.items():
        try:
            figures = _run(environment(name, requirement), script, servers, [runs, steps, rounds])
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            said = getattr(error, "stderr", None) or str(error)
            print(f"{name} was not measured: {str(said).strip()[-300:]}", file=sys.stderr)
            continue
        found[name] = {**figures, "steps_per_second": statistics.median(figures["steps_per_second"])}
    return found


def environment(name: str, requirement: str) -> Path:
    """The Python of an environment with these packages, separated by blanks; made at the first use."""
    folder = TOOLS / f"peer-{name}"
    python = folder / "bin" / "python"
    mark = folder / "installed"
    if not mark.exists() or mark.read_text() != requirement:
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", *requirement.split()]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_SECONDS)
        mark.write_text(requirement)
    return python


def _run(python: Path, script: str, servers: Servers, sizes: list[int]) -> dict[str, Any]:
    environment = {
        **os.environ,
        "BROKER": servers.get(RABBITMQ).url,
        "BACKEND": servers.get(REDIS).url,
        "DATABASE": servers.get(POSTGRES).url.replace("+asyncpg", ""),
    }
    command = [str(python), str(HERE / script), *map(str, sizes)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=_LIMIT_SECONDS)
    line = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    return dict(json.loads(line))
