"""What the documents show can be copied: every YAML block of a process is valid where it belongs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from steptrail_catalog.service import validate_text
from steptrail_common.contracts.definition import Definition

ROOT = Path(__file__).parents[4]
STEP = {"id": "one", "name": "One", "check": {"type": "api_call", "url": "https://shop.test/"}}
PROCESS = {"version": 1, "process": "p", "name": "P", "inputs": {"order_id": {"type": "string"}}, "steps": [STEP]}
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_ELSEWHERE = re.compile("does not exist; known here|there is no step|^api_call has no ")
"""Inputs and steps of the process that a part is from, and subjects of another kind in the list of all of them."""
_TOP = {field.alias or name for name, field in Definition.model_fields.items()}


def blocks() -> list[Any]:
    return [
        pytest.param(found[1], id=f"{file.name}:{text[: found.start()].count(chr(10)) + 1}")
        for file in (ROOT / "README.md", ROOT / "docs/process-format.md", *sorted((ROOT / "docs/howto").glob("*.md")))
        for text in [file.read_text()]
        for found in _BLOCK.finditer(text)
    ]


def whole(part: Any) -> dict[str, Any]:
    """A process around steps, around what belongs to one step, or around keys of its own."""
    if isinstance(part, list):
        return PROCESS | {"steps": [{"name": "Step"} | step for step in part]}
    if part.keys() <= _TOP:
        return PROCESS | part
    return PROCESS | {"steps": [STEP | part]}


@pytest.mark.parametrize("block", blocks())
def test_what_a_document_shows_is_valid(block: str) -> None:
    report = validate_text(yaml.safe_dump(whole(yaml.safe_load(block)), sort_keys=False), "application/yaml")
    faults = [f"{fault.path}: {fault.message}" for fault in report.errors if not _ELSEWHERE.search(fault.message)]
    assert faults == []
