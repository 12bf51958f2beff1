"""What may be asked of a MongoDB: nothing that writes or runs a program, at any depth."""

from typing import Any

import pytest
from pydantic import ValidationError
from steptrail_common.contracts.checks.document_query import DocumentQuery


def asked(**parts: Any) -> DocumentQuery:
    return DocumentQuery.model_validate({"collection": "orders", **parts})


@pytest.mark.req("FR-012")
@pytest.mark.parametrize(
    "parts",
    [
        {"filter": {"$where": "sleep(1000)"}},
        {"filter": {"$and": [{"a": 1}, {"$where": "true"}]}},
        {"filter": {"$expr": {"$function": {"body": "f", "args": [], "lang": "js"}}}},
        {"operation": "count", "filter": {"$or": [{"$where": "true"}]}},
        {"projection": {"x": {"$function": {"body": "f", "args": [], "lang": "js"}}}},
        {"operation": "aggregate", "pipeline": [{"$group": {"_id": 1, "x": {"$accumulator": {"init": "f"}}}}]},
        {"operation": "aggregate", "pipeline": [{"$facet": {"a": [{"$out": "stolen"}]}}]},
        {"operation": "aggregate", "pipeline": [{"$lookup": {"from": "a", "as": "b", "pipeline": [{"$merge": "c"}]}}]},
    ],
    ids=str,
)
def test_what_runs_programs_or_writes_is_refused_at_any_depth(parts: dict[str, Any]) -> None:
    """And the message names the place."""
    with pytest.raises(ValidationError, match="runs programs or writes"):
        asked(**parts)


@pytest.mark.parametrize("stage", ["$out", "$merge", "$collStats", "$currentOp", "$listSessions", "$changeStream"])
def test_stages_that_do_not_just_read_collections_are_refused(stage: str) -> None:
    """Only stages of a list are let through; those of later versions of the server are not on it."""
    with pytest.raises(ValidationError, match="must be one stage"):
        asked(operation="aggregate", pipeline=[{stage: {}}])


@pytest.mark.parametrize("collection", ["system.users", "system.js", "$cmd", "a\x00b", "${{ inputs.x }}"])
def test_only_collections_of_data_are_asked(collection: str) -> None:
    """The server's own collections and templated names are not."""
    with pytest.raises(ValidationError, match="collection"):
        asked(collection=collection)
