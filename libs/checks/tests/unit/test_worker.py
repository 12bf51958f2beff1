"""The worker loop on real buses: what it promises to the orchestrator."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from steptrail_checks.answers import LASTS_SECONDS, Answer, Answers
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation
from steptrail_common import telemetry
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Destination, Message, PublishFailed
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import (
    RESULTS_QUEUE,
    Finding,
    ProbeRequest,
    request_queue,
)
from steptrail_common.evidence import EvidenceStore

from .desk import SECRET, MakeBus, request, sealed, seen, until, worker


async def ok(context: CheckContext) -> Observation:
    return seen(evidence=[EvidenceDraft("response", "Response", "text/plain", b"body")])


async def test_a_worker_that_stops_says_goodbye(tmp_path: Path) -> None:
    """Its last heartbeat says that it leaves, so that nobody misses it."""
    async with worker(ok, tmp_path) as desk:
        await until(lambda: bool(desk.beats))
        assert not any(beat.leaving for beat in desk.beats)
    await until(lambda: desk.beats[-1].leaving)
    assert (desk.beats[-1].worker_id, desk.beats[-1].leases) == ("worker-1", [])


@pytest.mark.req("FR-008")
async def test_a_request_becomes_one_result_with_captures_and_evidence(tmp_path: Path) -> None:
    """Token and attempt come back; evidence is stored and hashed before the result is sent."""
    wanted = request(
        assertions=[{"subject": "jsonpath", "argument": "$.state", "operators": {"eq": "PAID"}}],
        captures={"id": {"jsonpath": "$.id"}},
    )
    async with worker(ok, tmp_path) as desk:
        result = await desk.one(wanted)
        assert (result.ok, result.run_id, result.attempt, result.worker_id) == (True, "run-1", 1, "worker-1")
        assert result.captures == {"id": "007"}
        assert result.assertions[0].met
        piece = result.evidence[0]
        assert await EvidenceStore(str(tmp_path)).get(piece.address, piece.sha256) == b"body"
        await asyncio.sleep(0.02)
        assert await desk.depth(request_queue("api_call")) == 0


@pytest.mark.req("NFR-008")
async def test_a_check_that_hangs_ends_at_its_limit_even_if_it_resists(tmp_path: Path) -> None:
    """The worker goes on with other steps meanwhile."""

    async def hang(context: CheckContext) -> Observation:
        if context.request.token == "quick":
            return seen()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
        return seen()

    async with worker(hang, tmp_path) as desk:
        await desk.send(request("slow", timeout_seconds=0.2))
        quick = await desk.one(request("quick"))
        assert quick.ok
        await until(lambda: len(desk.results) == 2)
        slow = desk.results[1]
        assert (slow.failure_class, slow.ours) == (FailureClass.TIMEOUT, False)
        assert slow.message == "took longer than 200 ms"


@pytest.mark.req("NFR-008")
async def test_our_own_bug_is_an_error_with_an_id_and_no_stack(tmp_path: Path) -> None:
    """What crashed is in the log; people get the id."""

    async def crash(context: CheckContext) -> Observation:
        raise KeyError(f"secret detail {SECRET}")

    async with worker(crash, tmp_path) as desk:
        result = await desk.one(request())
    assert (result.ok, result.ours, result.failure_class) == (False, True, FailureClass.INTERNAL)
    assert "error id" in str(result.message)
    assert "secret detail" not in result.model_dump_json()


async def test_what_was_not_there_is_told_as_such(tmp_path: Path) -> None:
    """A finding or capture of nothing, such as the media type of a page that names none, is read as it was sent."""

    async def nothing(context: CheckContext) -> Observation:
        return seen(b'{"id": null}', findings=[Finding(label="Content type", value=None)])

    async with worker(nothing, tmp_path) as desk:
        result = await desk.one(request(captures={"id": {"jsonpath": "$.id"}}))
    assert result.ok
    assert [(finding.label, finding.value) for finding in result.findings] == [("Content type", None)]
    assert result.captures == {"id": None}


async def test_a_named_failure_keeps_what_was_seen(tmp_path: Path) -> None:
    """Evidence of a failure is worth more than that of a success."""

    async def fail(context: CheckContext) -> Observation:
        evidence = [EvidenceDraft("response", "Response", "text/plain", b"half")]
        raise CheckFailed(FailureClass.TOO_LARGE, "too large", observation=seen(evidence=evidence))

    async with worker(fail, tmp_path) as desk:
        result = await desk.one(request())
    assert result.failure_class == FailureClass.TOO_LARGE
    assert len(result.evidence) == 1


@pytest.mark.req("NFR-014")
async def test_no_secret_leaves_the_worker(tmp_path: Path) -> None:
    """Not in messages, values, findings, captures or targets, though the server echoes it."""

    async def echo(context: CheckContext) -> Observation:
        assert context.connection is not None
        token = context.connection.secrets["token"]
        return Observation(
            seen(json.dumps({"state": token, "id": "007"}).encode()).subject,
            f"GET https://api.example/?token={token}",
            [Finding(label="Echo", value={"a": [token]})],
        )

    wanted = request(
        connection=sealed(),
        assertions=[{"subject": "jsonpath", "argument": "$.state", "operators": {"eq": "PAID"}}],
    )
    async with worker(echo, tmp_path) as desk:
        failed = await desk.one(wanted)
        passed = await desk.one(
            wanted.model_copy(update={"token": "t2", "assertions": [], "captures": dict(state_capture())})
        )
    assert not failed.ok
    assert passed.ok
    assert SECRET not in failed.model_dump_json() + passed.model_dump_json()


def state_capture() -> dict[str, Any]:
    return request(captures={"state": {"jsonpath": "$.state"}}).captures


async def test_values_of_hidden_keys_are_hidden_in_the_outcome(tmp_path: Path) -> None:
    """A step that hides a key hides it in its assertion too."""
    wanted = request(
        check={"type": "api_call", "url": "https://api.example/", "mask": ["state"]},
        assertions=[{"subject": "jsonpath", "argument": "$.state", "operators": {"eq": "OPEN"}}],
    )
    async with worker(ok, tmp_path) as desk:
        result = await desk.one(wanted)
    assert result.assertions[0].actual == "•••"
    assert "PAID" not in result.model_dump_json()


@pytest.mark.req("NFR-014")
async def test_a_secret_sealed_for_another_host_is_refused(tmp_path: Path) -> None:
    """Ciphertext moved to another target never opens; that is our error, not the target's."""
    async with worker(ok, tmp_path) as desk:
        result = await desk.one(request(connection=sealed("evil.example:443")))
    assert (result.failure_class, result.reason, result.ours) == (FailureClass.AUTH, "secret_refused", True)


