"""What changes the catalog: saving, restoring and deleting processes and connections."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.catalog import (
    ConnectionDeleted,
    ConnectionRights,
    ConnectionSaved,
    ConnectionWrite,
    ProcessDeleted,
    ProcessSaved,
    ValidationReport,
)
from steptrail_common.contracts.definition import MAX_STEPS, Definition
from steptrail_common.contracts.events import CONTENT_TYPE, envelope, routing_key
from steptrail_common.contracts.model import Event, FieldError
from steptrail_common.errors import Conflict, InvalidInput
from steptrail_common.sealing import seal, target_host

from steptrail_catalog.domain.source import Source
from steptrail_catalog.domain.targets import faults_of, settings_of, used_secrets
from steptrail_catalog.domain.validation import to_yaml, validate
from steptrail_catalog.ports import Connection, Process, Revision, SealedSecret, Stores, Told

UNKNOWN_RIGHTS = ConnectionRights(level="unknown", detail="Not tested since it was changed")


def now(stores: Stores) -> datetime:
    """The present moment to the millisecond, as every store keeps it."""
    moment = stores.clock.now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def check(source: Source, *, stores: Stores) -> ValidationReport:
    """Every fault of a definition, with the connections that exist taken into account."""
    found = await known_connections(source.document, stores=stores)
    kinds = {connection.connection_id: connection.settings["kind"] for connection in found}
    settings = {connection.connection_id: settings_of(connection.settings) for connection in found}
    return await asyncio.to_thread(validate, source, connections=kinds, settings=settings)


async def known_connections(document: Mapping[str, Any], *, stores: Stores) -> Sequence[Connection]:
    """Each existing connection that the document names: in checks, in `population` and in the steps' `set`."""
    listed = document.get("steps")
    steps = [step for step in listed[:MAX_STEPS] if isinstance(step, dict)] if isinstance(listed, list) else []
    holders = [document.get("population"), *(step.get(part) for step in steps for part in ("check", "set"))]
    named = [holder.get("connection") for holder in holders if isinstance(holder, dict)]
    return await stores.connections.many({name for name in named if isinstance(name, str)})


async def valid_definition(source: Source, *, stores: Stores) -> Definition:
    """The definition of a document without faults. Raises `InvalidInput`."""
    report = await check(source, stores=stores)
    if report.definition is None or report.errors:
        first = report.errors[0]
        raise InvalidInput(f"{first.path}: {first.message}", errors=report.errors)
    return report.definition


async def create_process(source: Source, *, by: str, stores: Stores) -> Process:
    """Save a new process. Raises `InvalidInput`, `Conflict`."""
    definition = await valid_definition(source, stores=stores)
    number = await stores.processes.next_revision(definition.process)
    revision = _revision(source, definition, number, by=by, at=now(stores))
    return await stores.processes.create(revision, _process_saved(revision, definition))


async def save_process(process_id: str, source: Source, *, expected: int | None, by: str, stores: Stores) -> Process:
    """Save a new revision on top of `expected` (None: the newest). Raises `InvalidInput`, `NotFound`, `Stale`."""
    present = await stores.processes.get(process_id)
    definition = await valid_definition(source, stores=stores)
    if definition.process != process_id:
        raise InvalidInput.field(
            "process", f"must stay {process_id}: history hangs on it; duplicate it to change the id"
        )
    below = present.current.revision if expected is None else expected
    revision = _revision(source, definition, below + 1, by=by, at=now(stores))
    return await stores.processes.save(revision, _process_saved(revision, definition))


async def restore_revision(process_id: str, number: int, *, expected: int | None, by: str, stores: Stores) -> Process:
    """Save an old revision again as the newest. Raises `InvalidInput` when it would not be valid today."""
    present = await stores.processes.get(process_id)
    old = await stores.processes.revision(process_id, number)
    definition = await valid_definition(Source(document=old.document, text=old.source_yaml), stores=stores)
    below = present.current.revision if expected is None else expected
    revision = replace(
        old,
        revision=below + 1,
        definition=definition.model_dump(mode="json", by_alias=True),
        saved_at=now(stores),
        saved_by=by,
        note=f"Restored from revision {number}",
        restored_from=number,
    )
    return await stores.processes.save(revision, _process_saved(revision, definition))


async def delete_process(process_id: str, *, expected: int | None, by: str, stores: Stores) -> None:
    """Delete a process; its revisions and runs stay. Raises `NotFound`, `Stale`."""
    present = await stores.processes.get(process_id)
    at = now(stores)
    event = ProcessDeleted(process_id=process_id, at=at, by=by)
    told = _told("process.deleted", event, subject=process_id, number=present.current.revision, at=at)
    await stores.processes.delete(process_id, expected=expected, told=told)


def _revision(source: Source, definition: Definition, number: int, *, by: str, at: datetime) -> Revision:
    return Revision(
        process_id=definition.process,
        revision=number,
        document=source.document,
        definition=definition.model_dump(mode="json", by_alias=True),
        source_yaml=source.text if source.text is not None else to_yaml(source.document),
        saved_at=at,
        saved_by=by,
    )


def _process_saved(revision: Revision, definition: Definition) -> Told:
    steps = [
        {"step_id": step.id, "number": number, "name": step.name, "check_type": step.check.type}
        for number, step in enumerate(definition.steps, 1)
    ]
    event = ProcessSaved(
        process_id=revision.process_id,
        revision=revision.revision,
        name=definition.name,
        category=definition.category,
        tags=definition.tags,
        owner=definition.owner,
        active=definition.active,
        steps=steps,
        notify=[rule.model_dump(mode="json") for rule in definition.notify],
        at=revision.saved_at,
        by=revision.saved_by,
    )
    return _told("process.saved", event, subject=revision.process_id, number=revision.revision, at=revision.saved_at)


