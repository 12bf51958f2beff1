"""What the stores keep about a process besides its revisions, derived from the newest one."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from steptrail_common.contracts.model import utc

from steptrail_catalog.ports import Connection, Revision, SealedSecret


def facts(revision: Revision) -> dict[str, Any]:
    """What lists are ordered, filtered and searched by."""
    definition = revision.definition
    words = [definition["process"], definition["name"], definition.get("description") or "", *definition["tags"]]
    return {
        "sort_name": definition["name"].casefold(),
        "search_text": "\n".join(words).casefold(),
        "category": definition.get("category"),
        "owner": definition.get("owner"),
        "active": definition["active"],
    }


def used_connections(definition: dict[str, Any]) -> list[str]:
    """The connections its steps name, each once, in order of their use."""
    named = (step["check"].get("connection") for step in definition["steps"])
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
