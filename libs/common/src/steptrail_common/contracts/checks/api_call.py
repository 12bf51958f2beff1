"""Configuration of `api_call`."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from steptrail_common.contracts.checks.configuration import CheckConfiguration, Touch
from steptrail_common.contracts.checks.http import HTTP_CAPTURES, HTTP_SUBJECTS, http_touches
from steptrail_common.contracts.checks.text import HeaderValue, Place, Url, UrlPath
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.model import Contract, Json, Slug

_WITHOUT_EFFECT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_WITHOUT_BODY = frozenset({"GET", "HEAD", "TRACE"})
MAX_BODY_CHARACTERS = 1024 * 1024
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
FieldName = Annotated[str, Field(min_length=1, max_length=200)]
MediaType = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[\x20-\x7e]+)?$", max_length=200)
]
JsonPath = Annotated[str, Field(min_length=1, max_length=1000)]


class GraphQL(Contract):
    """A GraphQL operation. It is posted as JSON; `errors` in the answer fail the step."""

    query: Annotated[str, Field(min_length=1, max_length=65536), Place.VERBATIM] = Field(
        description="The text of the operation; values go into variables"
    )
    variables: dict[str, Json] = Field(default={}, description="Values of the operation's variables")
    operation_name: str | None = Field(
        default=None, max_length=200, description="Which operation to run, if the text holds several"
    )


class Part(Contract):
    """One part of a multipart form: a field, or a file."""

    name: FieldName = Field(description="Name of the field")
    text: str | None = Field(default=None, max_length=MAX_BODY_CHARACTERS, description="Its content as text")
    base64: str | None = Field(default=None, max_length=MAX_BODY_CHARACTERS, description="Its content as base64")
    filename: HeaderValue | None = Field(default=None, max_length=255, description="Makes it a file of this name")
    content_type: MediaType | None = Field(default=None, description="Media type, such as application/pdf")

    @model_validator(mode="after")
    def _one_content(self) -> "Part":
        _check_content(self.text, self.base64)
        return self


class RawBody(Contract):
    """A body sent byte for byte."""

    text: str | None = Field(default=None, max_length=MAX_BODY_CHARACTERS, description="The body as text (UTF-8)")
    base64: str | None = Field(default=None, max_length=MAX_BODY_CHARACTERS, description="The body as base64")
    content_type: MediaType = Field(default="application/octet-stream", description="Media type, such as text/xml")

    @model_validator(mode="after")
    def _one_content(self) -> "RawBody":
        _check_content(self.text, self.base64)
        return self


class Pagination(Contract):
    """Follow the pages of a list. Assertions and captures then see one JSON document of all of them:
    `{"items": […], "pages": 3, "last": {…}}`."""

    by: Literal["link", "url", "cursor", "page", "offset"] = Field(
        description="How the next page is found: link (the header `Link: rel=next`), url (an address in the answer), "
        "cursor (a value in the answer, sent as `parameter`), page or offset (a number, sent as `parameter`)"
    )
    items: JsonPath = Field(default="$[*]", description="JSON path of the entries of one page, such as $.orders[*]")
    next: JsonPath | None = Field(default=None, description="For url and cursor: JSON path of what leads on")
    parameter: FieldName | None = Field(
        default=None, description="For cursor, page and offset: the query parameter that carries it"
    )
    first: int = Field(default=1, ge=0, le=1_000_000_000, description="For page and offset: number of the first page")
    step: int = Field(default=1, ge=1, le=1_000_000, description="For page and offset: what is added each time")
    until: JsonPath | None = Field(
        default=None, description="Stop behind the page in which this JSON path finds something"
    )
    max_pages: int = Field(default=20, ge=1, le=500, description="More pages than this fail the step")
    max_items: int = Field(default=10_000, ge=1, le=100_000, description="More entries than this fail the step")

    @model_validator(mode="after")
    def _fits(self) -> "Pagination":
        if (self.by in ("url", "cursor")) != (self.next is not None):
            raise ValueError("`next` belongs to by: url and by: cursor: the JSON path of what leads to the next page")
        if (self.by in ("cursor", "page", "offset")) != (self.parameter is not None):
            raise ValueError("`parameter` belongs to by: cursor, page and offset: the query parameter to send")
        return self


class ApiCall(CheckConfiguration):
    """A REST or GraphQL request, or all pages of a list."""

    subjects: ClassVar[tuple[str, ...]] = (*HTTP_SUBJECTS, "certificate")
    captures: ClassVar[tuple[str, ...]] = (*HTTP_CAPTURES, "cookies")
    connections: ClassVar[tuple[str, ...]] = ("http",)

    type: Literal["api_call"]
    url: Url | None = Field(default=None, description="The whole address; or a connection and a path")
    connection: Slug | None = Field(default=None, description="Whose base address and credentials are used")
    path: UrlPath | None = Field(default=None, description="Below the connection's base address")
    method: Method = Field(default="GET", description="The HTTP method")
    query: dict[str, str | int | float | bool | list[str | int | float | bool]] = Field(
        default={}, max_length=200, description="Query parameters; a list repeats its name"
    )
    headers: dict[str, HeaderValue] = Field(default={}, max_length=50, description="Request headers")
    body: Json = Field(default=None, alias="json", description="A JSON value to send")
    form: dict[str, str | list[str]] | None = Field(
        default=None, description="Fields to send as a form (application/x-www-form-urlencoded)"
    )
    multipart: list[Part] | None = Field(
        default=None, min_length=1, max_length=50, description="Fields and files to send as multipart/form-data"
    )
    raw: RawBody | None = Field(default=None, description="A body to send byte for byte")
    graphql: GraphQL | None = Field(default=None, description="A GraphQL operation to post")
    secrets: dict[FieldName, Slug | Literal["client_secret", "api_key"]] = Field(
        default={},
        max_length=10,
        description="Fields of the form or of the JSON object that the worker fills from the connection's secrets: "
        "field name to secret name, such as {password: password}",
    )
    paginate: Pagination | None = Field(default=None, description="Follow the pages of a list")
    cookies: str | None = Field(
        default=None,
        max_length=65536,
        description="Cookies that an earlier step captured with {cookies: all}, such as ${{ steps.login.session }}",
    )
    http2: bool = Field(default=False, description="Offer HTTP/2 to the server")
    verify_tls: bool = Field(default=True, description="Accept valid certificates only")
    mask: list[str] = Field(default=[], max_length=50, description="Keys whose values are hidden in evidence")

    @property
    def sent_method(self) -> str:
        """GraphQL is posted unless the step says otherwise."""
        return "POST" if self.graphql is not None and self.method == "GET" else self.method

    def bodies(self) -> list[str]:
        """The names of all bodies it holds, as they are written; more than one is a fault."""
        given = {"json": self.body, "form": self.form, "multipart": self.multipart, "raw": self.raw}
        return [name for name, body in (given | {"graphql": self.graphql}).items() if body is not None]

    def faults(self) -> Iterator[tuple[str, str]]:
        """(field, what is wrong) that no single field tells. Expressions may still be open."""
        bodies = self.bodies()
        if len(bodies) > 1:
            yield bodies[1], f"a request has one body: write either {' or '.join(bodies)}"
        if bodies and self.sent_method in _WITHOUT_BODY:
            yield bodies[0], f"a {self.method} request has no body: write method: POST"
        if self.secrets and self.connection is None:
            yield "secrets", "are those of a connection: name one"
        if self.secrets and self.form is None and not isinstance(self.body, dict):
            yield "secrets", "fill fields of a form or of a JSON object: write form or json"
        if self.paginate is not None and self.sent_method == "HEAD":
            yield "paginate", "needs answers with a body: write method: GET"

    def touches(self, settings: ConnectionSettings | None) -> Iterator[Touch]:
        return http_touches(self.sent_method, self.url, self.connection, self.path, settings)

    def shares_answer(self) -> bool:
        query = self.graphql is not None and not self.graphql.query.lstrip().startswith("mutation")
        return query or (self.graphql is None and self.method in _WITHOUT_EFFECT)


def _check_content(text: str | None, base64: str | None) -> None:
    if (text is None) == (base64 is None):
        raise ValueError("write its content either as text or as base64")
