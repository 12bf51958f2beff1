"""A definition as it was sent: the plain document, and where its parts stand in the text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from steptrail_catalog.domain.places import Place

MAX_BYTES = 1024 * 1024
"""Of one definition as text."""
MAX_DEPTH = 40
"""Levels of lists and mappings in a definition."""
MAX_VALUES = 300_000
"""Values of a definition with every alias written out."""

JSON = "application/json"
YAML = "application/yaml"
MEDIA_TYPES = {JSON: JSON, YAML: YAML, "application/x-yaml": YAML, "text/yaml": YAML, "text/x-yaml": YAML}
"""Content types a definition may come in, and which of the two notations each means."""


@dataclass(frozen=True)
class Source:
    """`text` is the YAML as sent, or None when JSON was sent."""

    document: dict[str, Any]
    lines: Mapping[Place, int] = field(default_factory=dict)
    text: str | None = None


class Unreadable(Exception):
    """The text is no YAML or JSON that a definition may be written in."""

    def __init__(self, message: str, *, place: Place = (), line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.line = line
