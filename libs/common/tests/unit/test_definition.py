"""The model of the process format by itself: durations, aliases, and JSON there and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from steptrail_common.contracts.definition import Capture, Definition, Retry
from steptrail_common.contracts.model import MAX_DURATION_SECONDS, format_duration, parse_duration

MINIMAL: dict[str, Any] = {
    "version": 1,
    "process": "orders",
    "name": "Orders",
    "steps": [
        {
            "id": "api",
            "name": "API",
            "check": {"type": "api_call", "url": "https://x.example.com", "method": "POST", "json": {"a": 1}},
            "assert": [{"subject": "status", "operators": {"eq": 200}}],
            "if": "true",
            "timeout": "1500ms",
        }
    ],
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("1.5m", 90.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1.1d", 95040.0),
        ("1.0004s", 1.0),
    ],
)
def test_durations_have_a_unit(text: str, seconds: float) -> None:
    """To the millisecond."""
    assert parse_duration(text) == seconds


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "value",
    [0, 30, 1.5, None, True, "", "30", "s", "-5s", "0s", "0.0001ms", "5 m", "5M", "1h30m", "367d", "1e3s", "nan", "∞s"],
)
def test_anything_else_is_no_duration(value: Any) -> None:
    """Numbers without unit, zero, negative, endless."""
    with pytest.raises(ValueError, match=r"unit|above 0"):
        parse_duration(value)


@given(st.integers(1, int(MAX_DURATION_SECONDS * 1000)))
def test_a_duration_survives_being_spelled(milliseconds: int) -> None:
    """So that a stored definition means what was saved."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


def test_a_definition_survives_json() -> None:
    """With the keys of the format: `assert`, `if`, `json`."""
    definition = Definition.model_validate(MINIMAL)
    text = definition.model_dump_json(by_alias=True)
    assert Definition.model_validate_json(text) == definition
    step = json.loads(text)["steps"][0]
    assert (step["if"], step["timeout"], step["check"]["json"]) == ("true", "1500ms", {"a": 1})
    assert step["assert"][0]["operators"] == {"eq": 200}


def test_network_stands_for_three_classes() -> None:
    """Each of them once, in order."""
    retry = Retry.model_validate({"on": ["network", "timeout", "tls"]})
    assert [item.value for item in retry.on] == ["dns", "connect", "tls", "timeout"]


@pytest.mark.parametrize("sources", [{}, {"jsonpath": "$.a", "header": "X"}])
def test_a_capture_has_exactly_one_source(sources: dict[str, str]) -> None:
    """Neither none nor two."""
    with pytest.raises(ValidationError, match="exactly one source"):
        Capture.model_validate(sources)


def test_steps_are_limited() -> None:
    """200 of them."""
    steps = [MINIMAL["steps"][0] | {"id": f"s{number}"} for number in range(201)]
    with pytest.raises(ValidationError, match="at most 200"):
        Definition.model_validate(MINIMAL | {"steps": steps})
