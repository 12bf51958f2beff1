"""Examples for the OpenAPI document; a test validates them."""

from typing import Any, Final

DEFINITION: Final[dict[str, Any]] = {
    "version": 1,
    "process": "order-to-cash",
    "name": "Order to cash",
    "category": "sales",
    "tags": ["critical"],
    "owner": "team-orders",
    "inputs": {"order_id": {"type": "string", "label": "Order number", "example": "4711"}},
    "steps": [
        {
            "id": "order_api",
            "name": "Order service knows the order",
            "check": {
                "type": "api_call",
                "connection": "order-service",
                "path": "/orders/${{ inputs.order_id }}",
            },
            "assert": [{"jsonpath": "$.state", "in": ["PAID", "SHIPPED"]}],
        }
    ],
}

DEFINITION_YAML: Final = """\
version: 1
process: order-to-cash
name: Order to cash
inputs:
  order_id: {type: string, label: Order number, example: "4711"}
steps:
  - id: order_api
    name: Order service knows the order
    check: {type: api_call, connection: order-service, path: "/orders/${{ inputs.order_id }}"}
    assert:
      - {jsonpath: $.state, in: [PAID, SHIPPED]}
"""

START_RUN: Final[dict[str, Any]] = {"process_id": "order-to-cash", "inputs": {"order_id": "4711"}}

PROBLEM: Final[dict[str, Any]] = {
    "type": "/problems/invalid-input",
    "title": "Invalid input",
    "status": 422,
    "detail": "body.inputs.order_id: is required",
    "instance": "/api/v1/runs",
    "errors": [{"path": "body.inputs.order_id", "message": "is required"}],
}

EVENT_STREAM: Final = """\
retry: 2000
id: 1041

id: 1042
event: step.finished
data: {"run_id":"0193…","process_id":"order-to-cash","seq":4,"at":"2026-01-02T03:04:05Z","type":"step.finished",\
"status":"success","step_id":"order_api","step_number":1,"attempt":1,"of_attempts":3}

: keep-alive
"""
