"""The HTTP side every service shares: problem documents, limits, tokens, cursors, and the client between services."""

from steptrail_common.web.app import build_app
from steptrail_common.web.client import ServiceClient
from steptrail_common.web.guard import MAX_BODY_BYTES
from steptrail_common.web.inputs import (
    ACTOR_HEADER,
    ROLE_HEADER,
    Actor,
    decode_cursor,
    encode_cursor,
    read_actor,
    strict_query,
)
from steptrail_common.web.problems import PROBLEM_RESPONSES, PROBLEM_TYPE, field_errors, problem, problem_answer

__all__ = [
    "ACTOR_HEADER",
    "MAX_BODY_BYTES",
    "PROBLEM_RESPONSES",
    "PROBLEM_TYPE",
    "ROLE_HEADER",
    "Actor",
    "ServiceClient",
    "build_app",
    "decode_cursor",
    "encode_cursor",
    "field_errors",
    "problem",
    "problem_answer",
    "read_actor",
    "strict_query",
]
