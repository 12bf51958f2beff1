"""Which events were counted."""

from hypothesis import given
from hypothesis import strategies as st
from steptrail_reporting.domain.seen import Seen


@given(st.lists(st.integers(1, 40)))
def test_a_number_is_new_once(numbers: list[int]) -> None:
    """In any order, each number is new the first time only, and survives being stored."""
    seen, known = Seen(), set[int]()
    for number in numbers:
        assert seen.add(number) is (number not in known)
        known.add(number)
        seen = Seen.parse(str(seen))
    assert all((number in seen) is (number in known) for number in range(45))


@given(st.permutations(range(1, 15)))
def test_a_complete_run_is_one_range(numbers: list[int]) -> None:
    """The finished set stays small however many events there were."""
    seen = Seen()
    for number in numbers:
        seen.add(number)
    assert str(seen) == "1-14"
