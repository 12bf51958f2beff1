"""There is one door to the outside: whatever connects for users goes through the egress policy."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*ROOT.glob("libs/*/src"), *ROOT.glob("services/*/src")]
CONNECTS = frozenset(
    {
        "aiohttp", "requests", "urllib.request", "urllib3", "http.client", "socket.create_connection", "smtplib",
        "asyncio.open_connection", "anyio.connect_tcp", "httpx2.AsyncHTTPTransport", "httpx2.HTTPTransport",
        "httpx2.get", "httpx2.post", "httpx2.Client", "httpx2.AsyncClient", "asyncpg.connect", "ftplib", "telnetlib",
        "aiosmtplib",
    }
)  # fmt: skip
"""What opens connections by itself."""
KNOWN = {
    "libs/common/src/steptrail_common/egress.py": "the door itself",
    "libs/common/src/steptrail_common/web/client.py": "our own services, by addresses from the settings",
    "libs/common/src/steptrail_common/web/transport.py": "how those requests travel",
    "services/crawler/src/steptrail_crawler/adapters/failures.py": "names the libraries' errors, connects to nothing",
}


def _uses(path: Path) -> set[str]:
    """Which of `CONNECTS` a module imports or calls."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
    return found & CONNECTS


def _modules() -> list[Path]:
    return [path for source in SOURCES for path in source.rglob("*.py") if "testing" not in path.parts]


def _takes_the_policy(path: Path) -> bool:
    names = {node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
    return "EgressPolicy" in names


@pytest.mark.req("NFR-012")
def test_nothing_connects_past_the_policy() -> None:
    """A module that opens connections takes the policy, or is one of the few known ones."""
    modules = {str(path.relative_to(ROOT)): path for path in _modules()}
    around = {
        name: sorted(_uses(path))
        for name, path in modules.items()
        if _uses(path) and name not in KNOWN and not _takes_the_policy(path)
    }
    assert around == {}


def test_the_known_doors_still_exist() -> None:
    """So that the list of exceptions stays honest."""
    for name in KNOWN:
        assert _uses(ROOT / name), name
