"""The documents made from the code say what the code says."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from steptrail_common.contracts.definition import Definition
from steptrail_common.contracts.events import EVENT_MODELS
from steptrail_common.contracts.model import Problem
from steptrail_common.contracts.orchestrator import StartRun

ROOT = Path(__file__).resolve().parents[2]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts" / "generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def documents() -> dict[Path, str]:
    texts: dict[Path, str] = _generator().documents()
    return texts


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text())
    return document


@pytest.mark.req("IR-9")
def test_no_document_is_stale(documents: dict[Path, str]) -> None:
    """Run `python scripts/generate_docs.py` after a change of routes, contracts or events."""
    stale = [str(path) for path, text in documents.items() if (ROOT / path).read_text(encoding="utf-8") != text]
    assert stale == []


def test_generating_twice_gives_the_same(documents: dict[Path, str]) -> None:
    assert _generator().documents() == documents


def test_every_operation_is_described(openapi: dict[str, Any]) -> None:
    """Each has a summary, an id of its own, an answer with a shape, and every error as a problem document."""
    ids = []
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            ids.append(operation["operationId"])
            assert operation.get("description"), where
            good = [status for status in operation["responses"] if status.startswith("2")]
            assert len(good) == 1, where
            if good != ["204"]:
                assert operation["responses"][good[0]]["content"], where
            for status in ("401", "403", "422", "503"):
                content = operation["responses"][status]["content"]
                assert list(content) == ["application/problem+json"], where
    assert len(ids) == len(set(ids))


def test_every_reference_has_a_target(openapi: dict[str, Any]) -> None:
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(openapi)))
    assert named <= set(openapi["components"]["schemas"])


def test_examples_are_true(openapi: dict[str, Any]) -> None:
    """An example that would be refused is worse than none."""
    schemas = openapi["components"]["schemas"]
    Problem.model_validate(schemas["Problem"]["examples"][0])
    StartRun.model_validate(schemas["StartRun"]["examples"][0])
    bodies = openapi["paths"]["/api/v1/processes"]["post"]["requestBody"]["content"]
    for document in (bodies["application/json"]["example"], yaml.safe_load(bodies["application/yaml"]["example"])):
        steps = [{**step, "assert": []} for step in document["steps"]]
        Definition.model_validate({**document, "steps": steps})


def test_asyncapi_describes_every_event() -> None:
    """One channel per kind of event, its routing key, its CloudEvents type and its data."""
    document = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text())
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == set(EVENT_MODELS)
    for name, model in EVENT_MODELS.items():
        message = document["components"]["messages"][name]
        assert message["name"] == f"io.steptrail.{name}.v1"
        assert message["payload"]["allOf"][1]["properties"]["data"] == {
            "$ref": f"#/components/schemas/{model.__name__}"
        }
        assert document["channels"][name]["address"].startswith(f"{name}.{{")
    named = set(re.findall(r"#/components/schemas/(\w+)", (ROOT / "docs/asyncapi.yaml").read_text()))
    assert named <= set(document["components"]["schemas"])
