"""The oracle is not blind: a history that violates an invariant is named, a good one is not."""

from collections import Counter
from dataclasses import replace

import pytest

from .clients import AT_ONCE
from .household import (
    MORE_FILES,
    MORE_MEMORY_MB,
    Footprint,
    Repairs,
    judge_at_once,
    judge_footprints,
    judge_queues,
    judge_repairs,
)
from .story import Story
from .target import Target

BASE = Footprint(memory_mb=100.0, files=40, children=1)
WORK, NOTHING = "steptrail.step.api_call.v1", (0, 0)


def named(story: Story) -> list[str]:
    """The invariants that were found violated."""
    return [violation.partition(":")[0] for violation in story.violations]


@pytest.mark.parametrize("left", [(1, 0), (0, 1)], ids=["ready", "unacknowledged"])
def test_a_message_that_stays_in_a_queue_is_found(left: tuple[int, int]) -> None:
    """I8, whether nobody took it or somebody never acknowledged it."""
    story = Story()
    judge_queues(story, {WORK: left, f"{WORK}.dead": NOTHING}, Counter())
    assert named(story) == ["I8"]


@pytest.mark.parametrize(
    ("dead", "recorded", "sent"),
    [(1, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1), (2, 1, 1), (0, 0, 1)],
)
def test_dead_letters_that_are_not_the_recorded_ones_are_found(dead: int, recorded: int, sent: int) -> None:
    """I8: parked without a word, parked without a reason, told but lost, doubled, or swallowed."""
    story = Story(parked=Counter({WORK: sent}))
    judge_queues(story, {WORK: NOTHING, f"{WORK}.dead": (dead, 0)}, Counter({WORK: recorded}))
    assert named(story) == ["I8"]


def test_poison_that_was_parked_and_recorded_is_right() -> None:
    """As many dead letters as were sent to become some, each with its line in a log."""
    story = Story(parked=Counter({WORK: 7}))
    judge_queues(story, {WORK: NOTHING, f"{WORK}.dead": (7, 0)}, Counter({WORK: 7}))
    assert story.violations == []


def test_a_repaired_run_is_found() -> None:
    """I16: one of this round. Runs of other rounds were judged in theirs."""
    for repaired, found in (({"r1": 1}, ["I16"]), ({"r0": 1}, [])):
        for expected in (False, True):
            story = Story(accepted={"order-1": "r1"}, repairs_expected=expected)
            judge_repairs(story, Repairs(moved_on=Counter(repaired)))
            assert named(story) == found


def test_a_request_that_was_sent_again_is_found() -> None:
    """I16, unless the fault took messages away."""
    for expected, found in ((False, ["I16"]), (True, [])):
        story = Story(accepted={"order-1": "r1"}, repairs_expected=expected)
        judge_repairs(story, Repairs(sent_again=Counter({"r1": 1})))
        assert named(story) == found


def test_one_too_many_under_way_is_found() -> None:
    """I14: at the target, where work on ended leases does not explain it."""
    for most, late, found in ((AT_ONCE, 0, []), (AT_ONCE + 1, 0, ["I14"]), (AT_ONCE + 1, 1, [])):
        story = Story(late=late)
        judge_at_once(story, most)
        assert named(story) == found


def test_the_target_counts_what_is_under_way() -> None:
    """Each order once, and no request that is a repeat."""
    aim = Target()
    with aim.asked("s1", "one"), aim.asked("s1", "two"), aim.asked("s2", "two"):
        pass
    assert aim.most_at_once == 2
    with aim.asked("s2", "one"), aim.asked("s1", "two"), aim.asked("s1", "three"):
        pass
    assert (aim.most_at_once, aim.hits["two", "s1"]) == (2, 2)


@pytest.mark.parametrize(
    "now",
    [
        replace(BASE, memory_mb=BASE.memory_mb + MORE_MEMORY_MB + 1),
        replace(BASE, files=BASE.files + MORE_FILES + 1),
        replace(BASE, children=BASE.children + 1),
    ],
    ids=["memory", "files", "children"],
)
def test_what_a_process_keeps_is_found(now: Footprint) -> None:
    """I18: each of the three by itself."""
    story = Story()
    judge_footprints(story, {"crawler-1": BASE}, {"crawler-1": now})
    assert named(story) == ["I18"]


def test_a_process_that_takes_less_than_before_is_right() -> None:
    """It was started anew, and has not opened its pools yet."""
    story = Story()
    judge_footprints(story, {"crawler-1": BASE}, {"crawler-1": Footprint(80.0, 20, 0)})
    assert story.violations == []
