"""The texts of a check's configuration: they may hold `${{ … }}`, which the orchestrator evaluates.

The type of a text says where its values end up, and with it how an inserted value is encoded: one declaration, read by
the orchestrator (rendering) and the catalog (plan).
"""

from enum import Enum
from typing import Annotated

from pydantic import Field


class Place(Enum):
    """Where a text ends up. Texts of no declared place are `TEXT`, or `VALUE` where the field takes more than text."""

    TEXT = "text"
    """Plain text; an inserted value becomes text."""
    VALUE = "value"
    """A JSON value; a text that is one `${{ … }}` as a whole keeps the type of its value."""
    URL = "url"
    """An address: a value at its beginning is a base and stays as it is, every other one is percent-encoded."""
    URL_PATH = "url_path"
    """Path and query below a base address: every value is percent-encoded."""
    FILE = "file"
    """A path of files: a value is one name, it can neither change folders nor match several files."""
    HEADER = "header"
    """One line: values with control characters are refused."""
    VERBATIM = "verbatim"
    """Never templated: statements and programs, whose values go in as binds or variables."""


Text = Annotated[str, Field(min_length=1, max_length=8192)]
Url = Annotated[str, Field(min_length=1, max_length=8192), Place.URL]
UrlPath = Annotated[str, Field(min_length=1, max_length=8192), Place.URL_PATH]
FilePath = Annotated[str, Field(min_length=1, max_length=8192), Place.FILE]
HeaderValue = Annotated[str, Place.HEADER]
Expression = Annotated[str, Field(pattern=r"^\$\{\{.*\}\}$", max_length=8192), Place.VALUE]
"""One `${{ … }}`: for fields that take it instead of a number or true and false, such as `int | Expression`."""
