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

INCIDENT: Final[dict[str, Any]] = {
    "incident_id": "9f6c0d1e5b7a4c2f8e3d6a1b0c9d8e7f",
    "state": "acknowledged",
    "title": "erp-db.example.com:5432 cannot be reached",
    "kind": "target",
    "status": "failed",
    "failure_class": "connect",
    "reason": "refused",
    "message": "erp-db.example.com:5432 refused the connection",
    "target": "erp-db.example.com:5432",
    "opened_at": "2026-01-02T03:04:05Z",
    "last_seen_at": "2026-01-02T03:19:05Z",
    "last_run_id": "0193d1a0-7f7a-7c3b-9c55-6f1f3d1c2b4a",
    "last_process_id": "order-to-cash",
    "last_step_id": "invoice_row",
    "runs": 12,
    "keys_open": 7,
    "processes": [
        {"process_id": "order-to-cash", "process_name": "Order to cash", "keys": 6, "keys_open": 6},
        {"process_id": "refunds", "process_name": "Refunds", "keys": 2, "keys_open": 1},
    ],
    "process_count": 2,
    "openings": 1,
    "acknowledged_at": "2026-01-02T03:10:00Z",
    "acknowledged_by": "ada",
    "note": "The database team is called",
    "resolved_at": None,
    "resolved_by": None,
}

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
