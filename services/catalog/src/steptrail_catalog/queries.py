"""The read side: views of processes, revisions and connections, snapshots for runs, plans."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from steptrail_common.contracts.catalog import (
    ConnectionRights,
    ConnectionView,
    DefinitionSnapshot,
    Plan,
    ProcessSummary,
    ProcessView,
    RevisionSummary,
    RevisionView,
    SealedConnection,
    SecretState,
)
from steptrail_common.contracts.connections import TRIED_BY
from steptrail_common.contracts.definition import Definition
from steptrail_common.errors import Conflict

from steptrail_catalog.domain.plan import plan
from steptrail_catalog.domain.summary import summarise
from steptrail_catalog.domain.targets import SECRET_FIELDS, settings_of
from steptrail_catalog.domain.validation import connection_ids
from steptrail_catalog.ports import Connection, Process, Revision, Stores


def summary(process: Process) -> ProcessSummary:
    current = process.current
    return summarise(
        current.definition,
        revision=current.revision,
        created_at=process.created_at,
        updated_at=current.saved_at,
        updated_by=current.saved_by,
    )


def process_view(process: Process) -> ProcessView:
    current = process.current
    return ProcessView(
        **summary(process).model_dump(),
        document=current.document,
        definition=Definition.model_validate(current.definition),
        source_yaml=current.source_yaml,
    )


def revision_summary(revision: Revision) -> RevisionSummary:
    return RevisionSummary(**_revision_values(revision))


def revision_view(revision: Revision) -> RevisionView:
    return RevisionView(
        **_revision_values(revision),
        process_id=revision.process_id,
        document=revision.document,
        definition=Definition.model_validate(revision.definition),
        source_yaml=revision.source_yaml,
    )


def _revision_values(revision: Revision) -> dict[str, Any]:
    names = ("revision", "saved_at", "saved_by", "note", "restored_from")
    return {name: getattr(revision, name) for name in names}


def connection_view(connection: Connection) -> ConnectionView:
    """Of its secrets only whether they are set, and since when."""
    secrets = {}
    for name in SECRET_FIELDS[connection.settings["kind"]]:
        secret = connection.secrets.get(name)
        secrets[name] = SecretState(set=secret is not None, updated_at=secret.updated_at if secret else None)
    return ConnectionView.model_validate(
        {
            "connection_id": connection.connection_id,
            "name": connection.name,
            "description": connection.description,
            "settings": connection.settings,
            "secrets": secrets,
            "rights": connection.rights,
            "version": connection.version,
            "created_at": connection.created_at,
            "updated_at": connection.updated_at,
            "updated_by": connection.updated_by,
        }
    )


def sealed(connection: Connection) -> SealedConnection:
    """As workers get it."""
    return SealedConnection.model_validate(
        {
            "connection_id": connection.connection_id,
            "settings": connection.settings,
            "sealed": {name: secret.text for name, secret in connection.secrets.items()},
            "version": connection.version,
        }
    )


async def snapshot(process_id: str, number: int | None, *, stores: Stores) -> DefinitionSnapshot:
    """A revision (the newest without a number) with the connections it names. Raises `NotFound`."""
    process = await stores.processes.get(process_id)
    revision = process.current
    if number is not None and number != revision.revision:
        revision = await stores.processes.revision(process_id, number)
    return await _snapshot(process_id, revision.revision, Definition.model_validate(revision.definition), stores)


async def draft_snapshot(definition: Definition, *, stores: Stores) -> DefinitionSnapshot:
    """The same of a draft, as revision 0."""
    return await _snapshot(definition.process, 0, definition, stores)


async def _snapshot(process_id: str, revision: int, definition: Definition, stores: Stores) -> DefinitionSnapshot:
    """Raises `Conflict` for a connection that does not exist, and for a database account that can write until somebody
    accepted that: what a statement may do there is up to the account alone."""
    names = connection_ids(definition)
    found = await stores.connections.many(names)
    missing = set(names) - {connection.connection_id for connection in found}
    if missing:
        named = ", ".join(sorted(missing))
        raise Conflict(f"{process_id} names connections that do not exist: {named}; create them, or change the process")
    if unconfirmed := [*_not_accepted(one for one in found if one.settings["kind"] not in TRIED_BY)]:
        raise Conflict(f"{process_id} cannot be checked: {unconfirmed[0]}")
    return DefinitionSnapshot(
        process_id=process_id,
        revision=revision,
        definition=definition,
        connections={connection.connection_id: sealed(connection) for connection in found},
    )


async def plan_of(definition: Definition, inputs: Mapping[str, Any], *, stores: Stores) -> Plan:
    """What a run would touch, without touching it."""
    found = await stores.connections.many(connection_ids(definition))
    settings = {connection.connection_id: settings_of(connection.settings) for connection in found}
    planned = plan(definition, inputs, settings)
    return planned.model_copy(update={"warnings": [*planned.warnings, *_not_accepted(found)]})


def _not_accepted(connections: Iterable[Connection]) -> Iterator[str]:
    for connection in connections:
        rights = ConnectionRights.model_validate(connection.rights)
        if rights.level == "can_write" and rights.accepted_at is None:
            yield (
                f"the account of connection {connection.connection_id} can write: "
                "use one that can only read, or accept it on the page of the connection"
            )
