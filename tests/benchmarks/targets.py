"""The targets, and whether the figures of a run reach them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Figures = dict[str, dict[str, float]]
FLOOR_CPU_MS = 1.7
"""Processor time per step of the same floor on the machine on which the targets were set."""


@dataclass(frozen=True, slots=True)
class Target:
    """`figure` computes what is compared; `limit` is the least allowed, or the most when `most`."""

    name: str
    figure: Callable[[Figures], float]
    limit: float
    unit: str = "×"
    most: bool = False

    def met(self, value: float) -> bool:
        return value <= self.limit if self.most else value >= self.limit


def _ratio(one: str, other: str, figure: str = "steps_per_second", theirs: str = "") -> Callable[[Figures], float]:
    return lambda found: found[one][figure] / found[other][theirs or figure]


def _plain(of: str, figure: str) -> Callable[[Figures], float]:
    return lambda found: found[of][figure]


def _cpu_there(found: Figures) -> float:
    """Scaled by the floor's, since a slower machine takes more for both."""
    return found["core"]["cpu_ms_per_step"] * FLOOR_CPU_MS / found["floor"]["cpu_ms_per_step"]


TARGETS = (
    Target("P1 orchestrator and worker beside Celery", _ratio("core", "celery"), 2.5),
    Target("P1 orchestrator and worker beside DBOS", _ratio("core", "dbos"), 5),
    Target("P1 99 of 100 gaps, of Celery's", _ratio("core", "celery", "gap_p99_ms"), 0.6, most=True),
    Target("P2 the whole product beside Celery", _ratio("distributed", "celery"), 1.5),
    Target("P3 the gap of a run alone, of the loop of the same promise", _plain("alone", "of_promise"), 1.5, most=True),
    Target("P3 as it was first set, of the floor's", _plain("alone", "of_floor"), 1.5, most=True),
    Target(
        "P4 ten thousand queued runs, of the pace of a hundred",
        _ratio("core", "core", "queued_steps_per_second", "steps_per_second"),
        0.9,
    ),
    Target("P5 processor time per step, on the machine of the target", _cpu_there, 1.2, "ms", most=True),
    Target("P6 delivered to a thousand browsers", _plain("streams", "delivered"), 1),
    Target("P6 from commit to the browser, 99 of 100", _plain("streams", "p99_ms"), 60, "ms", most=True),
    Target("P6 the gateway's processor time", _plain("streams", "cpu_us_per_delivery"), 25, "µs", most=True),
    Target(
        "P6 processor time, of sse-starlette's",
        _ratio("streams", "sse_starlette", "cpu_us_per_delivery"),
        0.5,
        most=True,
    ),
    Target("P6 delivered to five thousand of one process", _plain("many_streams", "delivered"), 1),
    Target("P8 a page beside the bare client", _plain("checks", "web_crawl_ratio"), 1.5, most=True),
    Target("P8 an API call beside the bare client", _plain("checks", "api_call_ratio"), 1.3, most=True),
    Target("P8 a query beside the bare driver", _plain("checks", "db_query_ratio"), 1.5, most=True),
    Target("P8 a rendered page beside bare Playwright", _plain("checks", "rendered_ratio"), 1.2, most=True),
    Target("P9 second start", _plain("embedded", "second_start_seconds"), 3, "s", most=True),
    Target("P9 memory of the embedded product", _plain("embedded", "memory_mb"), 200, "MB", most=True),
    Target("P9 press to first event, 95 of 100", _plain("embedded", "first_event_p95_ms"), 100, "ms", most=True),
)


def lines(found: Figures) -> Iterator[str]:
    """A line for each target whose figures were measured."""
    for target in TARGETS:
        try:
            value = target.figure(found)
        except KeyError:
            continue
        wanted = f"{'at most' if target.most else 'at least'} {target.limit:g} {target.unit}"
        outcome = "met" if target.met(value) else "missed"
        yield f"{target.name:58}{value:>10.2f} {target.unit:4}{wanted:>18}  {outcome}"
