"""Politeness: rates, turns, targets that are left alone, and looks that several runs share."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from steptrail_checks import politeness, shared_places
from steptrail_checks.attempt import SHARED, Attempts
from steptrail_checks.circuit import FAILURES_IN_A_ROW, REST_SECONDS
from steptrail_checks.politeness import PATIENCE_SECONDS, Politeness, target_of
from steptrail_checks.port import CheckContext, CheckFailed, Observation, OpenedConnection
from steptrail_checks.sharing import shares
from steptrail_checks.subjects import HttpSubject
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.connections import (
    AzureBlobSettings,
    FilesSettings,
    GcsSettings,
    HttpSettings,
    PostgresqlSettings,
    S3Settings,
    SftpSettings,
)
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import StepRequest, StepResult
from steptrail_common.errors import ConfigurationError
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring, generate_keys
from steptrail_common.testing.requests import step_request
from steptrail_common.testing.servers import Server

KEYS = generate_keys()
SHOP = "shop.example:443"
PAGE = {"type": "web_crawl", "url": "https://shop.example/"}


def request(check: dict[str, Any] | None = None, **more: Any) -> StepRequest:
    return step_request(check or PAGE, **more)


class Target:
    """A check kind that counts its looks and ends them as a test says."""

    type = "web_crawl"

    def __init__(self, *, seconds: float = 0.0, failure: FailureClass | None = None) -> None:
        self.seconds, self.failure = seconds, failure
        self.looks = self.under_way = self.most = self.cancelled = 0

    async def check(self, context: CheckContext) -> Observation:
        self.looks += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if self.failure is not None:
            raise CheckFailed(self.failure, "nobody listens")
        return Observation(HttpSubject(200, "https://shop.example/", (), b"{}", 0.1), "GET https://shop.example/")

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        return ConnectionRights(level="unknown", detail="")

    async def close(self) -> None:
        """Holds nothing."""


class Moment:
    """A clock that a test puts on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def attempts(target: Target, folder: Path, polite: Politeness | None = None) -> Attempts:
    return Attempts(
        target,
        EvidenceStore(str(folder)),
        SecretsKeyring((KEYS.private,)),
        worker_id="w",
        politeness=polite or Politeness(rate="off"),
    )


async def run(made: Attempts, *requests: StepRequest) -> list[StepResult]:
    return list(await asyncio.gather(*(made.run(item, time.monotonic()) for item in requests)))


# --- whom a check asks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "settings", "target"),
    [
        (PAGE, None, SHOP),
        ({"type": "api_call", "url": "http://Shop.Example:8080/a"}, None, "shop.example:8080"),
        (
            {"type": "api_call", "connection": "a", "path": "/x"},
            HttpSettings(kind="http", base_url="https://api.example"),
            "api.example:443",
        ),
        (
            {"type": "db_query", "connection": "a", "query": "select 1"},
            PostgresqlSettings(kind="postgresql", host="Db", database="d", username="u"),
            "db:5432",
        ),
        ({"type": "file_check", "connection": "a", "path": "x"}, FilesSettings(kind="files", root="/var/in"), None),
        ({"type": "file_check", "connection": "a", "path": "x"}, S3Settings(kind="s3", bucket="out"), "s3:out"),
        ({"type": "file_check", "connection": "a", "path": "x"}, GcsSettings(kind="gcs", bucket="out"), "gcs:out"),
        (
            {"type": "file_check", "connection": "a", "path": "x"},
            AzureBlobSettings(kind="azure_blob", account="bank", container="out"),
            "azure_blob:bank",
        ),
        (
            {"type": "file_check", "connection": "a", "path": "x"},
            S3Settings(kind="s3", bucket="out", endpoint_url="https://minio.example:9000"),
            "minio.example:9000",
        ),
        (
            {"type": "file_check", "connection": "a", "path": "x"},
            SftpSettings(kind="sftp", host="bank", username="u", host_key="ssh-ed25519 AAAA"),
            "bank:22",
        ),
    ],
)
def test_the_target_of_a_check_is_who_answers(check: dict[str, Any], settings: Any, target: str | None) -> None:
    """A local folder is nobody's."""
    assert target_of(request(check).check, settings) == target


