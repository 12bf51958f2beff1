"""The process format as JSON Schema, for editors: the shape of what people write, not every rule."""

from typing import Any

from steptrail_common.contracts.checks.registry import configurations
from steptrail_common.contracts.definition import Definition
from steptrail_common.contracts.model import format_duration

from steptrail_catalog.domain.assertions import ARGUED, MAX_ARGUMENT, MAX_LIST, OPERATORS, ROWS, TYPES, VALUED

SCHEMA_ID = "https://steptrail.io/schemas/process.schema.json"
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_LIST = {"type": "array", "minItems": 1, "maxItems": MAX_LIST}
_EXPRESSION = {"type": "string", "pattern": r"\$\{\{"}
_OPERATOR_VALUES: dict[str, Any] = {
    "in": {"anyOf": [_LIST, _EXPRESSION]},
    "not_in": {"anyOf": [_LIST, _EXPRESSION]},
    "between": {"anyOf": [{"type": "array", "minItems": 2, "maxItems": 2}, _EXPRESSION]},
    "matches": {"type": "string", "maxLength": MAX_ARGUMENT, "description": "A regular expression (RE2)"},
    "exists": {"type": "boolean"},
    "type": {"enum": list(TYPES)},
    "newer_than": {"type": "string", "description": "A duration back from now, or a moment"},
    "older_than": {"type": "string", "description": "A duration back from now, or a moment"},
}
_COMPARABLE = [name for name in OPERATORS if name != "count"]


def process_schema() -> dict[str, Any]:
    """The whole schema (JSON Schema 2020-12). The same code gives the same document."""
    schema = Definition.model_json_schema(by_alias=True)
    parts = schema["$defs"]
    parts["Assertion"] = _assertion()
    parts["Operators"] = _operators()
    _say_what_fits(parts)
    classes = parts["Retry"]["properties"]["on"]["items"]
    parts["Retry"]["properties"]["on"]["items"] = {"anyOf": [{"const": "network"}, classes]}
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Steptrail process",
        "description": "A business process that Steptrail checks step by step.",
    }
    schema = _with_spelled_durations(schema)
    return about | {key: value for key, value in schema.items() if key not in about}


def _say_what_fits(parts: dict[str, Any]) -> None:
    """Of every check kind, what its assertions can look at, where its captures come from, which connections it takes:
    a form offers no more than that."""
    references = parts["Step"]["properties"]["check"]["discriminator"]["mapping"]
    for name, kind in configurations().items():
        part = parts[references[name].rpartition("/")[2]]
        part["x-subjects"], part["x-captures"] = list(kind.subjects), list(kind.captures)
        part["x-connections"] = list(kind.connections)


def _with_spelled_durations(part: Any) -> Any:
    """Defaults of durations as people write them: `30s` instead of 30.0."""
    if isinstance(part, list):
        return [_with_spelled_durations(item) for item in part]
    if not isinstance(part, dict):
        return part
    made = {key: _with_spelled_durations(value) for key, value in part.items()}
    if part.get("type") == "string" and isinstance(part.get("default"), float):
        made["default"] = format_duration(part["default"])
    return made


def _operators() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "What must hold of the value; all of it",
        "properties": _operator_properties(),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 6,
    }


def _operator_properties() -> dict[str, Any]:
    return {name: _OPERATOR_VALUES.get(name, {}) for name in _COMPARABLE}


def _assertion() -> dict[str, Any]:
    return {
        "description": "What must hold, such as {status: {eq: 200}} or {jsonpath: $.state, in: [PAID]}",
        "anyOf": [*map(_valued, VALUED), *map(_argued, ARGUED)],
    }


def _valued(subject: str) -> dict[str, Any]:
    value = {"anyOf": [{"$ref": "#/$defs/Operators"}, _SCALAR]}
    return _mapping(subject, {subject: value})


def _argued(subject: str) -> dict[str, Any]:
    properties: dict[str, Any] = {subject: {"type": "string", "minLength": 1, "maxLength": MAX_ARGUMENT}}
    properties["row"] = {"enum": list(ROWS), "description": "Which of several values"}
    properties["count"] = {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/Operators"}]}
    if subject in ("selector", "xpath"):
        properties["text"] = {"anyOf": [_SCALAR, {"$ref": "#/$defs/Operators"}]}
        properties["attribute"] = {"type": "string", "description": "Of the element, instead of its text"}
    return _mapping(subject, properties | _operator_properties()) | {"minProperties": 2}


def _mapping(subject: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [subject], "additionalProperties": False}
