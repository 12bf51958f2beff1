"""Whose turn it is: limits on steps under way at once, counted from the attempts that are open.

A run holds a place under every limit of its open attempt, from dispatch until that attempt has ended, lost ones
included; so a worker that dies gives its places back with its lease. A run that finds no place waits visibly.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial

from steptrail_common.contracts.definition import Step

from steptrail_orchestrator.domain.run import Chain, RunState

WAITS = "waits_turn"
"""The reason of a step that could start and has no place."""
WAITS_TARGET = "waits_target"
"""A worker has the attempt, and waits for other checks of the same target."""
_PROCESS, _CONNECTION = "process:", "connection:"


@dataclass(frozen=True, slots=True)
class Turn:
    """A run that holds a place under a limit, or waits for one. `places`: how many there are in all."""

    limit: str
    run_id: str
    process_id: str
    urgent: bool
    """Asked for by somebody: goes before what schedules began."""
    since: datetime
    places: int
    held: bool


def limits_of(chain: Chain, step: Step) -> dict[str, int]:
    """The limits a step stands under: name to number of places."""
    found = {}
    if chain.definition.concurrency is not None:
        found[f"{_PROCESS}{chain.definition.process}"] = chain.definition.concurrency
    connection = chain.connection(step)
    if connection is not None and connection.settings.concurrency is not None:
        found[f"{_CONNECTION}{connection.connection_id}"] = connection.settings.concurrency
    return found


@lru_cache(maxsize=256)
def names_of(chain: Chain) -> frozenset[str]:
    """All limits that any step of a chain stands under."""
    return frozenset(name for step in chain.steps for name in limits_of(chain, step))


def in_words(limit: str, places: int) -> str:
    """Why a step waits."""
    kind, _, name = limit.partition(":")
    at_once = "one at once" if places == 1 else f"{places} at once"
    if f"{kind}:" == _PROCESS:
        return f"waits for its turn: steps of this process run {at_once}"
    return f"waits for its turn: checks through the connection {name} run {at_once}"


class Turns:
    """The places under some limits, as locked for one transaction; changed in step with what is decided.

    Of those that wait, only the first ones of each process have to be known: as many as there are places.
    """

    def __init__(self, known: Iterable[Turn]) -> None:
        self._known = {(turn.limit, turn.run_id): turn for turn in known}
        self.changed: set[str] = set()
        """Runs whose turns have to be written again."""

    def take(self, run: RunState, limits: Mapping[str, int]) -> str | None:
        """Take a place under every limit, or wait at the first one that has none, which is returned."""
        self._drop(run.run_id)
        turns = [
            Turn(name, run.run_id, run.process_id, run.trigger != "schedule", run.queued_at, places, True)
            for name, places in sorted(limits.items())
        ]
        full = next((turn for turn in turns if not self._has_place(turn)), None)
        for turn in turns if full is None else [replace(full, held=False)]:
            self._known[turn.limit, turn.run_id] = turn
            self.changed.add(run.run_id)
        return full.limit if full else None

    def give_back(self, run_id: str) -> None:
        """Nothing of the run is under way any more, and it waits for nothing."""
        self._drop(run_id)

    def of(self, run_ids: Collection[str]) -> list[Turn]:
        """What is to be stored of these runs."""
        return [turn for turn in self._known.values() if turn.run_id in run_ids]

    def next_up(self) -> set[str]:
        """Runs that wait and would find a place now."""
        held = Counter(turn.limit for turn in self._known.values() if turn.held)
        under_way = self._under_way()
        ahead: Counter[str] = Counter()
        found = set()
        for turn in sorted((turn for turn in self._known.values() if not turn.held), key=partial(_rank, under_way)):
            if ahead[turn.limit] < turn.places - held[turn.limit]:
                found.add(turn.run_id)
            ahead[turn.limit] += 1
        return found

    def far_behind(self, run_id: str) -> bool:
        """Whether a run waits with as many before it as there are places: others have to end before it can be next."""
        mine = next((turn for turn in self._known.values() if turn.run_id == run_id and not turn.held), None)
        return mine is not None and self._ahead_of(mine) >= mine.places

    def _has_place(self, wanted: Turn) -> bool:
        """Fewer run ahead than there are places: people before schedules, processes with less under way, older runs."""
        held = sum(
            turn.held for turn in self._known.values() if turn.limit == wanted.limit and turn.run_id != wanted.run_id
        )
        return held < wanted.places and self._ahead_of(wanted) < wanted.places - held

    def _ahead_of(self, wanted: Turn) -> int:
        """How many that wait at the same limit come before it."""
        under_way = self._under_way(but=wanted.run_id)
        mine = _rank(under_way, wanted)
        return sum(
            not turn.held
            and turn.limit == wanted.limit
            and turn.run_id != wanted.run_id
            and _rank(under_way, turn) < mine
            for turn in self._known.values()
        )

    def _under_way(self, *, but: str | None = None) -> Counter[tuple[str, str]]:
        """Places held, by limit and process."""
        return Counter(
            (turn.limit, turn.process_id) for turn in self._known.values() if turn.held and turn.run_id != but
        )

    def _drop(self, run_id: str) -> None:
        mine = [key for key in self._known if key[1] == run_id]
        for key in mine:
            del self._known[key]
        if mine:
            self.changed.add(run_id)


def _rank(under_way: Mapping[tuple[str, str], int], turn: Turn) -> tuple[bool, int, datetime, str]:
    return (not turn.urgent, under_way.get((turn.limit, turn.process_id), 0), turn.since, turn.run_id)
