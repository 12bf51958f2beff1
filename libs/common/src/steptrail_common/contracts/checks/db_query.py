"""Configuration of `db_query`."""

import json
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from steptrail_common.contracts.checks.configuration import CheckConfiguration, Touch
from steptrail_common.contracts.checks.document_query import DocumentQuery
from steptrail_common.contracts.checks.text import Place
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.model import Json, Slug


class DbQuery(CheckConfiguration):
    """One read-only statement. Values go in as binds (`:name`) only; the text is never templated."""

    subjects: ClassVar[tuple[str, ...]] = ("rows", "column", "jsonpath", "elapsed", "count")
    captures: ClassVar[tuple[str, ...]] = ("column", "jsonpath")
    connections: ClassVar[tuple[str, ...]] = ("postgresql", "mysql", "mssql", "oracle", "mongodb", "sqlite")
    timeout_seconds: ClassVar[float] = 5.0

    type: Literal["db_query"]
    connection: Slug = Field(description="The connection of the database")
    query: Annotated[str, Field(min_length=1, max_length=65536), Place.VERBATIM] | None = Field(
        default=None, description="SQL: one select. Values are binds, such as :order, and stand in params"
    )
    documents: DocumentQuery | None = Field(default=None, description="MongoDB: what is asked, instead of query")
    params: dict[str, Json] = Field(
        default={}, max_length=200, description="The value of each bind; here ${{ … }} is allowed"
    )
    mask: list[str] = Field(
        default=[], max_length=100, description="Columns, or keys of documents, whose values are hidden in evidence"
    )

    @field_validator("query")
    @classmethod
    def _never_templated(cls, value: str | None) -> str | None:
        if value is not None and "${{" in value:
            raise ValueError("SQL text is never templated: write a bind such as :order and put the value into params")
        return value

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.query is None) == (self.documents is None):
            raise ValueError("write either query (SQL), or documents (MongoDB)")
        return self

    @property
    def statement(self) -> str:
        """What is asked, on one line."""
        if self.documents is None:
            return " ".join((self.query or "").split())
        asked = self.documents
        parts = asked.model_dump(mode="json", exclude_unset=True, exclude={"operation", "collection"})
        return f"{asked.operation} {asked.collection} {json.dumps(parts, ensure_ascii=False)}"

    def touches(self, settings: ConnectionSettings | None) -> Iterator[Touch]:
        """The server (or file) and the statement with its binds."""
        host = getattr(settings, "host", None)
        if host is not None:
            database = getattr(settings, "database", None) or getattr(settings, "service_name", "")
            user = getattr(settings, "username", None)
            detail = f"database {database} as {user}" if user else f"database {database}"
            yield Touch("host", f"{host}:{getattr(settings, 'port', '')}", detail)
        elif settings is not None:
            yield Touch("file", str(getattr(settings, "path", self.connection)), f"connection {self.connection}")
        else:
            yield Touch("host", f"connection {self.connection}")
        binds = ", ".join(f"{name} = {value}" for name, value in self.params.items())
        yield Touch("statement", self.statement, binds or None)

    def shares_answer(self) -> bool:
        return True
