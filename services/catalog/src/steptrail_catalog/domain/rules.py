"""Rules of a whole definition that its shape alone does not tell."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from steptrail_common.contracts.definition import Definition, Schedule

from steptrail_catalog.domain import inputs, words
from steptrail_catalog.domain.places import Faults, Place, suggestion
from steptrail_catalog.domain.references import check_references, texts
from steptrail_catalog.domain.step_rules import MAX_ATTEMPT_SECONDS, MAX_RUN_SECONDS, check_secrets, check_step

RESERVED = frozenset({"validate", "plan", "new", "states"})
"""Ids that stand for something else in addresses."""
MIN_EVERY_SECONDS = 10.0
UNSCHEDULED = "is checked and kept, but this version starts runs only when someone asks for one"
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_LONG_TEXTS = frozenset({"description"})


def check_whole(document: Mapping[str, Any], definition: Definition, faults: Faults) -> None:
    """Every rule; the shape is right already."""
    _check_words(definition, faults)
    _check_ids(definition, faults)
    inputs.check_inputs(definition.inputs, faults)
    for at, schedule in enumerate(definition.schedule):
        _check_schedule(definition, schedule, ("schedule", at), faults)
    if definition.schedule:
        faults.warn(("schedule",), UNSCHEDULED)
    if definition.timeout > MAX_RUN_SECONDS:
        faults.add(("timeout",), "a run may take at most 7d; what comes later is a matter of expect_within")
    if (definition.defaults.timeout or 0) > MAX_ATTEMPT_SECONDS:
        faults.add(("defaults", "timeout"), "one attempt may take at most 1h")
    for at, step in enumerate(definition.steps):
        check_step(definition, step, ("steps", at), faults)
        check_secrets(document["steps"][at], ("steps", at), faults)
    if not any(step.enabled for step in definition.steps):
        faults.warn(("steps",), "no step is enabled: a run does nothing")
    check_references(document, definition, faults)


def check_texts(document: Mapping[str, Any], faults: Faults) -> None:
    """Texts and keys anywhere that could not be stored or sent."""
    for place, text in texts(document, ()):
        if fault := words.damaged(text):
            faults.add(place, fault)
    for place in _keys(document, ()):
        if fault := words.damaged(str(place[-1])):
            faults.add(place[:-1], f"has a key that {fault}")


def _keys(value: Any, place: Place) -> Iterator[Place]:
    children: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in children:
        if isinstance(key, str):
            yield (*place, key)
        yield from _keys(item, (*place, key))


def _check_words(definition: Definition, faults: Faults) -> None:
    for place, text in _words(definition):
        fault = words.fault_of(text, several_lines=place[-1] in _LONG_TEXTS) if text is not None else None
        if fault is not None:
            faults.add(place, fault)


def _words(definition: Definition) -> Iterator[tuple[Place, str | None]]:
    yield ("name",), definition.name
    yield ("description",), definition.description or None
    yield ("category",), definition.category
    yield ("owner",), definition.owner
    for at, tag in enumerate(definition.tags):
        yield ("tags", at), tag
    for name, spec in definition.inputs.items():
        yield ("inputs", name, "label"), spec.label
        yield ("inputs", name, "description"), spec.description or None
    for at, step in enumerate(definition.steps):
        yield ("steps", at, "name"), step.name
        yield ("steps", at, "description"), step.description or None
        yield ("steps", at, "owner"), step.owner
        yield ("steps", at, "runbook"), step.runbook


def _check_ids(definition: Definition, faults: Faults) -> None:
    if definition.process in RESERVED:
        faults.add(("process",), f"{definition.process} is reserved: choose another id")
    if definition.key is not None and definition.key not in definition.inputs:
        faults.add(("key",), f"names an input that does not exist; {suggestion(definition.key, definition.inputs)}")
    seen: dict[str, int] = {}
    for at, step in enumerate(definition.steps):
        if step.id in seen:
            faults.add(("steps", at, "id"), f"`{step.id}` is the id of step {seen[step.id] + 1} already")
        seen.setdefault(step.id, at)
    for at, tag in enumerate(definition.tags):
        if tag in definition.tags[:at]:
            faults.add(("tags", at), "stands here twice")


def _check_schedule(definition: Definition, schedule: Schedule, place: Place, faults: Faults) -> None:
    if schedule.every is not None and schedule.every < MIN_EVERY_SECONDS:
        faults.add((*place, "every"), "must be at least 10s")
    if schedule.cron is not None:
        try:
            if len(schedule.cron.split()) != 5:
                raise CronSimError("it needs five fields")
            CronSim(schedule.cron, _SOME_DAY)
        except CronSimError as error:
            faults.add((*place, "cron"), f'is no schedule ({error}); five fields such as "0 6 * * 1-5"')
    try:
        ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.add((*place, "timezone"), "is no time zone such as Europe/Berlin")
    inputs.check_given(definition.inputs, schedule.inputs, (*place, "inputs"), faults)
