"""What `db_query` asks a MongoDB: a typed document instead of a statement, with binds in the places of values."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from steptrail_common.contracts.checks.text import Place
from steptrail_common.contracts.model import Contract, Json

MAX_DEPTH = 20
STAGES = frozenset(
    f"${name}"
    for name in (
        *("addFields", "bucket", "bucketAuto", "count", "densify", "facet", "fill", "geoNear", "graphLookup", "group"),
        *("limit", "lookup", "match", "project", "redact", "replaceRoot", "replaceWith", "sample", "set"),
        *("setWindowFields", "skip", "sort", "sortByCount", "unionWith", "unset", "unwind"),
    )
)
"""Stages of an aggregation that read the database's collections and nothing else."""
FORBIDDEN = frozenset({"$where", "$function", "$accumulator", "$out", "$merge"})
"""Run programs on the server or write; refused at any depth."""
BIND = re.compile(r":([A-Za-z_]\w*)\Z")

_Documents = dict[str, Json]


class DocumentQuery(Contract):
    """One find, count or aggregate on a collection. A text that is `:name` as a whole stands for the value in params.

    `$date`, `$oid`, `$uuid` and `$numberDecimal` are written as in MongoDB's Extended JSON: `{"$date": ":since"}`.
    """

    operation: Literal["find", "aggregate", "count"] = Field(
        default="find", description="find: documents; count: how many there are; aggregate: the result of a pipeline"
    )
    collection: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            pattern=r"^[^$\x00]+$",
            description="Name of the collection",
        ),
        Place.VERBATIM,
    ]
    filter: Annotated[_Documents, Place.VERBATIM] = Field(
        default={}, max_length=100, description='For find and count: which documents, such as {"order_no": ":order"}'
    )
    projection: Annotated[_Documents, Place.VERBATIM] = Field(
        default={}, max_length=200, description='For find: which fields, such as {"_id": 0, "status": 1}'
    )
    sort: dict[str, Literal[1, -1]] = Field(
        default={}, max_length=32, description="For find: fields in their order, 1 ascending, -1 descending"
    )
    limit: int | None = Field(
        default=None, ge=1, le=1000, description="For find: at most so many documents; without it, 1000 are the limit"
    )
    pipeline: Annotated[list[_Documents], Place.VERBATIM] = Field(
        default=[], max_length=50, description="For aggregate: the stages, such as [{$match: {…}}, {$group: {…}}]"
    )

    @field_validator("collection")
    @classmethod
    def _is_data(cls, value: str) -> str:
        if value.startswith("system.") or "${{" in value:
            raise ValueError("must be the name of a collection of data")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wrong = {
            "find": ("pipeline",),
            "count": ("projection", "sort", "limit", "pipeline"),
            "aggregate": ("filter", "projection", "sort", "limit"),
        }[self.operation]
        if extra := [name for name in wrong if getattr(self, name)]:
            raise ValueError(f"{self.operation} has no {' and no '.join(extra)}")
        if self.operation == "aggregate" and not self.pipeline:
            raise ValueError("aggregate needs a pipeline")
        for at, stage in enumerate(self.pipeline):
            if len(stage) != 1 or not stage.keys() <= STAGES:
                found = ", ".join(stage)[:80] or "nothing"
                raise ValueError(
                    f"pipeline[{at}] must be one stage, and has {found}; possible: {', '.join(sorted(STAGES))}"
                )
        for path, key, value in walk(self._parts()):
            _check(path, key, value)
        return self

    def binds(self) -> frozenset[str]:
        """The names of all binds."""
        return frozenset(
            match[1] for _, _, value in walk(self._parts()) if isinstance(value, str) and (match := BIND.match(value))
        )

    def _parts(self) -> dict[str, Any]:
        return {"filter": self.filter, "projection": self.projection, "sort": self.sort, "pipeline": self.pipeline}


def walk(value: Any, path: str = "", key: str = "", depth: int = 0) -> Iterator[tuple[str, str, Any]]:
    """(path, its last key, value) of everything inside, parents first. Raises ValueError beyond `MAX_DEPTH`."""
    if depth > MAX_DEPTH:
        raise ValueError(f"{path[:80]} is nested more than {MAX_DEPTH} levels")
    yield path, key, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from walk(item, f"{path}.{name}".lstrip("."), name, depth + 1)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from walk(item, f"{path}[{at}]", "", depth + 1)


def _check(path: str, key: str, value: Any) -> None:
    if key in FORBIDDEN:
        raise ValueError(f"{path[:120]}: {key} runs programs or writes, and is refused")
    if "\x00" in key or "${{" in key:
        raise ValueError(f"{path[:120]}: a key is never templated")
    if isinstance(value, str) and "${{" in value:
        raise ValueError(f"{path[:120]} is never templated: write a bind such as :order and put the value into params")