def _told(name: str, event: Event, *, subject: str, number: int, at: datetime) -> Told:
    wrapped = envelope(name, event, source="catalog", identity=(subject, number), at=at, subject=subject)
    body = wrapped.model_dump_json(exclude_none=True).encode()
    return Destination(topic=routing_key(name, subject)), Message(body, wrapped.id, CONTENT_TYPE)


# --- connections -----------------------------------------------------------------------------------------------------


async def create_connection(given: ConnectionWrite, *, by: str, stores: Stores) -> Connection:
    """Make a connection with its secrets sealed. Raises `InvalidInput`, `Conflict`."""
    _refuse(faults_of(given, frozenset()))
    at = now(stores)
    connection = Connection(
        connection_id=given.connection_id,
        name=given.name,
        description=given.description,
        settings=given.settings.model_dump(mode="json"),
        secrets=_sealed(given, at, stores.public_key),
        rights=UNKNOWN_RIGHTS.model_dump(mode="json"),
        version=await stores.connections.next_version(given.connection_id),
        created_at=at,
        updated_at=at,
        updated_by=by,
    )
    return await stores.connections.create(connection, _connection_saved(connection))


async def save_connection(given: ConnectionWrite, *, expected: int | None, by: str, stores: Stores) -> Connection:
    """Change a connection. A changed host asks for every secret again. Raises `InvalidInput`, `NotFound`, `Stale`."""
    present = await stores.connections.get(given.connection_id)
    used = used_secrets(given.settings)
    kept = {name: secret for name, secret in present.secrets.items() if name in used and name not in given.secrets}
    _refuse(faults_of(given, frozenset(kept)))
    _refuse(_carried_away(present, given, kept))
    at = now(stores)
    connection = replace(
        present,
        name=given.name,
        description=given.description,
        settings=given.settings.model_dump(mode="json"),
        secrets=kept | _sealed(given, at, stores.public_key),
        rights=UNKNOWN_RIGHTS.model_dump(mode="json"),
        version=(present.version if expected is None else expected) + 1,
        updated_at=at,
        updated_by=by,
    )
    return await stores.connections.save(connection, _connection_saved(connection))


def _carried_away(present: Connection, given: ConnectionWrite, kept: Mapping[str, SealedSecret]) -> list[FieldError]:
    """A stored secret never goes to another host or kind of target: it must be entered again."""
    before = settings_of(present.settings)
    if before.kind == given.settings.kind and target_host(before) == target_host(given.settings):
        return []
    message = (
        f"the target changes from {target_host(before)} to {target_host(given.settings)}: "
        "enter this secret again, or send null to remove it"
    )
    return [FieldError(path=f"body.secrets.{name}", message=message) for name in kept]


async def delete_connection(connection_id: str, *, by: str, stores: Stores) -> None:
    """Delete a connection and its secrets. Raises `NotFound`; `Conflict` while a process uses it."""
    present = await stores.connections.get(connection_id)
    users = await stores.processes.using(connection_id)
    if users:
        raise Conflict(f"{connection_id} is used by {', '.join(users)}: change or delete these processes first")
    at = now(stores)
    event = ConnectionDeleted(connection_id=connection_id, at=at, by=by)
    told = _told("connection.deleted", event, subject=connection_id, number=present.version, at=at)
    await stores.connections.delete(connection_id, told)


async def keep_rights(connection_id: str, found: ConnectionRights, *, stores: Stores) -> None:
    """Keep what a worker found. That an account that can write was accepted stays while it can. A test that failed
    is kept beside what was found before. Raises `NotFound`."""
    before = ConnectionRights.model_validate((await stores.connections.get(connection_id)).rights)
    if found.failure is not None:
        found = before.model_copy(update={"failure": found.failure, "failed_at": found.failed_at})
    elif found.level == before.level:
        found = found.model_copy(update={"accepted_by": before.accepted_by, "accepted_at": before.accepted_at})
    await stores.connections.store_rights(connection_id, found.model_dump(mode="json"))


async def accept_rights(connection_id: str, *, by: str, stores: Stores) -> Connection:
    """The account can write and is used all the same. Raises `NotFound`; `Conflict` if it was not found to."""
    present = await stores.connections.get(connection_id)
    rights = ConnectionRights.model_validate(present.rights)
    if rights.level != "can_write":
        raise Conflict(f"the last test of {connection_id} did not find an account that can write: nothing to accept")
    accepted = rights.model_copy(update={"accepted_by": by, "accepted_at": now(stores)}).model_dump(mode="json")
    await stores.connections.store_rights(connection_id, accepted)
    return replace(present, rights=accepted)


def _refuse(faults: list[FieldError]) -> None:
    if faults:
        raise InvalidInput(f"{faults[0].path}: {faults[0].message}", errors=faults)


def _sealed(given: ConnectionWrite, at: datetime, public_key: str) -> dict[str, SealedSecret]:
    host = target_host(given.settings)
    return {
        name: SealedSecret(seal(public_key, value, connection_id=given.connection_id, field=name, host=host), at)
        for name, value in given.secrets.items()
        if value is not None
    }


def _connection_saved(connection: Connection) -> Told:
    event = ConnectionSaved(
        connection_id=connection.connection_id,
        version=connection.version,
        at=connection.updated_at,
        by=connection.updated_by,
    )
    return _told(
        "connection.saved",
        event,
        subject=connection.connection_id,
        number=connection.version,
        at=connection.updated_at,
    )
