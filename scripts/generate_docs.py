"""Write the documents that are made from the code: `docs/openapi.json`, `docs/asyncapi.yaml`, the schema of the
process format, golden event schemas.

Run without arguments to write, with `--check` to fail when one is stale (tests do the same through `documents`).
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from steptrail_catalog.service import process_schema
from steptrail_common.contracts.events import CONTENT_TYPE, EVENT_MODELS, TYPE_PREFIX, CloudEvent
from steptrail_common.contracts.workers import EVENTS_EXCHANGE
from steptrail_gateway.service import openapi_document

ROOT = Path(__file__).resolve().parent.parent
OPENAPI = Path("docs/openapi.json")
ASYNCAPI = Path("docs/asyncapi.yaml")
PROCESS_SCHEMA = Path("docs/schemas/process.schema.json")
GOLDEN = Path("libs/common/tests/golden")


_SUBJECTS = {"connection": "connection_id", "incident": "incident_id"}
"""Whose id ends the routing key, where it is not a process."""


def documents() -> dict[Path, str]:
    """Every generated file by its path below the root, with its whole text. The same code gives the same text."""
    texts = {OPENAPI: _json(openapi_document()), ASYNCAPI: _yaml(asyncapi()), PROCESS_SCHEMA: _json(process_schema())}
    for model in dict.fromkeys(EVENT_MODELS.values()):
        texts[GOLDEN / f"{model.__name__}.json"] = _json(model.model_json_schema())
    texts[GOLDEN / "CloudEvent.json"] = _json(CloudEvent.model_json_schema())
    return texts


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3 of the events exchange: one channel and one receive operation per kind of event."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Steptrail events",
            "version": "1.0.0",
            "description": "Facts for downstream systems: CloudEvents 1.0 in structured JSON mode on the RabbitMQ "
            f"topic exchange `{EVENTS_EXCHANGE}`. Bind your own queue with a pattern such as `run.finished.*`. "
            "Delivery is at least once (drop repeats by the CloudEvents `id`), order is not promised (events of a run "
            "carry `seq`, numbered from 1 without gaps). Within a version fields are only ever added: ignore those "
            "you do not know.",
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "rabbitmq": {
                "host": "rabbitmq:5672",
                "protocol": "amqp",
                "description": "The broker of the installation",
            }
        },
        "channels": {name: _channel(name) for name in EVENT_MODELS},
        "operations": {f"on {name}": _operation(name) for name in EVENT_MODELS},
        "components": {
            "messages": {name: _message(name) for name in EVENT_MODELS},
            "schemas": _schemas(),
        },
    }


def _channel(name: str) -> dict[str, Any]:
    subject = _SUBJECTS.get(name.split(".")[0], "process_id")
    return {
        "address": f"{name}.{{{subject}}}",
        "description": _sentence(EVENT_MODELS[name]),
        "parameters": {subject: {"description": f"The {subject} as the last words of the routing key"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EVENTS_EXCHANGE, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _operation(name: str) -> dict[str, Any]:
    return {
        "action": "send",
        "summary": f"Steptrail tells that {name.replace('.', ' was ')}.",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
    }


def _message(name: str) -> dict[str, Any]:
    kind = f"{TYPE_PREFIX}{name}.v1"
    data = {"$ref": f"#/components/schemas/{EVENT_MODELS[name].__name__}"}
    narrowed = {"type": "object", "properties": {"type": {"const": kind}, "data": data}, "required": ["data"]}
    return {
        "name": kind,
        "title": name,
        "contentType": CONTENT_TYPE,
        "payload": {"allOf": [{"$ref": "#/components/schemas/CloudEvent"}, narrowed]},
    }


def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    models: list[type[BaseModel]] = [CloudEvent, *EVENT_MODELS.values()]
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    return dict(sorted(schemas.items()))


def _sentence(model: type) -> str:
    return " ".join((model.__doc__ or "").split())


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _yaml(document: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(document))  # no anchors for parts used twice
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=118)


def stale() -> list[Path]:
    """The files that do not say what the code says."""
    return [
        path
        for path, text in documents().items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != text
    ]


def main() -> int:
    if "--check" in sys.argv[1:]:
        late = stale()
        for path in late:
            print(f"{path} is stale: run scripts/generate_docs.py")
        return 1 if late else 0
    for path, text in documents().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
