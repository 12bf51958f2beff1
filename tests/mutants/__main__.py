"""`make chaos-mutants`: in a copy of the sources, one safety after the other is switched off: which test notices, why?

With words, only the safeties whose names hold one of them. `--write` puts the table into `docs/reliability.md`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from steptrail_common.testing import plugin

from tests.mutants.catalogue import GROUPS, MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
COPIED = ("libs", "services", "deploy", "examples", "docs", "scripts", "tests", "conftest.py", "pyproject.toml")
LEFT_OUT = ("node_modules", "__pycache__", "static", "screenshots", ".mypy_cache", "ui")
LIMIT_SECONDS = 300
"""A test that hangs because a safety is off has noticed it too, but late; ours have limits of their own."""
WIDTH = "400"
"""Columns of what a test run prints, so that it does not cut the reasons."""
_RED = re.compile(r"^FAILED (\S+::\S.*?)(?: - (.*))?$", re.MULTILINE)
_BROKEN = re.compile("(NameError|UnboundLocalError|ImportError|SyntaxError)")
_SLOW = re.compile("timeout|not reached|took longer|not within", re.IGNORECASE)


@dataclass(frozen=True)
class Red:
    """The test that failed first, and why, in one line."""

    test: str
    reason: str


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.safety for word in words)]
    if not chosen:
        print(f"no safety is named like {words}")
        return 1
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="steptrail-mutants-") as scratch, _Servers() as addresses:
        copy = _Copy(Path(scratch) / "sources", addresses)
        if red := copy.red(sorted({test for mutant in chosen for test in mutant.tests})):
            print(f"red without any change, so it proves nothing: {red}")
            return 1
        for mutant in chosen:
            began = time.monotonic()
            red = copy.red_with(mutant)
            test, reason = (red.test, red.reason) if red else ("NOTHING WENT RED", "")
            print(f"{mutant.safety:70}{test:100}{time.monotonic() - began:5.0f} s  {reason}", flush=True)
            if red:
                found[mutant.safety] = red.test
    print(f"{len(chosen)} safeties switched off, {len(found)} noticed")
    if "--write" in sys.argv and not words:
        _document(found)
    return 0 if len(found) == len(chosen) else 1


class _Servers:
    """The shared servers of all test runs, started once: given to each by address."""

    _KINDS = (plugin.POSTGRES, plugin.RABBITMQ, plugin.MONGO)

    def __enter__(self) -> dict[str, str]:
        self._servers = plugin.Servers()
        return {kind.variable: self._servers.get(kind).url for kind in self._KINDS}

    def __exit__(self, *_: object) -> None:
        self._servers.discard()


class _Copy:
    """The sources as they are now, where they may be changed."""

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self._folder = folder
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
            else:
                shutil.copy(ROOT / name, folder / name)
        sources = [
            path for pattern in ("libs/*/src", "services/*/src", "deploy/*/src") for path in folder.glob(pattern)
        ]
        path = os.pathsep.join(map(str, [*sources, folder]))
        self._environment = {**os.environ, **addresses, "PYTHONPATH": path, "COLUMNS": WIDTH}
        self._environment["PYTHONDONTWRITEBYTECODE"] = "1"

    def red_with(self, mutant: Mutant) -> Red | None:
        """The test that notices, None if none does. A time-out is believed only if the same tests are green directly
        afterwards without the change: otherwise the machine was noticed, not the mutant."""
        file = self._folder / mutant.file
        source = file.read_text()
        file.write_text(source.replace(mutant.old, mutant.new))
        try:
            red = self.red(mutant.tests)
        finally:
            file.write_text(source)
        if red and _BROKEN.match(red.reason):
            raise RuntimeError(f"{mutant.safety}: the change itself is broken: {red.reason}")
        if red and _SLOW.search(red.reason) and (without := self.red(mutant.tests)):
            print(f"{mutant.safety}: {red.reason}, but {without.test} is red without the change as well", flush=True)
            return None
        return red

    def red(self, tests: Sequence[str]) -> Red | None:
        """The first of the tests that fails. Raises RuntimeError if they cannot even be begun."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=native", "-p", "no:cacheprovider", *tests]
        limit = LIMIT_SECONDS * max(len(tests) // 20, 1)
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=limit
        )
        if done.returncode == 0:
            return None
        failed = _RED.search(done.stdout)
        if done.returncode != 1 or failed is None:
            raise RuntimeError(f"{tests} could not be run: {done.stdout[-3000:]}{done.stderr[-500:]}")
        path, bracket, parameters = failed[1].partition("[")
        return Red(f"{path.rpartition('/')[2]}{bracket}{parameters}", failed[2] or "")


def _document(found: dict[str, str]) -> None:
    """Write the table of this run between its marks."""
    cell: Callable[[str], str] = lambda text: text.replace("|", "\\|")  # noqa: E731
    lines = [BEGIN, f"{len(found)} of {len(MUTANTS)} noticed, on {date.today().isoformat()}.", ""]
    for group, mutants in GROUPS.items():
        lines += [f"| {group}: switched off | went red |", "|---|---|"]
        lines += [f"| {cell(one.safety)} | `{cell(found.get(one.safety, 'nothing'))}` |" for one in mutants]
        lines.append("")
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + "\n".join(lines) + END + rest.partition(END)[2])


if __name__ == "__main__":
    sys.exit(main())
