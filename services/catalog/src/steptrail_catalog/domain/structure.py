"""The shape of a definition: keys, types and limits, with messages that say what to write.

Pydantic decides; its faults are told again in the words of the format, with the path as written and the nearest
known key.
"""

import json
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from steptrail_common.contracts.checks import CheckConfiguration, check_types, configurations
from steptrail_common.contracts.definition import MAX_STEPS, Definition

from steptrail_catalog.domain import assertions
from steptrail_catalog.domain.places import Faults, Place, shortened, suggestion

_SCALAR_TAGS = frozenset({"str", "int", "float", "bool", "[key]"})
_SLUG, _ID, _WEB = "^[a-z0-9]", "^[a-z][a-z0-9_]", "^https?"
_PATTERNS = {
    _SLUG: "use lower-case letters, digits and dashes inside, at most 64 characters",
    _ID: "use lower-case letters, digits and underscores, at most 63 characters, beginning with a letter",
    _WEB: "must begin with http:// or https://",
}


def read_structure(document: Mapping[str, Any], faults: Faults) -> Definition | None:
    """The definition of a document, assertions in normal form; None if its shape is wrong, which `faults` explains."""
    normal = _with_normal_assertions(document, faults)
    try:
        definition = Definition.model_validate_json(json.dumps(normal), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        _explain(error, document, faults)
        return None
    return None if faults.errors else definition


def check_length(document: Mapping[str, Any], faults: Faults) -> None:
    """Refuses too many steps before anything looks at each of them."""
    steps = document.get("steps")
    if isinstance(steps, list) and len(steps) > MAX_STEPS:
        faults.add(("steps",), f"has {len(steps)} steps; a process has at most {MAX_STEPS}, split it into several")


def _with_normal_assertions(document: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    steps = document.get("steps")
    if not isinstance(steps, list):
        return dict(document)
    made = []
    for at, step in enumerate(steps):
        if isinstance(step, dict) and isinstance(step.get("assert"), list):
            step = step | {"assert": _normal(step["assert"], ("steps", at, "assert"), faults)}
        made.append(step)
    return {**document, "steps": made}


def _normal(written: list[Any], place: Place, faults: Faults) -> list[dict[str, Any]]:
    found = []
    for at, item in enumerate(written):
        try:
            found.append(assertions.read(item).model_dump(mode="json", exclude_none=True))
        except assertions.Wrong as wrong:
            faults.add((*place, at, *wrong.place), wrong.message)
    return found


# --- pydantic's faults in our words ----------------------------------------------------------------------------------


def _explain(error: ValidationError, document: Mapping[str, Any], faults: Faults) -> None:
    seen: set[Place] = set()
    for fault in error.errors(include_url=False):
        place = _place(fault, document)
        if place not in seen:
            seen.add(place)
            faults.add(place, _message(fault, place, document))


def _place(fault: Any, document: Mapping[str, Any]) -> Place:
    """The path as written: without the tags that pydantic puts in for the members of a union."""
    value: Any = document
    place: list[str | int] = []
    for part in fault["loc"]:
        tag = str(part).removeprefix("constrained-")
        if tag in _SCALAR_TAGS and not (isinstance(value, Mapping) and part in value):
            break
        if _is_kind_tag(part, place, value):
            continue
        place.append(part)
        value = _child(value, part)
    if place and isinstance(place[-1], int) and value != fault["input"]:
        siblings = _at(document, tuple(place[:-1]))  # `network` was spread into its classes before
        if isinstance(siblings, list) and fault["input"] in siblings:
            place[-1] = siblings.index(fault["input"])
    return tuple(place)


def _is_kind_tag(part: str | int, place: list[str | int], value: Any) -> bool:
    return bool(place) and place[-1] == "check" and isinstance(value, Mapping) and part == value.get("type")


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _at(document: Any, place: Place) -> Any:
    for part in place:
        document = _child(document, part)
    return document


def _message(fault: Any, place: Place, document: Mapping[str, Any]) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(str(place[-1]), _known_keys(place[:-1], document))}"
    if kind == "string_pattern_mismatch":
        return next((text for start, text in _PATTERNS.items() if context["pattern"].startswith(start)), fault["msg"])
    if kind == "union_tag_not_found" and place[-1:] == ("check",):
        return f"needs a `type`: one of {', '.join(check_types())}"
    if kind == "union_tag_invalid" and place[-1:] == ("check",):
        return f"unknown check type {shortened(str(context['tag']))}; {suggestion(str(context['tag']), check_types())}"
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        return _one_of(fault, context)
    if kind == "string_type":
        return _no_text(fault["input"])
    if kind == "value_error":
        return str(context.get("error", fault["msg"]))
    if kind in ("too_long", "string_too_long"):
        unit = "characters" if kind == "string_too_long" else "entries"
        return f"may have at most {context['max_length']} {unit}"
    wording = _WORDING.get(kind)
    return wording(context) if wording else fault["msg"][:1].lower() + fault["msg"][1:]


_MOMENT = "must be a moment such as 2026-05-01T22:00:00Z"
_WORDING: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "too_short": lambda _: "must have at least one entry",
    "string_too_short": lambda _: "must not be empty",
    "int_type": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "bool_type": lambda _: "must be true or false",
    "datetime_from_date_parsing": lambda _: _MOMENT,
    "datetime_parsing": lambda _: _MOMENT,
    "datetime_type": lambda _: _MOMENT,
    "timezone_aware": lambda _: _MOMENT,
    "list_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be a mapping of keys and values",
    "model_type": lambda _: "must be a mapping of keys and values",
    "model_attributes_type": lambda _: "must be a mapping of keys and values",
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
}


def _no_text(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return f'must be text; put it in quotes: "{json.dumps(value)}"'
    return "must be text"


def _one_of(fault: Any, context: Mapping[str, Any]) -> str:
    expected = str(context.get("expected") or context.get("expected_tags"))
    names = expected.replace(" or ", ", ").replace("'", "").split(", ")
    value = context.get("tag", fault["input"])
    if len(names) == 1:
        return f"must be {names[0]}"
    shown = shortened(value) if isinstance(value, str) else json.dumps(value)[:80]
    return f"unknown value {shown}; {suggestion(str(value), names)}"


def _known_keys(place: Place, document: Mapping[str, Any]) -> list[str]:
    """The keys that the mapping at a place may have; none if it may have any."""
    kind: Any = Definition
    value: Any = document
    for part in place:
        kind, value = _inner(_bare(kind, value), part), _child(value, part)
    kind = _bare(kind, value)
    return list(_fields(kind)) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _inner(kind: Any, part: str | int) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _fields(kind).get(str(part))
    return get_args(kind)[-1] if get_args(kind) else None


def _bare(kind: Any, value: Any) -> Any:
    """A type without `Annotated` and `| None`; of the kinds of check the one that `type` names."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType):
            members = [member for member in get_args(kind) if member is not type(None)]
            wanted = value.get("type") if isinstance(value, Mapping) else None
            named = [member for member in members if wanted in get_args(_fields_of(member).get("type"))]
            kind = (named or members)[0]
        elif kind is CheckConfiguration:
            wanted = value.get("type") if isinstance(value, Mapping) else None
            return configurations().get(str(wanted), CheckConfiguration)
        else:
            return kind


def _fields_of(member: Any) -> dict[str, Any]:
    return _fields(member) if isinstance(member, type) and issubclass(member, BaseModel) else {}