async def test_leases_are_announced_at_the_start_and_renewed(tmp_path: Path) -> None:
    """The orchestrator hears of an attempt at once, and again in time."""

    async def slow(context: CheckContext) -> Observation:
        await asyncio.sleep(2.2)
        return seen()

    async with worker(slow, tmp_path) as desk:
        started = time.monotonic()
        await desk.send(request(heartbeat_seconds=0.8))
        await until(lambda: any(beat.leases for beat in desk.beats))
        assert time.monotonic() - started < 0.7, "it was not announced before its first renewal was due"
        await until(lambda: len(desk.results) == 1)
        with_lease = [beat for beat in desk.beats if beat.leases]
        assert len(with_lease) >= 3
        assert with_lease[0].leases[0].token == "t1"
        assert (with_lease[0].capacity, with_lease[0].check_types) == (10, ["api_call"])


@pytest.mark.req("NFR-001")
async def test_what_waits_is_told_of_only_when_leases_are_renewed(tmp_path: Path) -> None:
    """A worker with a long queue announces the checks that last, each once, and not all that wait behind them."""

    async def slow(context: CheckContext) -> Observation:
        await asyncio.sleep(0.4)
        return seen()

    async with worker(slow, tmp_path, concurrency=2) as desk:
        urls = (f"https://shop-{n}.example/" for n in range(8))
        checks = ({"type": "api_call", "url": url} for url in urls)
        requests = [
            request(f"t{n}", step_id=f"s{n}", check=check, heartbeat_seconds=30) for n, check in enumerate(checks)
        ]
        await desk.send(*requests)
        await until(lambda: len(desk.results) == 8)
        told = [lease.token for beat in desk.beats for lease in beat.leases]
        assert sorted(told) == [f"t{n}" for n in range(8)]
        assert not any(lease.waiting for beat in desk.beats for lease in beat.leases)
        await desk.send(
            *(
                request(f"u{n}", step_id=f"s{n}", check=checked.check, heartbeat_seconds=0.5)
                for n, checked in enumerate(requests)
            )
        )
        await until(lambda: any(lease.waiting for beat in desk.beats for lease in beat.leases))