# --- rates and turns -------------------------------------------------------------------------------------------------


@pytest.mark.req("NFR-013")
async def test_a_target_is_asked_no_more_often_than_its_rate(tmp_path: Path) -> None:
    """The fourth check waits for the next second; another target is not held back."""
    made = attempts(target := Target(), tmp_path, Politeness(rate="3/second"))
    started = time.monotonic()
    await run(made, *(request(share=False) for _ in range(3)))
    other = request({"type": "web_crawl", "url": "https://other.example/"}, share=False)
    assert [result.ok for result in await run(made, other)] == [True]
    quick = time.monotonic() - started
    assert [result.ok for result in await run(made, request(share=False))] == [True]
    assert quick < 0.9 <= time.monotonic() - started
    assert target.looks == 5


@pytest.mark.req("NFR-013")
async def test_a_turn_that_does_not_come_is_our_error_not_the_targets(tmp_path: Path) -> None:
    """Named `rate_limited`, at once when it is clear, with what to expect; the target was not touched."""
    made = attempts(target := Target(), tmp_path, Politeness(rate="1/hour"))
    await run(made, request())
    started = time.monotonic()
    (held,) = await run(made, request())
    assert time.monotonic() - started < PATIENCE_SECONDS / 2
    assert (held.failure_class, held.reason, held.ours) == (FailureClass.RATE_LIMITED, "target_rate", True)
    assert str(held.message).startswith("not checked: shop.example:443 is asked at most 1 times in 1 h")
    assert target.looks == 1


@pytest.mark.req("NFR-001")
async def test_only_so_many_checks_of_a_target_are_under_way_at_once(tmp_path: Path) -> None:
    """The others wait, and their time does not run: all succeed."""
    begun: list[float] = []
    made = attempts(target := Target(seconds=0.05), tmp_path, Politeness(rate="off", concurrency=2))
    started = time.monotonic()
    wanted = request(share=False, timeout_seconds=0.15)
    results = await asyncio.gather(
        *(made.run(wanted, time.monotonic(), lambda: begun.append(time.monotonic() - started)) for _ in range(8))
    )
    assert all(result.ok for result in results)
    assert (target.most, target.looks) == (2, 8)
    assert begun[-1] > 0.14


async def test_rates_that_cannot_be_read_are_refused_with_examples() -> None:
    """At the start, not at the first check; the same for a store."""
    with pytest.raises(ConfigurationError, match="not a rate such as 20/second"):
        Politeness(rate="often")
    with pytest.raises(ConfigurationError, match="redis://"):
        Politeness(store="mysql://x")


@pytest.mark.req("NFR-013")
async def test_every_request_of_a_check_takes_a_turn() -> None:
    """The check's own turn is for its first request; at other hosts it has none yet."""
    polite = Politeness(rate="3/hour")
    async with polite.turn(SHOP):
        for _ in range(3):
            await polite.pace(SHOP, time.monotonic() + 5)
        with pytest.raises(CheckFailed, match=r"asked at most 3 times in 1 h.*give the step more time") as refused:
            await polite.pace(SHOP, time.monotonic() + 5)
        assert (refused.value.reason, refused.value.ours) == ("target_rate", True)
        for _ in range(3):
            await polite.pace("issuer.example:443", time.monotonic() + 5)
        with pytest.raises(CheckFailed):
            await polite.pace("issuer.example:443", time.monotonic() + 5)


