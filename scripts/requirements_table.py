"""Write `docs/requirements.md`: every requirement with the test files that prove it, from their `req` marks.

A row without a file is not proven yet, and shows it. `--check` fails when the table is stale.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path("docs/requirements.md")

REQUIREMENTS = {
    "FR-001": "list of processes to choose from",
    "FR-002": "a process's steps in order",
    "FR-003": "step details and description",
    "FR-004": "categories and filtering",
    "FR-005": "configuration and step customization",
    "FR-006": "a Check button; API and command line start the same run",
    "FR-007": "starts at the first step, or again from the failed one",
    "FR-008": "step by step until completion or failure",
    "FR-009": "real-time updates",
    "FR-010": "current step and progress",
    "FR-011": "web scraping and crawling",
    "FR-012": "database queries",
    "FR-013": "APIs, files, databases, pages",
    "FR-014": "authenticated sources",
    "FR-015": "retries",
    "FR-016": "responsive and accessible page",
    "FR-017": "live status dashboard",
    "FR-018": "timeline with highlighted progress",
    "FR-019": "history and logs",
    "FR-020": "errors and troubleshooting",
    "FR-021": "completion reports",
    "FR-022": "performance metrics",
    "FR-023": "PDF, CSV, JSON",
    "FR-024": "history for trends",
    "NFR-001": "concurrent checks",
    "NFR-002": "crawl step within 30 s",
    "NFR-003": "query within 5 s",
    "NFR-004": "UI latency below 2 s",
    "NFR-005": "100 concurrent users",
    "NFR-006": "99.5 % uptime",
    "NFR-007": "retry, at most 3 attempts",
    "NFR-008": "timeouts and connection failures",
    "NFR-009": "integrity of collected data",
    "NFR-010": "authentication and authorization",
    "NFR-011": "TLS",
    "NFR-012": "input validation",
    "NFR-013": "crawl rate limits",
    "NFR-014": "credentials stored safely",
    "NFR-015": "horizontal scaling",
    "NFR-016": "modular",
    "NFR-017": "large data",
    "NFR-018": "caching",
    "IR-1": "databases: MySQL, PostgreSQL, Oracle, SQL Server",
    "IR-2": "REST and GraphQL",
    "IR-3": "local and cloud files",
    "IR-4": "LDAP, OAuth, SAML",
    "IR-5": "central logging",
    "IR-6": "monitoring",
    "IR-7": "backup",
    "IR-8": "notifications",
    "IR-9": "downstream systems subscribe to result events",
    "DM-1": "the data model",
}


def proofs() -> dict[str, list[str]]:
    """The test files of each requirement, by id. Raises ValueError for a mark that names no requirement."""
    found: dict[str, set[str]] = {name: set() for name in REQUIREMENTS}
    for folder in ("libs", "services", "deploy", "tests"):
        for path in sorted((ROOT / folder).rglob("test_*.py")):
            if "node_modules" in path.parts:
                continue
            for name in _marks(path):
                if name not in found:
                    raise ValueError(f"{path.relative_to(ROOT)}: there is no requirement {name}")
                found[name].add(path.relative_to(ROOT).as_posix())
    return {name: sorted(paths) for name, paths in found.items()}


def _marks(path: Path) -> Iterator[str]:
    """The ids in `pytest.mark.req(…)`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "req":
            yield from (str(word.value) for word in node.args if isinstance(word, ast.Constant))


def table() -> str:
    """The whole document."""
    proven = proofs()
    lines = [
        "# Requirements and their proofs",
        "",
        "Written by `make docs` from the `req` marks of the tests; a row without a file has no test of its own yet.",
        f"{sum(map(bool, proven.values()))} of {len(proven)} requirements are named by tests. A file proves what its",
        "tests say, not every word of the requirement.",
        "",
        "| id | requirement | tests |",
        "|---|---|---|",
    ]
    for name, title in REQUIREMENTS.items():
        files = "<br>".join(f"[{Path(path).stem.removeprefix('test_')}](../{path})" for path in proven[name])
        lines.append(f"| {name} | {title} | {files or '–'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    if "--check" in sys.argv[1:]:
        stale = not (ROOT / TABLE).is_file() or (ROOT / TABLE).read_text(encoding="utf-8") != table()
        if stale:
            sys.stderr.write(f"{TABLE} is stale: run make docs\n")
        return int(stale)
    (ROOT / TABLE).write_text(table(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
