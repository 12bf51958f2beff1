"""Expressions inside a definition: where they may stand, and that what they refer to exists and runs before."""

from collections.abc import Iterator, Mapping
from typing import Any

from steptrail_common.contracts.definition import Definition, Step
from steptrail_common.contracts.expressions import OPEN

from steptrail_catalog.domain.expressions import Expression, Malformed, Reference, parse, split
from steptrail_catalog.domain.places import Faults, Place, suggestion

ROOTS = ("inputs", "vars", "steps", "run")
RUN = ("id", "started_at", "key")
"""What an expression can ask of its run."""
STATUS = "status"
"""Every earlier step has it beside its captures."""
_EVALUATED = ("check", "assert", "capture", "since", "if")
"""The keys of a step whose texts are evaluated."""


def texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Every text in a JSON value with its place; keys are not texts."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(item, (*place, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from texts(item, (*place, at))


def check_references(document: Mapping[str, Any], definition: Definition, faults: Faults) -> None:
    """Every expression of every step, and expressions where they stay plain text."""
    for at, step in enumerate(definition.steps):
        checker = _Checker(definition, at, faults)
        for key in _EVALUATED:
            written = document["steps"][at].get(key)
            for place, text in texts(written, ("steps", at, key)):
                checker.check(place, text, bare=key == "if")
        _one_expression(step, ("steps", at), faults)
    for place, text in texts(_plain_parts(document), ()):
        if OPEN in text:
            faults.warn(place, "${{ … }} is not evaluated here and stays as it is")


def _one_expression(step: Step, place: Place, faults: Faults) -> None:
    """`since` and `if` are one expression as a whole, because their values are a moment and true or false."""
    for key, text in (("since", step.since), ("if", step.condition)):
        if text is None or OPEN not in text:
            if key == "since" and text is not None:
                faults.add((*place, key), "must be one expression: ${{ steps.order_api.placed_at }}")
            continue
        parts = _split(text)
        if parts is not None and (len(parts) != 1 or isinstance(parts[0], str)):
            faults.add((*place, key), "must be one expression and nothing else: ${{ … }}")


def _split(text: str) -> list[str | Expression] | None:
    try:
        return split(text)
    except Malformed:
        return None


def _plain_parts(document: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in document.items() if key != "steps"}
    steps = [{key: item for key, item in step.items() if key not in _EVALUATED} for step in document["steps"]]
    return plain | {"steps": steps}


class _Checker:
    """Checks the expressions of one step against what it can see."""

    def __init__(self, definition: Definition, at: int, faults: Faults) -> None:
        self._definition = definition
        self._at = at
        self._faults = faults
        self._numbers = {step.id: number for number, step in reversed(list(enumerate(definition.steps)))}

    def check(self, place: Place, text: str, *, bare: bool) -> None:
        try:
            parts = [parse(text)] if bare and OPEN not in text else split(text)
        except Malformed as error:
            self._faults.add(place, str(error))
            return
        for part in parts:
            if isinstance(part, Expression):
                self._check_one(place, part)

    def _check_one(self, place: Place, expression: Expression) -> None:
        for name in expression.unknown_functions:
            self._faults.add(place, f"there is no function {name}() in expressions")
        for reference in expression.references:
            if fault := self._fault_of(reference):
                self._faults.add(place, fault)

    def _fault_of(self, reference: Reference) -> str | None:
        known = {"inputs": list(self._definition.inputs), "vars": list(self._definition.vars), "run": list(RUN)}
        if reference.root not in ROOTS:
            return f"`{reference.root}` is unknown; an expression knows {', '.join(ROOTS)}"
        if not reference.names:
            return None
        name = reference.names[0]
        if reference.root == "steps":
            return self._fault_of_step(name, reference.names[1:])
        if name not in known[reference.root]:
            return f"`{reference.root}.{name}` does not exist; {suggestion(name, known[reference.root])}"
        return self._fault_of_var(reference) if reference.root == "vars" else None

    def _fault_of_var(self, reference: Reference) -> str | None:
        value: Any = self._definition.vars
        for name in reference.names:
            if not isinstance(value, Mapping):
                return None
            if name not in value:
                return f"`{reference}` does not exist; {suggestion(name, value)}"
            value = value[name]
        return None

    def _fault_of_step(self, step_id: str, names: tuple[str, ...]) -> str | None:
        number = self._numbers.get(step_id)
        if number is None:
            earlier = [step.id for step in self._definition.steps[: self._at]]
            return f"there is no step `{step_id}`; {suggestion(step_id, earlier)}"
        if number == self._at:
            return f"step `{step_id}` cannot refer to itself: its values exist when it has ended"
        if number > self._at:
            return f"step `{step_id}` runs later: only earlier steps can be referred to"
        captures = self._definition.steps[number].capture
        if names and names[0] != STATUS and names[0] not in captures:
            return f"step `{step_id}` captures no `{names[0]}`; {suggestion(names[0], [*captures, STATUS])}"
        return None