@pytest.mark.req("NFR-013")
@pytest.mark.parametrize("kind", ["redis", "mongodb"])
async def test_workers_that_share_a_store_share_the_rate(kind: str, request: pytest.FixtureRequest) -> None:
    """Two workers together do not ask more often than one may."""
    server: Server = request.getfixturevalue("redis_server" if kind == "redis" else "mongo_server")
    store = server.url if kind == "redis" else server.url.replace("/?", "/steptrail_limits_test?")
    target = f"shared-{time.time_ns()}.example:443"
    workers = [Politeness(rate="4/hour", store=store) for _ in range(2)]

    async def taken(worker: Politeness) -> bool:
        try:
            async with worker.turn(target):
                return True
        except CheckFailed:
            return False

    assert sum([await taken(workers[turn % 2]) for turn in range(10)]) == 4
    for worker in workers:
        await worker.close()


@pytest.mark.req("NFR-001")
@pytest.mark.parametrize("kind", ["redis", "mongodb"])
async def test_workers_that_share_a_store_share_the_places(kind: str, request: pytest.FixtureRequest) -> None:
    """Three workers have no more checks of a target under way than one may; other targets have places of their own."""
    target, workers = _with_store(kind, request, count=3, concurrency=2)
    under_way = most = done = 0

    async def check(worker: Politeness, whom: str) -> None:
        nonlocal under_way, most, done
        async with worker.turn(whom):
            under_way += whom == target
            most = max(most, under_way)
            await asyncio.sleep(0.05)
            under_way -= whom == target
            done += 1

    await asyncio.gather(*(check(workers[turn % 3], target) for turn in range(9)), check(workers[0], f"b.{target}"))
    assert (most, done) == (2, 10)
    for worker in workers:
        await worker.close()


