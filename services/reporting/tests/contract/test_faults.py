"""Facts on a bad day: a transaction that was refused, or committed while its answer was lost, is repeated."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.errors import Unavailable
from steptrail_common.testing.faults import Faults, Kind, faulty_store
from steptrail_reporting.adapters.sql import SqlFactStore
from steptrail_reporting.domain.facts import apply, new_run
from steptrail_reporting.domain.rollup import contributions
from steptrail_reporting.handlers import record
from steptrail_reporting.queries import process_states

Story = Callable[..., list[RunEvent]]
ALL_DAYS = Counter[tuple[str, str, int]]


async def recorded(batch: Sequence[RunEvent], store: SqlFactStore) -> None:
    """As the broker does it: what raised is delivered again."""
    while True:
        try:
            await record(batch, store=store)
            return
        except Unavailable:
            continue


@pytest.mark.req("NFR-006")
@pytest.mark.parametrize("kind", [Kind.BEFORE, Kind.AFTER, Kind.HANGS])
async def test_every_event_counts_once_whatever_the_store_says(store: SqlFactStore, story: Story, kind: Kind) -> None:
    """Counters, states and runs are those of a recomputation, although half of all answers were errors."""
    chance, faults = random.Random(3), Faults(3, {kind: 0.5}, hang_seconds=0.01)
    told = [story(f"r{number}", key=str(number), retries=number % 3) for number in range(8)]
    events = [event for run in told for event in run]
    chance.shuffle(events)
    failing = faulty_store(store, faults, ["recording"])
    for start in range(0, len(events), 7):
        await recorded(events[start : start + 7], failing)
    assert faults.made[kind] > 3
    expected: ALL_DAYS = Counter()
    for run in told:
        facts = new_run(run[0])
        for event in run:
            apply(facts, event)
        for cell, count in contributions(facts).items():
            expected[cell.scope, cell.measure, cell.bucket] += count
    day = told[0][-1].at.date()
    scopes = {scope for scope, _, _ in expected}
    stored: ALL_DAYS = Counter()
    for scope in scopes:
        for tallies in (await store.daily("order-to-cash", scope, (day, day))).values():
            stored.update(dict(tallies))
    assert stored == expected
    (state,) = await process_states(["order-to-cash"], store=store)
    assert (state.running, len(state.recent)) == (0, 8)
