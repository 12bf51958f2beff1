"""JSON Schema for assertions: nothing is ever loaded from elsewhere, patterns are matched in linear time."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable
from steptrail_common.contracts.model import FailureClass, Json

from steptrail_checks.patterns import pattern
from steptrail_checks.port import CheckFailed

MAX_SCHEMA_CHARACTERS = 65_536


def fault_of(value: Json, schema: Json) -> str | None:
    """Where and why a value does not fit a schema (2020-12), or None. Raises `CheckFailed` for a wrong schema."""
    try:
        error = best_match(_validator(json.dumps(schema, sort_keys=True)).iter_errors(value))
    except Unresolvable as fault:
        raise _wrong(f"it refers to {fault.ref!r}, which is not in it; nothing is loaded from elsewhere") from fault
    except RecursionError as fault:
        raise _wrong("it is nested too deep, or refers to itself") from fault
    if error is None:
        return None
    return f"{error.json_path}: {error.message[:300]}"


@lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise _wrong(f"it is longer than {MAX_SCHEMA_CHARACTERS} characters")
    schema = json.loads(text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise _wrong(f"{error.json_path}: {error.message[:200]}") from error
    return _Linear(schema, registry=Registry())


def _wrong(detail: str) -> CheckFailed:
    return CheckFailed(
        FailureClass.INVALID_DEFINITION, f"the JSON Schema cannot be used: {detail}", reason="bad_schema"
    )


def _pattern(validator: Any, expression: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not pattern(expression).search(instance):
        yield ValidationError(f"{instance!r} does not match {expression!r}")


def _pattern_properties(validator: Any, expressions: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for expression, inner in expressions.items():
            for key, item in instance.items():
                if pattern(expression).search(key):
                    yield from validator.descend(item, inner, path=key, schema_path=expression)


_KEYWORDS = {"pattern": _pattern, "patternProperties": _pattern_properties}
_Linear: Any = extend(Draft202012Validator, _KEYWORDS)  # type: ignore[no-untyped-call]
