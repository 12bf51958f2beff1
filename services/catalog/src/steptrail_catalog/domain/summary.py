"""A process as one row of a list."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from steptrail_common.contracts.catalog import ProcessSummary


def summarise(
    definition: Mapping[str, Any], *, revision: int, created_at: datetime, updated_at: datetime, updated_by: str
) -> ProcessSummary:
    """The row of a definition in its stored form."""
    return ProcessSummary(
        process_id=definition["process"],
        name=definition["name"],
        description=definition.get("description"),
        category=definition.get("category"),
        tags=definition["tags"],
        owner=definition.get("owner"),
        active=definition["active"],
        step_count=len(definition["steps"]),
        revision=revision,
        created_at=created_at,
        updated_at=updated_at,
        updated_by=updated_by,
    )


def has_board(definition: Mapping[str, Any]) -> bool:
    """Whether it has a stuck board: a query that returns its open keys."""
    return definition.get("population") is not None


def sort_name(name: str) -> str:
    """What lists are ordered by: capital letters do not matter."""
    return name.casefold()


def search_text(definition: Mapping[str, Any]) -> str:
    """What free search looks into."""
    words = [definition["process"], definition["name"], definition.get("description") or "", *definition["tags"]]
    return "\n".join(words).casefold()


def search_words(text: str | None) -> list[str]:
    """What a free search asks for: every word must occur."""
    return (text or "").casefold().split()
