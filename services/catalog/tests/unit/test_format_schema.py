"""The JSON Schema of the format agrees with what validation accepts."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from steptrail_catalog.domain.validation import read_text
from steptrail_catalog.service import process_schema

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*.yaml"))
STEP: dict[str, Any] = {"id": "a", "name": "A", "check": {"type": "web_crawl", "url": "https://x.example.com"}}


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    document = process_schema()
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_fit_the_schema(schema: Draft202012Validator, file: Path) -> None:
    """An editor that knows the schema marks nothing in them."""
    document = read_text(file.read_text(encoding="utf-8"), "application/yaml").document
    assert [error.message for error in schema.iter_errors(document)] == []


@pytest.mark.parametrize(
    "step",
    [
        {"asert": []},
        {"assert": [{"stats": 200}]},
        {"assert": [{"status": {"eqq": 200}}]},
        {"assert": [{"selector": ".x"}]},
        {"assert": [{"jsonpath": "$.a", "text": {"eq": 1}}]},
        {"assert": [{"subject": "status", "operators": {"eq": 200}}]},
        {"timeout": 30},
        {"timeout": "30 s"},
        {"retry": {"on": ["netwrk"]}},
        {"check": {"type": "web_craw"}},
        {"id": "A-1"},
    ],
)
def test_what_is_misspelt_does_not_fit(schema: Draft202012Validator, step: dict[str, Any]) -> None:
    """Unknown keys, operators, subjects, units; the normal form is not for people either."""
    document = {"version": 1, "process": "p", "name": "P", "steps": [STEP]}
    assert schema.is_valid(document)
    assert not schema.is_valid(document | {"steps": [STEP | step]})


def test_every_kind_says_what_fits_it() -> None:
    """A form offers the subjects, captures and connections of the kind, and no others."""
    parts = process_schema()["$defs"]
    assert "column" in parts["DbQuery"]["x-subjects"]
    assert "status" not in parts["DbQuery"]["x-subjects"]
    assert parts["DbQuery"]["x-captures"]
    references = parts["Step"]["properties"]["check"]["discriminator"]["mapping"].values()
    kinds = [parts[reference.rpartition("/")[2]] for reference in references]
    assert all({"x-subjects", "x-captures", "x-connections"} <= kind.keys() for kind in kinds)
