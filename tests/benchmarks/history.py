"""History and dashboards over ten million stored step results: how long each question takes.

`python -m tests.benchmarks.history MILLIONS_OF_STEPS`. The rows are made inside PostgreSQL, with the counters that the
service itself would have kept; then the questions of the screens are asked of the service, one at a time.
"""

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx2
from steptrail_common.testing.plugin import POSTGRES, RABBITMQ, Servers
from steptrail_common.testing.process import free_port
from steptrail_common.testing.topology import SERVICE_COMMANDS

from tests.e2e.topologies import ServiceProcess

PROCESSES = 200
STEPS = 10
DAYS = 90
ASKED = 60
"""How often each question is asked, each time about something else."""
_TOKEN = uuid4().hex * 2
_HEADERS = {"Authorization": f"Bearer {_TOKEN}", "X-Steptrail-Actor": "bench", "X-Steptrail-Role": "admin"}

# Run n belongs to process n mod 200, ended in the order of n within 90 days, failed once in forty, at its fifth step;
# what a step takes varies by half. Counters lie in the order of days, as they came to be.
_RUNS = """
INSERT INTO runs (run_id, process_id, process_name, revision, status, status_seq, status_changed, trigger,
    initiated_by, key, queued_at, started_at, ended_at, duration_seconds, duration_bucket, verdict, failure_class,
    failed_step, retries, seen, search)
SELECT id, process, 'Process ' || process, 1, status, 23, n % 40 < 2, 'schedule', 'schedule', key, at, at,
    at + interval '3 seconds', 3, CASE WHEN status = 'success' THEN 28 END,
    CASE WHEN status = 'success' THEN 'All 10 steps passed' ELSE 'Failed at 5 Invoice was written' END,
    CASE WHEN status = 'failed' THEN 'assertion' END, CASE WHEN status = 'failed' THEN 's5' END, 0, '1-23',
    lower(concat_ws(' ', 'Process ' || process, process, id, key, 'schedule'))
FROM (
    SELECT n, lpad(to_hex(n), 12, '0') || '-7000-8000-000000000000' AS id, 'process-' || n % $2 AS process,
        CASE WHEN n / $2 % 40 = 0 THEN 'failed' ELSE 'success' END AS status, (100000 + n)::text AS key,
        now() - make_interval(secs => ($1 - n) * ($3 * 86400.0 / $1)) AS at
    FROM generate_series(1, $1::bigint) AS n
) AS made
"""
_STEPS = """
INSERT INTO steps (run_id, step_id, number, name, check_type, status, status_seq, attempts, retries, started_at,
    ended_at, duration_seconds, duration_bucket, queue_wait_seconds, queue_wait_bucket)
SELECT run_id, 's' || k, k, 'Step ' || k, 'api_call',
    CASE WHEN runs.status = 'success' OR k < 5 THEN 'success' WHEN k = 5 THEN 'failed' ELSE 'skipped' END, 2 * k, 1, 0,
    queued_at, queued_at, 0.3,
    CASE WHEN runs.status = 'success' OR k < 5
        THEN abs(hashtext(run_id || k)) % 12 + abs(hashtext(k || run_id)) % 12 - 40 END, 0.01, -115
FROM runs CROSS JOIN generate_series(1, $1::int) AS k
"""
_COUNTERS = """
WITH ended AS (SELECT *, (ended_at AT TIME ZONE 'UTC')::date AS day FROM runs),
    stepped AS (SELECT process_id, day, steps.* FROM steps JOIN ended USING (run_id))
INSERT INTO counters
SELECT process_id, day, '', 'status:' || status, 0, count(*) FROM ended GROUP BY 1, 2, 4
UNION ALL SELECT process_id, day, '', 'trigger:schedule', 0, count(*) FROM ended GROUP BY 1, 2
UNION ALL SELECT process_id, day, '', 'duration', duration_bucket, count(*) FROM ended
    WHERE duration_bucket IS NOT NULL GROUP BY 1, 2, 5
UNION ALL SELECT process_id, day, step_id, 'status:' || status, 0, count(*) FROM stepped
    WHERE status <> 'skipped' GROUP BY 1, 2, 3, 4
UNION ALL SELECT process_id, day, step_id, 'duration', duration_bucket, count(*) FROM stepped
    WHERE duration_bucket IS NOT NULL GROUP BY 1, 2, 3, 5
ORDER BY 2, 1
"""

Question = tuple[str, Callable[[random.Random, int], tuple[str, dict[str, Any]]]]


def _process(chance: random.Random) -> str:
    return f"process-{chance.randrange(PROCESSES)}"


def _days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


