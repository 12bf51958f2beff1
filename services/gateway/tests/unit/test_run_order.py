"""Events of a run in order, whatever order they arrive in."""

import random

import pytest
from steptrail_common.contracts.catalog import ProcessDeleted
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_gateway.domain.stream import Gap, RunOrder, Wants, parse_position, process_frame, run_frame


@pytest.mark.req("FR-009")
@pytest.mark.parametrize("seed", range(20))
def test_any_arrival_leaves_in_order_and_once(seed: int) -> None:
    """Shuffled, repeated arrivals of several runs: each run leaves as 1, 2, 3, … without repeats."""
    chance = random.Random(seed)
    arrivals = [(f"run{run}", seq) for run in range(5) for seq in range(1, 21) for _ in range(chance.randint(1, 3))]
    chance.shuffle(arrivals)
    order: RunOrder[int] = RunOrder()
    left: dict[str, list[int]] = {}
    for run_id, seq in [*((f"run{run}", 1) for run in range(5)), *arrivals]:
        left.setdefault(run_id, []).extend(order.offer(run_id, seq, seq, 0.0))
    assert left == {f"run{run}": list(range(1, 21)) for run in range(5)}
    assert order.gaps(1e9, 0.0) == []


def test_run_first_seen_in_its_middle_waits_for_its_beginning() -> None:
    """An event without its predecessors may only be early: it is held, then passed on if nothing comes."""
    order: RunOrder[int] = RunOrder()
    assert order.offer("r", 3, 3, now=10.0) == []
    assert order.offer("r", 2, 2, now=10.1) == []
    assert order.gaps(10.2, 0.3) == []
    assert order.gaps(10.3, 0.3) == [Gap("r", None)]
    assert order.release("r", 10.3) == [2, 3]
    assert order.offer("r", 4, 4, now=11.0) == [4]
    assert order.offer("r", 1, 1, now=11.0) == []


def test_beginning_that_comes_late_frees_what_waits() -> None:
    order: RunOrder[int] = RunOrder()
    assert order.offer("r", 2, 2, 0.0) == []
    assert order.offer("r", 1, 1, 0.1) == [1, 2]
    assert order.gaps(9.0, 0.3) == []


def test_gap_names_where_to_go_on() -> None:
    order: RunOrder[int] = RunOrder()
    order.offer("r", 1, 1, 0.0)
    order.offer("r", 4, 4, 0.0)
    assert order.gaps(0.3, 0.3) == [Gap("r", 1)]
    assert order.offer("r", 2, 2, 0.3) == [2]
    assert order.offer("r", 3, 3, 0.3) == [3, 4]


def test_memory_is_bounded() -> None:
    """The oldest runs are forgotten, those that wait too."""
    order: RunOrder[int] = RunOrder(remembered=3)
    for number in range(10):
        order.offer(f"r{number}", 2, 2, 0.0)
    assert {gap.run_id for gap in order.gaps(1.0, 0.0)} == {"r7", "r8", "r9"}
    assert order.release("r0", 1.0) == []


def event(**more: object) -> RunEvent:
    fields = {
        "run_id": "r1",
        "process_id": "p1",
        "seq": 4,
        "at": "2026-11-20T12:00:00Z",
        "type": "step.finished",
        "status": "success",
        "message": "two\nlines",
    }
    return RunEvent.model_validate({**fields, **more})


def test_frame_is_one_message_with_id_and_one_line_of_data() -> None:
    """A line break in a text cannot end the message or forge another one."""
    lines = run_frame(event(), "17").data.decode().split("\n")
    assert lines[0] == "id: 17"
    assert lines[1] == "event: step.finished"
    assert lines[2].startswith('data: {"run_id":"r1"')
    assert r"two\nlines" in lines[2]
    assert lines[3:] == ["", ""]


def test_wishes_are_met_by_run_or_process() -> None:
    frame = run_frame(event(), None)
    assert Wants().match(frame)
    assert Wants(run_ids=frozenset({"r1"})).match(frame)
    assert Wants(process_ids=frozenset({"p1"})).match(frame)
    assert not Wants(run_ids=frozenset({"r2"})).match(frame)
    deleted = process_frame(
        "process.deleted",
        ProcessDeleted.model_validate({"process_id": "p1", "at": "2026-11-20T12:00:00Z", "by": "ada"}),
    )
    assert Wants(process_ids=frozenset({"p1"})).match(deleted)
    assert not Wants(run_ids=frozenset({"r1"})).match(deleted)
    assert b'"type":"process.deleted"' in deleted.data
    assert not deleted.data.startswith(b"id:")


@pytest.mark.parametrize("text", ["", "-1", "abc", "1.5", "1" * 20, "１", "0x1", " 1"])
def test_positions_we_never_sent_are_unknown(text: str) -> None:
    assert parse_position(text) is None
