"""Answers that are confirmed and then lost with their queue: the broker is disposable, no target is asked twice."""

from pathlib import Path

import pytest
from steptrail_checks import worker
from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.workers import RESULTS_QUEUE
from steptrail_embedded.compose import Embedded

from .inside import ended, opened_shop, press, product, save


class Lossy:
    """Loses so many confirmed messages to the queue of results, as somebody does who deletes it."""

    def __init__(self, whole: Embedded, count: int) -> None:
        self.left = count
        self._publish = whole.broker.publish
        whole.broker.publish = self.publish  # type: ignore[method-assign]

    def publish(self, destination: Destination, message: Message) -> None:
        if destination.queue == RESULTS_QUEUE and self.left:
            self.left -= 1
            return
        self._publish(destination, message)


@pytest.mark.req("NFR-006", "NFR-008")
async def test_an_answer_that_was_lost_comes_again_without_another_request_to_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in a row: the orchestrator asks again with the same token, the worker sends the answer it has, and that
    counts once. An order that a step placed was placed once."""
    monkeypatch.setenv("STEPTRAIL_ORCHESTRATOR_REPUBLISH_SECONDS", "0.5")
    # On a busy machine as well the check ends before it is announced: an attempt that was goes by its lease.
    monkeypatch.setattr(worker, "ANNOUNCE_SECONDS", 10.0)
    async with opened_shop() as shop, product(tmp_path, shop) as whole:
        lossy = Lossy(whole, 2)
        check = {"type": "api_call", "method": "POST", "url": f"http://{shop.address}/orders", "json": {"order": 1}}
        await save(whole, "ordering", check)
        view = await ended(whole, await press(whole, "ordering"))
    assert (view["status"], lossy.left, shop.asked) == ("success", 0, 1)
    assert [attempt["status"] for attempt in view["steps"][0]["attempts"]] == ["passed"]
