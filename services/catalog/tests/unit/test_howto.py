"""What the documentation shows can be saved."""

import re
from pathlib import Path

import yaml
from steptrail_catalog.service import validate_text

APIS = Path(__file__).parents[4] / "docs" / "howto" / "apis.md"


def test_the_examples_about_apis_are_valid() -> None:
    """Whole steps, and parts of steps put into one."""
    steps: list[object] = []
    for block in re.findall(r"```yaml\n(.*?)```", APIS.read_text(encoding="utf-8"), re.DOTALL):
        shown = yaml.safe_load(block)
        part = {"id": f"part{len(steps)}", "name": "Part", "check": {"type": "api_call", "url": "https://x.test/"}}
        steps += shown if isinstance(shown, list) else [part | shown]
    inputs = {"amount": {"type": "integer"}}
    document = {"version": 1, "process": "shown", "name": "Shown", "inputs": inputs, "steps": steps}
    report = validate_text(yaml.safe_dump(document), "application/yaml")
    assert (report.errors, len(steps)) == ([], 6)
