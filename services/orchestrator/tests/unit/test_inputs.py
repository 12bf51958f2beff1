"""Typed inputs, checked field by field."""

from typing import Any

import pytest
from steptrail_common.contracts.definition import Definition
from steptrail_common.errors import InvalidInput
from steptrail_orchestrator.domain.inputs import checked_inputs, key_of


def definition(**inputs: Any) -> Definition:
    step = {"id": "one", "name": "x", "check": {"type": "api_call", "url": "https://x.test"}}
    return Definition.model_validate({"version": 1, "process": "p", "name": "P", "inputs": inputs, "steps": [step]})


@pytest.mark.parametrize(
    ("spec", "given", "value"),
    [
        ({"type": "string"}, "007", "007"),
        ({"type": "integer"}, "42", 42),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "boolean"}, "true", True),
        ({"type": "date"}, "2026-05-01", "2026-05-01"),
        ({"type": "datetime"}, "2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00Z"),
        ({"type": "integer", "default": 3}, None, 3),
        ({"type": "integer", "required": False}, None, None),
        ({"type": "string", "options": ["a", "b"]}, "b", "b"),
    ],
)
def test_a_value_becomes_its_declared_type(spec: dict[str, Any], given: Any, value: Any) -> None:
    """Text is taken for numbers too, because forms and command lines only have text."""
    assert checked_inputs(definition(x=spec), {} if given is None else {"x": given}) == {"x": value}


@pytest.mark.parametrize(
    ("spec", "given", "why"),
    [
        ({"type": "string"}, 4711, 'write it in quotes, such as "4711"'),
        ({"type": "string"}, "", "must not be empty"),
        ({"type": "string"}, "   ", "must not be empty"),
        ({"type": "string"}, "a\x00b", "NUL"),
        ({"type": "string"}, "x" * 10_001, "at most 10000"),
        ({"type": "string", "matches": "^[0-9]{4}$", "example": "4711"}, "12", "for example 4711"),
        ({"type": "string", "matches": "(a+)+$"}, "a" * 5000 + "b", "must match"),
        ({"type": "string", "options": ["a"]}, "c", "must be one of a"),
        ({"type": "integer"}, "5m", "whole number"),
        ({"type": "integer"}, 2**63, "whole number"),
        ({"type": "integer"}, True, "whole number"),
        ({"type": "number"}, "NaN", "must be a number"),
        ({"type": "number"}, float("inf"), "must be a number"),
        ({"type": "boolean"}, "yes", "true or false"),
        ({"type": "date"}, "01.05.2026", "2026-05-01"),
        ({"type": "string"}, {"$gt": ""}, "must be text"),
        ({"type": "string", "label": "Order number"}, None, "Order number is required"),
    ],
)
@pytest.mark.req("NFR-012")
def test_a_wrong_value_names_its_field(spec: dict[str, Any], given: Any, why: str) -> None:
    """The path is that of the request body, the text says what to do."""
    with pytest.raises(InvalidInput) as caught:
        checked_inputs(definition(x=spec), {} if given is None else {"x": given})
    assert caught.value.errors is not None
    assert caught.value.errors[0].path == "body.inputs.x"
    assert why in caught.value.errors[0].message


def test_an_unknown_input_names_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="this process has: x"):
        checked_inputs(definition(x={"type": "string"}), {"x": "1", "y": "2"})


def test_the_key_is_the_first_input_as_text() -> None:
    assert key_of(definition(x={"type": "integer"}), {"x": 7}) == "7"
    assert key_of(definition(x={"type": "boolean"}), {"x": False}) == "false", "as definitions write it"
    assert key_of(definition(), {}) is None
