"""From text to definition: the one way in, for files, the API, the editor and the command line."""

from collections.abc import Mapping
from typing import Any

from steptrail_common.contracts.catalog import ValidationReport
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.definition import Definition, Document
from steptrail_common.contracts.model import FieldError
from steptrail_common.errors import InvalidInput

from steptrail_catalog.domain.json_text import check_size, read_json
from steptrail_catalog.domain.places import Faults, spell
from steptrail_catalog.domain.rules import check_texts, check_whole, key_sets
from steptrail_catalog.domain.source import JSON, MAX_BYTES, MEDIA_TYPES, YAML, Source, Unreadable
from steptrail_catalog.domain.structure import check_length, read_structure
from steptrail_catalog.domain.yaml_text import read_yaml, write_yaml


def read_text(text: str, media_type: str) -> Source:
    """The document of a YAML or JSON text, with the line of each part when it is YAML. Raises `InvalidInput`."""
    text = text.removeprefix("\ufeff")
    try:
        if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
            raise Unreadable(f"a definition may have at most {MAX_BYTES // 1024} KiB")
        notation = MEDIA_TYPES.get(media_type.split(";", 1)[0].strip().lower(), YAML)
        return read_json(text) if notation == JSON else read_yaml(text)
    except Unreadable as error:
        raise _refused(error) from None


def _refused(error: Unreadable) -> InvalidInput:
    fault = FieldError(path=spell(error.place), message=error.message, line=error.line)
    return InvalidInput(f"{fault.path}: {fault.message}" if fault.path else fault.message, errors=[fault])


def validate(
    source: Source | Mapping[str, Any],
    *,
    connections: Mapping[str, str] | None = None,
    settings: Mapping[str, ConnectionSettings] | None = None,
) -> ValidationReport:
    """Every fault of a document. `connections` are those that exist, id → kind; None leaves them unchecked. `settings`
    of those that are known, for checks that cannot be done with every connection of their kind.

    Shape first; the other rules only if the shape is right, so that one mistake is told once. Never raises.
    """
    source = source if isinstance(source, Source) else Source(dict(source))
    faults = Faults(source.lines)
    check_length(source.document, faults)
    try:
        check_size(source.document)
    except Unreadable as error:
        faults.add(error.place, error.message)
    if not faults.errors:
        check_texts(source.document, faults)
    definition = read_structure(source.document, faults) if not faults.errors else None
    if definition is not None:
        check_whole(source.document, definition, faults)
        if connections is not None:
            _check_connections(definition, connections, faults)
            _check_settings(definition, settings or {}, faults)
    errors = faults.errors
    return ValidationReport(
        valid=not errors, errors=errors, warnings=faults.warnings, definition=None if errors else definition
    )


def _check_connections(definition: Definition, known: Mapping[str, str], faults: Faults) -> None:
    """Every connection exists and is of a kind its check can use. An inactive process may wait for its connections."""
    tell = faults.add if definition.active else faults.warn
    for at, step in enumerate(definition.steps):
        name, place = step.check.connection_id, ("steps", at, "check", "connection")
        if name is None:
            continue
        if name not in known:
            tell(place, f"the connection {name} does not exist: create it first, or save the process as active: false")
        elif known[name] not in step.check.connections:
            wanted = " or ".join(step.check.connections)
            faults.add(place, f"{step.check.type} needs a connection of kind {wanted}; {name} is of kind {known[name]}")
    for where, keys in key_sets(definition):
        if keys.connection is None:
            continue
        if keys.connection not in known:
            tell((*where, "connection"), f"the connection {keys.connection} does not exist: create it first")
        elif known[keys.connection] not in DbQuery.connections:
            told = f"keys come from a database; {keys.connection} is of kind {known[keys.connection]}"
            faults.add((*where, "connection"), told)


def _check_settings(definition: Definition, settings: Mapping[str, ConnectionSettings], faults: Faults) -> None:
    for at, step in enumerate(definition.steps):
        known = settings.get(step.check.connection_id or "")
        if known is not None and (misfit := step.check.misfit(known)) is not None:
            field, why = misfit
            faults.add(("steps", at, "check", field), why)


def connection_ids(definition: Definition) -> list[str]:
    """The ids of the connections that steps and the stuck board name, each once, in order."""
    of_steps = [step.check.connection_id for step in definition.steps]
    of_keys = [keys.connection for _, keys in key_sets(definition)]
    return list(dict.fromkeys(name for name in of_steps + of_keys if name))


def to_yaml(document: Document) -> str:
    """The document as YAML; reading it gives the same document back."""
    return write_yaml(document)
