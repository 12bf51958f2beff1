"""From text to definition: the one way in, for files, the API, the editor and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steptrail_common.contracts.catalog import ValidationReport
from steptrail_common.contracts.definition import Definition
from steptrail_common.contracts.model import FieldError

from steptrail_catalog.domain.json_text import check_size, read_json
from steptrail_catalog.domain.places import Faults, spell, suggestion
from steptrail_catalog.domain.rules import check_texts, check_whole
from steptrail_catalog.domain.source import JSON, MAX_BYTES, MEDIA_TYPES, YAML, Source, Unreadable
from steptrail_catalog.domain.structure import read_structure
from steptrail_catalog.domain.yaml_text import read_yaml, write_yaml

KINDS_OF_CHECK = {
    "web_crawl": ("http",),
    "api_call": ("http",),
    "db_query": ("postgresql", "sqlite"),
    "file_check": ("files", "http"),
}
"""Which kinds of connection each kind of check can use."""


@dataclass(frozen=True)
class Parsed:
    """A definition with what is wrong and doubtful about it. `definition` is None if anything is wrong."""

    source: Source
    definition: Definition | None
    faults: Faults

    @property
    def source_yaml(self) -> str:
        """The YAML as sent, else the document as YAML."""
        return self.source.text if self.source.text is not None else write_yaml(self.source.document)

    def report(self) -> ValidationReport:
        errors = self.faults.errors
        return ValidationReport(
            valid=not errors,
            errors=errors,
            warnings=self.faults.warnings,
            definition=None if errors else self.definition,
        )


def parse_text(text: str, media_type: str) -> Parsed:
    """A definition from YAML or JSON text. Never raises: what is wrong is in the faults."""
    text = text.removeprefix("\ufeff")
    try:
        if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
            raise Unreadable(f"a definition may have at most {MAX_BYTES // 1024} KiB")
        notation = MEDIA_TYPES.get(media_type.split(";", 1)[0].strip().lower(), YAML)
        source = read_json(text) if notation == JSON else read_yaml(text)
    except Unreadable as error:
        fault = FieldError(path=spell(error.place), message=error.message, line=error.line)
        return Parsed(Source({}), None, Faults(errors=[fault]))
    return parse(source)


def parse_document(document: Mapping[str, Any]) -> Parsed:
    """A definition from a document that is plain JSON already. Never raises."""
    try:
        check_size(dict(document))
    except Unreadable as error:
        return Parsed(Source({}), None, Faults(errors=[FieldError(path="", message=error.message)]))
    return parse(Source(dict(document)))


def parse(source: Source) -> Parsed:
    """Shape first; the other rules only if the shape is right, so that one mistake is told once."""
    faults = Faults(source.lines)
    check_texts(source.document, faults)
    definition = read_structure(source.document, faults) if not faults.errors else None
    if definition is not None:
        check_whole(source.document, definition, faults)
    return Parsed(source, definition if not faults.errors else None, faults)


def check_connections(
    definition: Definition, known: Mapping[str, str], faults: Faults, *, missing_is_error: bool
) -> None:
    """Every connection a definition names exists and is of a kind its check can use. `known`: id → kind."""
    for at, step in enumerate(definition.steps):
        name = step.check.connection
        if name is None:
            continue
        place = ("steps", at, "check", "connection")
        if name not in known:
            told = faults.add if missing_is_error else faults.warn
            told(place, f"the connection {name} does not exist: create it first; {suggestion(name, known)}")
        elif known[name] not in KINDS_OF_CHECK[step.check.type]:
            wanted = " or ".join(KINDS_OF_CHECK[step.check.type])
            faults.add(place, f"{step.check.type} needs a connection of kind {wanted}; {name} is {known[name]}")


def connections_of(definition: Definition) -> list[str]:
    """The ids of the connections a definition names, each once, in order."""
    return list(dict.fromkeys(step.check.connection for step in definition.steps if step.check.connection))
