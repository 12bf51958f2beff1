"""`docs/performance.svg` from a file of results: `python -m tests.benchmarks.plot bench-results/….json`."""

import json
import sys
from pathlib import Path

TARGET = Path("docs/performance.svg")
WIDTH, ROW, LEFT, RIGHT, TOP = 720, 30, 230, 90, 44
NAMES = {
    "floor": "aio-pika and asyncpg, bare",
    "core": "Steptrail, only what carries runs",
    "embedded": "Steptrail, embedded",
    "distributed": "Steptrail, distributed",
    "celery": "Celery, RabbitMQ and Redis",
    "dbos": "DBOS, PostgreSQL",
}

_COLOUR = {True: "#2f5bd8", False: "#aab4c6"}


def plot(figures: dict[str, dict[str, float]]) -> str:
    """Bars of steps per second, ours in the accent colour. Readable on light and dark pages."""
    rows = [
        (NAMES[name], figures[name]["steps_per_second"], name in ("core", "embedded", "distributed"))
        for name in NAMES
        if name in figures
    ]
    most = max(value for _, value, _ in rows)
    height = TOP + ROW * len(rows) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"',
        ' font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        '<text x="16" y="26" font-weight="600" fill="#1a2233">'
        "Steps per second, 100 runs of 10 steps that do nothing</text>",
    ]
    for at, (name, value, ours) in enumerate(rows):
        y = TOP + at * ROW
        length = (WIDTH - LEFT - RIGHT) * value / most
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 16}" text-anchor="end" fill="#1a2233">{name}</text>',
            f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="18" rx="3" fill="{_COLOUR[ours]}"/>',
            f'<text x="{LEFT + length + 8:.1f}" y="{y + 16}" fill="#1a2233">{value:.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    TARGET.write_text(plot(json.loads(Path(sys.argv[1]).read_text())["figures"]))
    print(f"Written: {TARGET}")