@pytest.mark.req("NFR-008", "FR-007")
@pytest.mark.parametrize("kind", ["redis", "mongodb"])
async def test_a_check_waits_for_those_of_other_workers_as_long_as_they_last(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for those of its own worker: a slow target with a crowd before it is no fault of the one that waits."""
    monkeypatch.setattr(politeness, "PATIENCE_SECONDS", 0.1)
    target, (first, second) = _with_store(kind, request, count=2, concurrency=1)
    ended = False

    async def wait() -> None:
        async with second.turn(target):
            assert ended

    async with first.turn(target):
        assert not second.someone_waits
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.5)
        assert second.someone_waits
        assert second.waits(target) == f"waits for other checks of {target}: 1 under way"
        assert second.waits("another:443") is None
        assert second.waits(None) is None
        ended = True
    await asyncio.wait_for(waiting, 10)
    assert not second.someone_waits
    for worker in (first, second):
        await worker.close()


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("kind", ["redis", "mongodb"])
async def test_the_places_of_a_worker_that_died_are_free_after_their_lease(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not before; one that lives keeps its place however long its check lasts."""
    monkeypatch.setattr(shared_places, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(politeness, "RENEW_SECONDS", 0.2)
    target, (living, dead, other) = _with_store(kind, request, count=3, concurrency=2)
    holding = asyncio.Event()

    async def hold(worker: Politeness) -> None:
        async with worker.turn(target):
            await holding.wait()

    long_check, lost = asyncio.create_task(hold(living)), asyncio.create_task(hold(dead))
    await asyncio.sleep(0.3)

    async def gone(*_: object) -> None:
        """What a dead worker says."""

    dead._counts.ask_places = gone  # type: ignore[method-assign, assignment]
    started = time.monotonic()
    async with other.turn(target):
        assert 0.3 < time.monotonic() - started < PATIENCE_SECONDS
        await asyncio.sleep(1.2)
        monkeypatch.setattr(politeness, "PATIENCE_SECONDS", 0.3)
        with pytest.raises(CheckFailed, match=r"2 checks of shared-.* are under way") as held:
            async with other.turn(target, insist=True):
                pytest.fail("the place of the long check was given away")
    assert (held.value.reason, held.value.ours) == ("target_busy", True)
    holding.set()
    await asyncio.gather(long_check, lost)
    for worker in (living, dead, other):
        await worker.close()


def _with_store(
    kind: str, request: pytest.FixtureRequest, *, count: int, concurrency: int
) -> tuple[str, list[Politeness]]:
    """(a new target, workers with a common store)."""
    server: Server = request.getfixturevalue("redis_server" if kind == "redis" else "mongo_server")
    store = server.url if kind == "redis" else server.url.replace("/?", "/steptrail_limits_test?")
    workers = [Politeness(rate="off", concurrency=concurrency, store=store) for _ in range(count)]
    return f"shared-{time.time_ns()}.example:443", workers


@pytest.mark.req("NFR-006")
async def test_without_the_shared_store_each_worker_counts_for_itself() -> None:
    """A store that is away costs politeness between workers, never a check; it is not asked again at once."""
    alone = Politeness(rate="2/hour", store="redis://127.0.0.1:1/0")
    outcomes = []
    for _ in range(3):
        try:
            async with alone.turn(SHOP):
                outcomes.append("taken")
        except CheckFailed as error:
            outcomes.append(str(error.reason))
    assert outcomes == ["taken", "taken", "target_rate"]
    await alone.close()
    assert threading.active_count() < 20


# --- targets that are left alone -------------------------------------------------------------------------------------


@pytest.mark.req("NFR-008")
async def test_a_target_that_cannot_be_reached_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """With the same class of failure and the reason; then one check tries it, and if it answers all may again."""
    clock = Moment()
    target = Target(failure=FailureClass.CONNECT)
    made = attempts(target, tmp_path, Politeness(rate="off", monotonic=clock))
    for _ in range(FAILURES_IN_A_ROW):
        (failed,) = await run(made, request())
        assert failed.reason is None
    (resting,) = await run(made, request())
    assert (resting.failure_class, resting.reason, resting.ours) == (FailureClass.CONNECT, "circuit_open", False)
    assert "5 times in a row and is asked again in 15 s; the last time: nobody listens" in str(resting.message)
    assert target.looks == FAILURES_IN_A_ROW
    clock.now += REST_SECONDS + 1
    target.failure, target.seconds = None, 0.05
    trial, other = await run(made, request(share=False), request(share=False))
    assert (trial.ok, other.ok, other.reason) == (True, False, "circuit_open")
    assert [result.ok for result in await run(made, request(), request())] == [True, True]


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("kind", ["redis", "mongodb"])
async def test_workers_that_share_a_store_leave_a_target_alone_together(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Five failures in all are enough; a worker that never failed goes on; an answer ends the row for all."""
    server: Server = request.getfixturevalue("redis_server" if kind == "redis" else "mongo_server")
    store = server.url if kind == "redis" else server.url.replace("/?", "/steptrail_limits_test?")
    target, clock = f"gone-{time.time_ns()}.example:443", Moment()
    first, second, third = [Politeness(rate="off", store=store, monotonic=clock) for _ in range(3)]

    async def asked(worker: Politeness, failure: FailureClass | None = FailureClass.CONNECT) -> str | None:
        try:
            async with worker.turn(target):
                if failure is not None:
                    raise CheckFailed(failure, "nobody listens")
        except CheckFailed as error:
            return error.reason or "failed"
        return None

    assert [await asked(worker) for worker in (first, second, first, second, first)] == ["failed"] * 5
    assert [await asked(worker) for worker in (first, second)] == ["circuit_open"] * 2
    assert await asked(third, None) is None
    clock.now += REST_SECONDS + 1
    assert await asked(first, None) is None
    assert [await asked(third) for _ in range(2)] == ["failed"] * 2
    for worker in (first, second, third):
        await worker.close()


@pytest.mark.req("NFR-008")
async def test_a_person_who_tries_a_step_gets_a_look_of_their_own(tmp_path: Path) -> None:
    """Also at a target that is left alone, and it ends the rest if the target answers."""
    target = Target(failure=FailureClass.DNS)
    made = attempts(target, tmp_path)
    for _ in range(FAILURES_IN_A_ROW):
        await run(made, request())
    target.failure = None
    tried = await made.run(request(), time.monotonic(), insist=True)
    assert tried.ok
    assert [result.ok for result in await run(made, request())] == [True]


@pytest.mark.parametrize("failure", [FailureClass.HTTP_STATUS, FailureClass.TIMEOUT, FailureClass.AUTH])
async def test_a_target_that_answers_badly_is_still_asked(tmp_path: Path, failure: FailureClass) -> None:
    """A broken page says nothing about the next one of the same host."""
    made = attempts(target := Target(failure=failure), tmp_path)
    for _ in range(FAILURES_IN_A_ROW * 2):
        await run(made, request())
    assert target.looks == FAILURES_IN_A_ROW * 2


# --- looks that several runs share -----------------------------------------------------------------------------------


@pytest.mark.req("NFR-001")
async def test_identical_checks_of_the_same_moment_are_done_once(tmp_path: Path) -> None:
    """Each run has its own result, token and time; those that joined say so. The next moment looks again."""
    made = attempts(target := Target(seconds=0.05), tmp_path)
    begun: list[str] = []
    wanted = [request(run_id=f"run-{number}", token=f"t-{number}") for number in range(5)]
    results = await asyncio.gather(
        *(made.run(item, time.monotonic(), lambda token=item.token: begun.append(token)) for item in wanted)  # type: ignore[misc]
    )
    assert target.looks == 1
    assert [(result.ok, result.token) for result in results] == [(True, item.token) for item in wanted]
    assert sorted(begun) == [item.token for item in wanted]
    assert [SHARED in result.findings for result in results] == [False, True, True, True, True]
    await run(made, request())
    assert target.looks == 2


@pytest.mark.req("NFR-001")
async def test_a_failure_is_shared_as_well(tmp_path: Path) -> None:
    made = attempts(target := Target(seconds=0.02, failure=FailureClass.CONNECT), tmp_path)
    results = await run(made, *(request(run_id=f"run-{number}") for number in range(3)))
    assert target.looks == 1
    assert {result.failure_class for result in results} == {FailureClass.CONNECT}


@pytest.mark.parametrize(
    "changed",
    [
        {"share": False},
        {"timeout_seconds": 4.0},
        {"check": {"type": "web_crawl", "url": "https://shop.example/other"}},
        {"assertions": [{"subject": "status", "operators": {"eq": 200}}]},
        {"captures": {"a": {"selector": "h1"}}},
    ],
)
async def test_what_differs_is_looked_at_by_itself(tmp_path: Path, changed: dict[str, Any]) -> None:
    """`share: false` too."""
    made = attempts(target := Target(seconds=0.02), tmp_path)
    same: dict[str, Any] = {"share": False} if "share" in changed else {}
    await run(made, request(**same), request(**changed))
    assert target.looks == 2


@pytest.mark.parametrize(
    "check",
    [
        {"type": "api_call", "url": "https://api.example/", "method": "POST", "json": {}},
        {"type": "api_call", "url": "https://api.example/", "graphql": {"query": "mutation { pay }"}},
        {"type": "web_crawl", "url": "https://shop.example/", "browser": {"actions": [{"click": "#buy"}]}},
    ],
)
def test_what_has_an_effect_is_never_shared(check: dict[str, Any]) -> None:
    """Two orders must be two requests."""
    assert not shares(request(check))
    assert shares(request())


async def test_who_waits_for_a_look_that_is_given_up_looks_instead(tmp_path: Path) -> None:
    """Whoever is cancelled takes nothing from the others, who still share one look; the last one ends it."""
    made = attempts(target := Target(seconds=0.1), tmp_path)
    first, *others = (asyncio.create_task(made.run(request(), time.monotonic())) for _ in range(4))
    await asyncio.sleep(0.02)
    others.pop().cancel()
    first.cancel()
    assert all(result.ok for result in await asyncio.gather(*others))
    assert (target.looks, target.cancelled) == (2, 1)
    last = asyncio.create_task(made.run(request(), time.monotonic()))
    await asyncio.sleep(0.02)
    last.cancel()
    with pytest.raises(asyncio.CancelledError):
        await last
    assert (target.looks, target.cancelled) == (3, 2)
