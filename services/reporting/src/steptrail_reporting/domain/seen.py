"""Which numbered events of a run have been counted: a set of integers kept as ranges.

A run's events are numbered 1..k without gaps, so the finished set is one range (`1-14`) however many events
there were, and it never has to be pruned: a duplicate is recognised years later.
"""

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(slots=True)
class Seen:
    """Disjoint ascending ranges `[first, last]`, both inclusive."""

    ranges: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> "Seen":
        """Read `1-14,16` as written by `str()`."""
        pairs = (part.partition("-") for part in text.split(",") if part)
        return cls([(int(first), int(last or first)) for first, _, last in pairs])

    def __str__(self) -> str:
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self.ranges, (number, number)) - 1
        candidates = self.ranges[max(index, 0) : index + 2]
        return any(first <= number <= last for first, last in candidates)

    def add(self, number: int) -> bool:
        """Note a number; False if it was there before."""
        if number in self:
            return False
        merged: list[tuple[int, int]] = []
        for first, last in sorted([*self.ranges, (number, number)]):
            if merged and first == merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], last)
            else:
                merged.append((first, last))
        self.ranges = merged
        return True
