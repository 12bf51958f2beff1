"""Placing open keys on the steps of a process, without a run for any of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from steptrail_common.contracts.board import BoardStep, StuckBoard
from steptrail_common.contracts.definition import Definition, KeySet, Step
from steptrail_common.errors import NotFound

MAX_OPEN_KEYS = 10_000
MAX_PASSED_KEYS = 50_000
"""What a `set` query may return; it should be limited to open keys by its own condition."""
QUERY_SECONDS = 15.0
"""Of one query, unless its `timeout` says otherwise."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An open key and the step it waits at; `number` is None when it has passed every counted step."""

    key: str
    number: int | None
    since_at: datetime | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A board as it is stored."""

    process_id: str
    revision: int
    taken_at: datetime
    taken_by: str
    duration_seconds: float
    steps: list[BoardStep]
    open_keys: int
    finished: int
    failed_at: datetime | None = None
    message: str | None = None


def counted_steps(definition: Definition) -> list[tuple[int, Step, KeySet]]:
    """The enabled steps that have a `set` query, with their numbers."""
    return [
        (number, step, step.key_set)
        for number, step in enumerate(definition.steps, 1)
        if step.enabled and step.key_set is not None
    ]


def place(
    open_keys: Mapping[str, datetime | None], counted: Collection[int], passed: Mapping[int, Collection[str]]
) -> list[Placed]:
    """Every open key at the step behind the furthest one it has passed.

    `counted`: numbers of the steps with a set query, in order. `passed`: per such step the keys it returned; those
    that are not open are left out. A key that skipped a step counts as past it: its furthest step decides.
    """
    order = list(counted)
    waiting_at: dict[str, int] = dict.fromkeys(open_keys, 0)
    for place_in_order, number in enumerate(order, 1):
        for key in passed[number]:
            if key in waiting_at:
                waiting_at[key] = place_in_order
    return [
        Placed(key, order[index] if index < len(order) else None, open_keys[key]) for key, index in waiting_at.items()
    ]


def funnel(
    definition: Definition, placed: Collection[Placed], passed: Mapping[int, Collection[str]]
) -> list[BoardStep]:
    """Count and oldest moment per step; steps without a set query are there and not counted."""
    waiting: dict[int, list[Placed]] = {}
    for one in placed:
        if one.number is not None:
            waiting.setdefault(one.number, []).append(one)
    open_keys = {one.key for one in placed}
    rows = []
    for number, step in enumerate(definition.steps, 1):
        here = waiting.get(number, [])
        rows.append(
            BoardStep(
                step_id=step.id,
                number=number,
                name=step.name,
                owner=step.owner or definition.owner,
                counted=number in passed,
                waiting=len(here),
                passed=sum(key in open_keys for key in set(passed.get(number, ()))),
                oldest_since=min((one.since_at for one in here if one.since_at), default=None),
            )
        )
    return rows


def board_view(
    definition: Definition, taken: Taken | None, failure: tuple[datetime, str] | None, now: datetime
) -> StuckBoard:
    """The board as clients see it. Raises `NotFound` for a process without a population."""
    if definition.population is None:
        raise NotFound(f"the process {definition.process} has no population: add one to see its stuck board")
    shared = {
        "process_id": definition.process,
        "process_name": definition.name,
        "input": definition.population.input or definition.key_input,
        "failed_at": failure[0] if failure else None,
        "message": failure[1] if failure else None,
    }
    if taken is None:
        return StuckBoard.model_validate({**shared, "state": "never_taken", "steps": funnel(definition, (), {})})
    steps = [
        step.model_copy(update={"oldest_age_seconds": _age(step.oldest_since, now)}) if step.oldest_since else step
        for step in taken.steps
    ]
    return StuckBoard.model_validate(
        {
            **shared,
            "state": "ready",
            "revision": taken.revision,
            "taken_at": taken.taken_at,
            "taken_by": taken.taken_by,
            "age_seconds": _age(taken.taken_at, now),
            "duration_seconds": taken.duration_seconds,
            "open_keys": taken.open_keys,
            "finished": taken.finished,
            "steps": steps,
        }
    )


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max((now - moment).total_seconds(), 0.0)