QUESTIONS: tuple[Question, ...] = (
    ("overview", lambda chance, runs: ("/processes/overview", {"limit": 50})),
    (
        "states",
        lambda chance, runs: ("/processes/states", {"ids": ",".join(f"process-{n}" for n in range(50))}),
    ),
    ("figures, 30 days", lambda chance, runs: (f"/processes/{_process(chance)}/figures", {"since": _days_ago(30)})),
    (
        "trend of a step, 90 days",
        lambda chance, runs: (f"/processes/{_process(chance)}/trend", {"step_id": "s3", "since": _days_ago(89)}),
    ),
    ("grid of 50 runs", lambda chance, runs: (f"/processes/{_process(chance)}/grid", {"limit": 50})),
    ("expected times", lambda chance, runs: (f"/processes/{_process(chance)}/expected", {})),
    ("newest runs", lambda chance, runs: ("/runs", {"limit": 50})),
    ("runs of a process", lambda chance, runs: ("/runs", {"process_id": _process(chance), "limit": 50})),
    ("failed runs", lambda chance, runs: ("/runs", {"status": "failed", "limit": 50})),
    ("runs of a key", lambda chance, runs: ("/runs", {"key": str(100_000 + chance.randrange(1, runs))})),
    ("search: a key", lambda chance, runs: ("/runs", {"q": str(100_000 + chance.randrange(1, runs))})),
    ("search: what many hold", lambda chance, runs: ("/runs", {"q": "process schedule"})),
    ("search: nothing", lambda chance, runs: ("/runs", {"q": "no such order"})),
)


async def fill(database: str, runs: int) -> None:
    """Runs, steps, counters and processes, with the planner's statistics."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(_RUNS, runs, PROCESSES, DAYS, timeout=1800)
        await connection.execute(_STEPS, STEPS, timeout=3600)
        await connection.execute(_COUNTERS, timeout=3600)
        names = {f"s{k}": ["2026-01-01T00:00:00+00:00", k, f"Step {k}", "api_call"] for k in range(1, STEPS + 1)}
        await connection.execute(
            "INSERT INTO processes SELECT process_id, 'Process', now(), false, now(), 0, max(run_id), 'success', "
            "max(ended_at), max(key), 'All 10 steps passed', max(ended_at), '[]', $1, true FROM runs GROUP BY 1",
            json.dumps(names),
            timeout=1800,
        )
        await connection.execute("VACUUM ANALYZE", timeout=3600)
    finally:
        await connection.close()


async def ask(url: str, runs: int) -> dict[str, float]:
    """The 95th percentile of each question, in milliseconds."""
    chance = random.Random(4711)
    found = {}
    async with httpx2.AsyncClient(base_url=url, headers=_HEADERS, timeout=120) as client:
        for name, question in QUESTIONS:
            times = []
            for _ in range(ASKED):
                path, params = question(chance, runs)
                began = time.perf_counter()
                answer = await client.get(path, params=params)
                times.append(1000 * (time.perf_counter() - began))
                assert answer.status_code == 200, answer.text
            found[name] = statistics.quantiles(times, n=20)[18]
    return found


def measure(servers: Servers, *, runs: int) -> dict[str, float]:
    """`fill`, then `ask` a reporting service."""
    server = servers.get(POSTGRES).url
    name = f"history_{uuid4().hex[:8]}"
    address = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    plain = address.replace("+asyncpg", "")

    async def create() -> None:
        connection = await asyncpg.connect(server.replace("+asyncpg", ""))
        await connection.execute(f"create database {name}")
        await connection.close()

    asyncio.run(create())
    port = free_port()
    variables = {
        "STEPTRAIL_BUS": servers.get(RABBITMQ).url,
        "STEPTRAIL_SERVICE_TOKEN": _TOKEN,
        "STEPTRAIL_REPORTING_STORE": address,
        "STEPTRAIL_REPORTING_PORT": str(port),
    }
    with tempfile.TemporaryDirectory(prefix="steptrail-history-") as scratch:
        variables["STEPTRAIL_EVIDENCE"] = str(Path(scratch) / "evidence")
        process = ServiceProcess("reporting", SERVICE_COMMANDS["reporting"], variables, port, "/readyz")
        process.start()
        try:
            asyncio.run(fill(plain, runs))
            return asyncio.run(ask(process.url, runs))
        finally:
            process.discard()


if __name__ == "__main__":
    own = Servers()
    try:
        for question, milliseconds in measure(own, runs=int(float(sys.argv[1]) * 1_000_000 / STEPS)).items():
            print(f"{question:28}{milliseconds:>10.1f} ms")
    finally:
        own.discard()
