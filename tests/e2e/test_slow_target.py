"""A target that hangs, beside one that does not, in the whole product without any setting about it."""

import time
from pathlib import Path

import pytest

from .inside import ended, opened_shop, press, product, save, until

SLOTS = 20
ANSWERED_WITHIN_SECONDS = 20.0
"""A run of another target, from pressing Check on: a second at most on a machine with nothing else to do, and five
minutes if it waited for those that hang."""


@pytest.mark.req("NFR-001", "NFR-008", "FR-007")
async def test_a_target_that_hangs_keeps_no_other_waiting_and_those_that_wait_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times as many runs ask it as the worker has slots: it has half of them, another target is answered at once,
    and all end well when it answers again."""
    async with opened_shop() as slow, opened_shop() as quick:
        monkeypatch.setenv("STEPTRAIL_EGRESS_EXCEPTIONS", f'["{slow.address}", "{quick.address}"]')
        monkeypatch.setenv("STEPTRAIL_TARGET_CONCURRENCY", "100")
        monkeypatch.setenv("STEPTRAIL_TARGET_RATE", "off")
        async with product(tmp_path, slow) as whole:
            for name, shop in (("slow", slow), ("quick", quick)):
                address = f"http://{shop.address}/"
                await save(whole, name, {"type": "api_call", "url": address, "method": "POST", "json": {}})
            slow.open.clear()
            hanging = [await press(whole, "slow") for _ in range(SLOTS * 3)]
            waits = await until(whole, hanging[-1], lambda view: view["steps"][0]["reason"] == "waits_target")
            assert waits["verdict"]["text"] == (
                f"Checking 1 of 1 “Look”: waits for other checks of {slow.address}: {SLOTS // 2} under way."
            )
            began = time.monotonic()
            assert (await ended(whole, await press(whole, "quick")))["status"] == "success"
            assert time.monotonic() - began < ANSWERED_WITHIN_SECONDS
            assert slow.asked == SLOTS // 2
            slow.open.set()
            ends = [(await ended(whole, run_id))["status"] for run_id in hanging]
    assert set(ends) == {"success"}
    assert slow.asked == SLOTS * 3
