"""Rules of a whole definition that its shape alone does not tell."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from steptrail_common.contracts.definition import Definition, KeySet, MaintenanceWindow, Schedule
from steptrail_common.contracts.model import format_duration

from steptrail_catalog.domain import inputs, words
from steptrail_catalog.domain.places import Faults, Place, suggestion
from steptrail_catalog.domain.references import check_references, texts
from steptrail_catalog.domain.step_rules import MAX_ATTEMPT_SECONDS, MAX_RUN_SECONDS, check_secrets, check_step

RESERVED = frozenset({"validate", "plan", "new", "states"})
"""Ids that stand for something else in addresses."""
MIN_EVERY_SECONDS = 10.0
MAX_JITTER_SECONDS = 3600.0
MAX_WINDOW_SECONDS = 31 * 86400.0
MAX_KEY_QUERY_SECONDS = 60.0
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_CRON_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day": "1 to 31, or L for the last one",
    "month": "1 to 12, or JAN to DEC",
    "weekday": "0 to 7, where both are Sunday, or SUN to SAT",
}
_LONG_TEXTS = frozenset({"description"})


def check_whole(document: Mapping[str, Any], definition: Definition, faults: Faults) -> None:
    """Every rule; the shape is right already."""
    _check_words(definition, faults)
    _check_ids(definition, faults)
    inputs.check_inputs(definition.inputs, faults)
    for at, schedule in enumerate(definition.schedule):
        _check_schedule(definition, schedule, ("schedule", at), faults)
    for at, window in enumerate(definition.maintenance):
        _check_window(window, ("maintenance", at), faults)
    _check_board(definition, faults)
    if definition.maintenance and not definition.schedule:
        faults.warn(("maintenance",), "means nothing without a schedule: people can start checks at any time")
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


def key_sets(definition: Definition) -> Iterator[tuple[Place, KeySet]]:
    """The queries of the stuck board with their places."""
    if definition.population is not None:
        yield ("population",), definition.population
    for at, step in enumerate(definition.steps):
        if step.key_set is not None:
            yield ("steps", at, "set"), step.key_set


def _check_board(definition: Definition, faults: Faults) -> None:
    population = definition.population
    for place, keys in key_sets(definition):
        if population is None:
            faults.add(place, "needs a `population` of the process: the query that returns the open keys")
        if (keys.timeout or 0) > MAX_KEY_QUERY_SECONDS:
            faults.add((*place, "timeout"), "may be at most 1m")
    if population is None:
        return
    if population.connection is None:
        faults.add(("population", "connection"), "is required: the database that knows the open keys")
    if population.input is not None and population.input not in definition.inputs:
        told = f"names an input that does not exist; {suggestion(population.input, definition.inputs)}"
        faults.add(("population", "input"), told)
    if not any(step.key_set is not None for step in definition.steps):
        faults.warn(("population",), "places nothing: give steps a `set` query that returns the keys that passed them")


def _check_schedule(definition: Definition, schedule: Schedule, place: Place, faults: Faults) -> None:
    if schedule.every is not None and schedule.every < MIN_EVERY_SECONDS:
        faults.add((*place, "every"), "must be at least 10s")
    if schedule.cron is not None:
        _check_cron(schedule.cron, place, faults)
    _check_timezone(schedule.timezone, place, faults)
    longest = MAX_JITTER_SECONDS if schedule.every is None else min(schedule.every / 2, MAX_JITTER_SECONDS)
    if (schedule.jitter or 0) > longest:
        faults.add((*place, "jitter"), f"may be at most {format_duration(longest)}: 1h, or half of every")
    inputs.check_given(definition.inputs, schedule.inputs, (*place, "inputs"), faults)


def _check_window(window: MaintenanceWindow, place: Place, faults: Faults) -> None:
    if window.cron is not None:
        _check_cron(window.cron, place, faults)
    _check_timezone(window.timezone, place, faults)
    if (window.duration or 0) > MAX_WINDOW_SECONDS:
        faults.add((*place, "duration"), "may be at most 31d")
    if window.reason is not None and (fault := words.fault_of(window.reason, several_lines=False)):
        faults.add((*place, "reason"), fault)


def _check_cron(cron: str, place: Place, faults: Faults) -> None:
    """Five fields that come true some day."""
    if fault := _fault_of_cron(cron):
        faults.add((*place, "cron"), f'is no schedule: {fault}; such as "0 6 * * 1-5"')


def _fault_of_cron(cron: str) -> str | None:
    """The parser says which field is wrong and not how; so each is tried alone, with every day around it."""
    fields = cron.split()
    if len(fields) != len(_CRON_FIELDS):
        return f"it needs five fields, minute, hour, day, month and weekday, and has {len(fields)}"
    for (name, allowed), field in zip(_CRON_FIELDS.items(), fields, strict=True):
        if not _comes_true(" ".join(field if name == other else "*" for other in _CRON_FIELDS)):
            return f"`{field}` is no {name} ({allowed})"
    return None if _comes_true(cron) else "there is no such day"


def _comes_true(cron: str) -> bool:
    try:
        return next(CronSim(cron, _SOME_DAY), None) is not None
    except CronSimError:
        return False


def _check_timezone(timezone: str, place: Place, faults: Faults) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.add((*place, "timezone"), f"is no time zone; {_near_zone(timezone)}")


def _near_zone(timezone: str) -> str:
    """What was meant, if it is near; never the list of all six hundred."""
    near = suggestion(timezone, sorted(available_timezones()))
    return near if near.startswith("did you mean") else "write one such as Europe/Berlin"
