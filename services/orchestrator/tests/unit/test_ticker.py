"""The ticker knows for how long it could hear anybody, and which queues are empty."""

import asyncio
from types import SimpleNamespace

import pytest
from steptrail_common.errors import Unavailable
from steptrail_orchestrator.entrypoints import ticker as entrypoint
from steptrail_orchestrator.entrypoints.ticker import Ticker


class Store:
    """A store in which nothing is due, and which can be away."""

    def __init__(self) -> None:
        self.away = False
        self.asked = asyncio.Event()

    async def look_for_listeners(self) -> None:
        pass

    async def next_wake_seconds(self) -> float | None:
        self.asked.set()
        if self.away:
            raise Unavailable("away")
        return None


@pytest.mark.req("NFR-001", "NFR-006")
@pytest.mark.parametrize("lost", ["store", "broker"])
async def test_while_store_or_broker_is_away_nobody_is_heard(lost: str) -> None:
    """The time begins anew with each look that finds one of them away."""
    store, connected = Store(), True

    async def no_queue_is_empty() -> frozenset[str]:
        return frozenset()

    ticker = Ticker(
        store,  # type: ignore[arg-type]
        poll_seconds=0.02,
        orphan_scan_seconds=1000.0,
        empty_queues=no_queue_is_empty,
        outbox_age_seconds=lambda: 0.0,
        hears=lambda: connected,
    )
    ticker._scan_at = float("inf")
    running = asyncio.create_task(ticker.run())
    await asyncio.sleep(0.3)
    assert ticker.heard_seconds > 0.25
    store.away, connected = lost == "store", lost != "broker"
    store.asked.clear()
    await store.asked.wait()
    await asyncio.sleep(0.05)
    assert ticker.heard_seconds < 0.25
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.req("NFR-006")
async def test_a_queue_is_known_to_be_empty_only_after_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no longer when it was not, when the broker does not say, or while something of ours is on its way to it."""
    answers: list[frozenset[str] | None] = []
    clock, unpublished = 100.0, 0.0

    async def look() -> frozenset[str]:
        answer = answers.pop(0)
        if answer is None:
            raise Unavailable("away")
        return answer

    ticker = Ticker(
        Store(),  # type: ignore[arg-type]
        poll_seconds=1.0,
        orphan_scan_seconds=1000.0,
        empty_queues=look,
        outbox_age_seconds=lambda: unpublished,
        hears=lambda: True,
    )
    monkeypatch.setattr(entrypoint, "time", SimpleNamespace(monotonic=lambda: clock))
    both, one = frozenset({"api_call", "db_query"}), frozenset({"api_call"})
    for answer, expected in (
        (both, {"api_call": 0.0, "db_query": 0.0}),
        (one, {"api_call": 4.0}),
        (both, {"api_call": 4.0, "db_query": 0.0}),
        (None, {}),
        (both, {"api_call": 0.0, "db_query": 0.0}),
    ):
        answers.append(answer)
        clock += 4.0
        assert await ticker._known_empty() == expected
    unpublished = 2.0
    assert await ticker._known_empty() == {}
    unpublished = 0.0
    assert await ticker._known_empty() == {}
    assert answers == []
