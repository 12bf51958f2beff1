"""What is asked for at the same moment is done at once, and nobody pays for somebody else's fault."""

import asyncio
from collections.abc import Sequence

import pytest
from steptrail_common.errors import InvalidInput, Unavailable
from steptrail_common.grouping import MOST, Grouped


class Doubling:
    """Doubles numbers, each group when it is let; remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.let = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(numbers))
        await self.let.wait()
        if any(number == 13 for number in numbers):
            raise ValueError("thirteen")
        if any(number == 77 for number in numbers):
            raise InvalidInput("a text holds a character that cannot be stored")
        if any(number == 0 for number in numbers):
            raise Unavailable("the database is away")
        return [number * 2 if number > 0 else InvalidInput("negative") for number in numbers]


@pytest.mark.req("NFR-006")
async def test_what_comes_while_one_is_under_way_goes_together() -> None:
    """The first does not wait for others; the rest share the next turn, in their order."""
    do = Doubling()
    grouped = Grouped[int, int](do, at_once=1)
    asked = [asyncio.create_task(grouped(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(grouped(number)) for number in range(6, 9)]
    await asyncio.sleep(0.01)
    do.let.set()
    assert await asyncio.gather(*asked, *later) == [2, 4, 6, 8, 10, 12, 14, 16]
    assert do.groups == [[1, 2, 3, 4, 5], [6, 7, 8]]


async def test_a_group_has_an_end() -> None:
    """However many ask, one transaction stays small."""
    do = Doubling()
    do.let.set()
    grouped = Grouped[int, int](do, at_once=1)
    assert await asyncio.gather(*(grouped(1) for _ in range(MOST + 1))) == [2] * (MOST + 1)
    assert [len(group) for group in do.groups] == [MOST, 1]


async def test_one_that_is_refused_or_breaks_spoils_no_other() -> None:
    """A refusal is its asker's; what breaks the whole is found by trying each alone."""
    do = Doubling()
    do.let.set()
    grouped = Grouped[int, int](do)
    outcomes = await asyncio.gather(*(grouped(number) for number in (1, -2, 13, 77, 4)), return_exceptions=True)
    assert [outcomes[0], outcomes[4]] == [2, 8]
    assert isinstance(outcomes[1], InvalidInput)
    assert isinstance(outcomes[2], ValueError)
    assert isinstance(outcomes[3], InvalidInput)


async def test_a_database_that_is_away_is_told_to_all_and_asked_once() -> None:
    """It is not asked again for each of them."""
    do = Doubling()
    do.let.set()
    grouped = Grouped[int, int](do)
    outcomes = await asyncio.gather(*(grouped(number) for number in (1, 0, 2)), return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert len(do.groups) == 1


async def test_an_asker_who_leaves_takes_nobody_along() -> None:
    """Its item is done all the same, and so are the others."""
    do = Doubling()
    grouped = Grouped[int, int](do)
    leaving, staying = asyncio.create_task(grouped(1)), asyncio.create_task(grouped(2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    do.let.set()
    assert await staying == 4
    assert do.groups == [[1, 2]]
