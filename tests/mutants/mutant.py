"""One safety, and the change of the sources that switches it off."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file` and becomes `new`; one of `tests` (files or node ids) must fail then."""

    safety: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
