"""What the stores keep about a process besides its revisions, derived from the newest one."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from steptrail_common.contracts.model import utc

from steptrail_catalog.domain.summary import has_board, search_text, sort_name, summarise
from steptrail_catalog.ports import Connection, Revision, SealedSecret


def facts(revision: Revision, created_at: datetime) -> dict[str, Any]:
    """What lists show, and what they are ordered, filtered and searched by."""
    definition = revision.definition
    summary = summarise(
        definition,
        revision=revision.revision,
        created_at=created_at,
        updated_at=revision.saved_at,
        updated_by=revision.saved_by,
    )
    return {
        "summary": summary.model_dump(mode="json"),
        "sort_name": sort_name(definition["name"]),
        "search_text": search_text(definition),
        "category": definition.get("category"),
        "owner": definition.get("owner"),
        "active": definition["active"],
        "board": has_board(definition),
    }


def used_connections(definition: dict[str, Any]) -> list[str]:
    """The connections its steps and the queries of its stuck board name, each once, in order of their use."""
    steps = definition["steps"]
    queries = [definition.get("population"), *(step.get("set") for step in steps)]
    named = [
        *(step["check"].get("connection") for step in steps),
        *(query.get("connection") for query in queries if query),
    ]
    return list(dict.fromkeys(name for name in named if name))


def secrets_out(secrets: dict[str, SealedSecret]) -> dict[str, dict[str, str]]:
    return {name: {"text": secret.text, "updated_at": utc(secret.updated_at)} for name, secret in secrets.items()}


def secrets_in(stored: dict[str, dict[str, str]]) -> dict[str, SealedSecret]:
    return {
        name: SealedSecret(text=secret["text"], updated_at=datetime.fromisoformat(secret["updated_at"]))
        for name, secret in stored.items()
    }


def connection_out(connection: Connection) -> dict[str, Any]:
    """Plain values for a row or document."""
    return asdict(connection) | {"secrets": secrets_out(connection.secrets)}


def connection_in(stored: dict[str, Any]) -> Connection:
    names = Connection.__dataclass_fields__
    values = {name: value for name, value in stored.items() if name in names}
    return Connection(**values | {"secrets": secrets_in(stored["secrets"])})