@pytest.mark.req("NFR-001")
async def test_concurrency_is_limited_and_ready_results_travel_together(tmp_path: Path) -> None:
    """A bundle of twenty runs four at a time; each result has its own token."""
    busy, most = 0, 0

    async def count(context: CheckContext) -> Observation:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.02)
        busy -= 1
        return seen()

    async with worker(count, tmp_path, concurrency=4) as desk:
        urls = (f"https://shop-{n}.example/" for n in range(20))
        checks = ({"type": "api_call", "url": url} for url in urls)
        await desk.send(*(request(f"t{n}", step_id=f"s{n}", check=check) for n, check in enumerate(checks)))
        await until(lambda: len(desk.results) == 20)
    assert most == 4
    assert {result.token for result in desk.results} == {f"t{n}" for n in range(20)}
    assert max(desk.bundles) > 1


@pytest.mark.req("IR-5")
async def test_a_worker_says_how_many_checks_it_runs(tmp_path: Path) -> None:
    """Of each kind, while they run; what has ended is counted with its time."""
    busy = telemetry.WORKER_BUSY.labels("api_call").collect
    ended = telemetry.STEP_SECONDS.labels("api_call").collect
    may_end = asyncio.Event()

    async def wait(context: CheckContext) -> Observation:
        await may_end.wait()
        return seen()

    def value(samples: Any, suffix: str = "") -> float:
        (metric,) = samples()
        return next(float(sample.value) for sample in metric.samples if sample.name.endswith(suffix))

    async with worker(wait, tmp_path) as desk:
        before = value(ended, "_count")
        await desk.send(
            *(request(f"t{n}", check={"type": "api_call", "url": f"https://s{n}.example/"}) for n in (1, 2))
        )
        await until(lambda: value(busy) == 2)
        may_end.set()
        await until(lambda: len(desk.results) == 2 and value(busy) == 0)
        await until(lambda: value(ended, "_count") == before + 2)


async def test_a_repeated_request_joins_the_attempt_under_way(tmp_path: Path) -> None:
    """The broker may deliver twice; the target is not asked twice at the same time."""
    calls = 0

    async def slow(context: CheckContext) -> Observation:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.1)
        return seen()

    async with worker(slow, tmp_path) as desk:
        await desk.send(request())
        await desk.send(request())
        await until(lambda: len(desk.results) >= 1)
        await asyncio.sleep(0.15)
    assert calls == 1
    assert len(desk.results) == 1


@pytest.mark.req("NFR-006")
async def test_a_request_that_comes_again_is_answered_again_without_another_look(
    tmp_path: Path, make_bus: MakeBus
) -> None:
    """Its acknowledgement may be what got lost, or its answer, and the worker cannot tell.
    What had an effect on the target has it once. Another attempt is another look."""
    calls = 0

    async def count(context: CheckContext) -> Observation:
        nonlocal calls
        calls += 1
        return seen()

    before = telemetry.ANSWERED_AGAIN._value.get()
    async with worker(count, tmp_path, make_bus=make_bus) as desk:
        first = await desk.one(request())
        await desk.send(request(), request("t2", attempt=2))
        await until(lambda: len(desk.results) == 3)
        again = next(result for result in desk.results[1:] if result.token == "t1")
        assert again == first
        assert await desk.depth(request_queue("api_call")) == 0
    assert calls == 2
    assert telemetry.ANSWERED_AGAIN._value.get() == before + 1


@pytest.mark.req("NFR-006")
async def test_an_answer_that_is_sent_again_has_the_identity_it_had(tmp_path: Path, make_bus: MakeBus) -> None:
    """So who has handled it drops it. An attempt that was begun anew (a database was restored) has another token, and
    its answer is another one: a late answer to the old one must not keep it away."""
    async with worker(ok, tmp_path, make_bus=make_bus) as desk:
        await desk.one(request())
        await desk.send(request())
        await until(lambda: len(desk.ids) == 2)
        await desk.one(request("anew"))
    assert desk.ids[0] == desk.ids[1]
    assert desk.ids[2] != desk.ids[0]


