"""The repository as its rules see it: committed files, Python sources, functions with their lengths."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "catalog", "orchestrator", "crawler", "dbprobe", "reporting", "notifier")


@cache
def committed() -> tuple[Path, ...]:
    """Every file git knows, or would add: what others get."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive has no git
        skipped = {".venv", ".tools", "node_modules", ".git"}
        paths = (path for path in ROOT.rglob("*") if not skipped & set(path.relative_to(ROOT).parts))
        return tuple(path for path in paths if path.is_file())
    return tuple(path for path in (ROOT / name for name in names if name) if path.is_file())


def texts() -> Iterator[tuple[Path, str]]:
    """Committed files that are text."""
    for path in committed():
        raw = path.read_bytes()
        if b"\0" not in raw[:8192]:
            yield path, raw.decode("utf-8", errors="replace")


def sources() -> list[Path]:
    """Python of the product itself, without tests."""
    return [
        path
        for path in committed()
        if path.suffix == ".py" and "src" in path.parts and "tests" not in path.relative_to(ROOT).parts
    ]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function, decorators and docstring included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor comment nor docstring."""
    text = path.read_text()
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            prose.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for number, line in lines if line.strip() and not line.strip().startswith("#") and number not in prose)


def projects() -> list[Path]:
    """The folders of our packages."""
    return sorted(path.parent for path in committed() if path.name == "pyproject.toml" and path.parent != ROOT)


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())