async def test_what_a_worker_remembers_is_bounded() -> None:
    """By number, by bytes and by age, from the first answer on; what is forgotten is looked at again."""
    now = 0.0
    answers = Answers(most=3, most_bytes=1000, monotonic=lambda: now)

    def answer(token: str, size: int = 100) -> Answer:
        body = b'{"run_id":"run-1","step_id":"s","attempt":1,"token":"%s"}' % token.encode()
        return Answer(("run-1", "s", 1, token), body.ljust(size))

    def known() -> set[str]:
        return {token for token in "abcdef" if answers.find(token)}

    for token in "abcd":
        answers.keep(answer(token))
    assert known() == set("bcd")
    answers.keep(answer("e", size=900))
    assert known() == set("de")
    answers.keep(answer("f", size=1001))
    assert known() == set()
    answers.keep(answer("a"))
    now = LASTS_SECONDS - 1
    answers.keep(answer("a"))
    answers.keep(answer("b"))
    assert known() == set("ab")
    now = LASTS_SECONDS + 1
    assert known() == set("b")


async def test_ages_use_the_clock_of_the_database(tmp_path: Path) -> None:
    """A worker whose clock is years off measures ages correctly."""
    moments: list[datetime] = []

    async def look(context: CheckContext) -> Observation:
        moments.append(context.now)
        return seen()

    async with worker(look, tmp_path) as desk:
        await desk.one(request())
    assert timedelta(0) <= moments[0] - datetime(2020, 1, 1, tzinfo=UTC) < timedelta(seconds=2)


async def test_unreadable_requests_are_parked_and_others_go_on(tmp_path: Path) -> None:
    """Broken messages never stop a worker."""
    async with worker(ok, tmp_path) as desk:
        for body in (b"", b"not json", b'{"version": 9, "items": []}', b'{"items": [{"run_id": 1}]}', b"\xff\xfe"):
            await desk.raw(body)
        assert (await desk.one(request())).ok
        assert await desk.depth(request_queue("api_call") + ".dead") == 5


async def test_a_trial_is_answered_to_the_asker_and_not_recorded(tmp_path: Path) -> None:
    """Trying a step gives the result, but nothing on the result queue."""
    async with worker(ok, tmp_path) as desk:
        answer = await desk.ask(ProbeRequest(probe_id="p1", reply_to="asker", request=request()))
        assert answer.result is not None
        assert answer.result.ok
        assert desk.results == []


async def test_a_connection_is_tried_and_its_rights_told(tmp_path: Path) -> None:
    """Also when it fails, without the secret."""
    async with worker(ok, tmp_path) as desk:
        good = await desk.ask(ProbeRequest(probe_id="p1", reply_to="asker", test_connection=sealed()))
        assert good.connection_test is not None
        assert good.connection_test.ok
        moved = await desk.ask(ProbeRequest(probe_id="p2", reply_to="asker", test_connection=sealed("x:443")))
        assert moved.connection_test is not None
        assert not moved.connection_test.ok
        assert "another host" in moved.connection_test.message


class Flaky(InProcessBus):
    """Fails to confirm the first results."""

    failures = 2

    async def publish(self, messages: Sequence[tuple[Destination, Message]]) -> None:
        if messages[0][0].queue == RESULTS_QUEUE and self.failures:
            self.failures -= 1
            raise PublishFailed("no confirm")
        await super().publish(messages)


async def test_an_unconfirmed_result_is_sent_again_before_the_request_is_acknowledged(tmp_path: Path) -> None:
    """Nothing is lost when the broker falters in between."""
    async with worker(ok, tmp_path, bus=Flaky(InProcessBroker())) as desk:
        assert (await desk.one(request())).ok


class Dead(Flaky):
    """Confirms no result while a worker tries to send it for one delivery of its request."""

    failures = 4


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize("count_of", [1, 2], ids=["alone", "together"])
async def test_without_a_confirm_the_request_comes_again(tmp_path: Path, count_of: int) -> None:
    """The request is not acknowledged, so the broker delivers it again, here or elsewhere; here its answer is known."""
    calls, all_begun = 0, asyncio.Event()

    async def count(context: CheckContext) -> Observation:
        nonlocal calls
        calls += 1
        if calls == count_of:
            all_begun.set()
        await all_begun.wait()
        return seen()

    bus = Dead(InProcessBroker())
    bus.failures *= count_of
    async with worker(count, tmp_path, bus=bus) as desk:
        for number in range(count_of):
            await desk.send(request(f"t{number}", run_id=f"run-{number}"))
        await until(lambda: len(desk.results) == count_of, seconds=20)
    assert calls == count_of


async def test_evidence_that_cannot_be_stored_does_not_lose_the_result(tmp_path: Path) -> None:
    """The result says that evidence is missing."""
    (tmp_path / "run-1").write_text("a file where a folder must be")
    async with worker(ok, tmp_path) as desk:
        result = await desk.one(request())
    assert result.ok
    assert result.evidence == []
    assert result.findings[-1].label == "Evidence"
