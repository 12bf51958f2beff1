"""A document query with its binds filled in, in the types of MongoDB."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from steptrail_common.contracts.checks.document_query import BIND, DocumentQuery
from steptrail_common.contracts.model import Json

from steptrail_dbprobe.domain.binds import UnknownBind
from steptrail_dbprobe.domain.parameters import WrongType

Convert = Callable[[str], Any]


class Filled:
    """The parts of a document query as the driver takes them. Raises `UnknownBind` and `WrongType`.

    `types`: how `$oid`, `$uuid` and `$numberDecimal` are made of text. A bound text that begins with a dollar would be
    the name of a field inside an expression, so it is marked as a literal there.
    """

    def __init__(self, asked: DocumentQuery, params: Mapping[str, Json], types: Mapping[str, Convert]) -> None:
        self._params = params
        self._types = types
        self.filter = self._filled(asked.filter, expression=False)
        self.projection = self._filled(asked.projection, expression=True)
        self.pipeline = [self._stage(stage) for stage in asked.pipeline]

    def _stage(self, stage: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._filled(body, expression=name != "$match") for name, body in stage.items()}

    def _filled(self, value: Any, *, expression: bool) -> Any:
        if isinstance(value, str):
            return self._bound(value, expression)
        if isinstance(value, list):
            return [self._filled(item, expression=expression) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and (typed := self._typed(*next(iter(value.items())))) is not None:
            return typed
        return {
            key: self._filled(item, expression=key == "$expr" or (expression and key != "$match"))
            for key, item in value.items()
        }

    def _bound(self, text: str, expression: bool) -> Any:
        match = BIND.match(text)
        if match is None:
            return text
        value = self._value(match[1])
        return {"$literal": value} if expression and _names_a_field(value) else value

    def _value(self, name: str) -> Any:
        if name not in self._params:
            raise UnknownBind(f"the query names :{name}, and params has no {name}")
        value = self._params[name]
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dict | list) for item in items):
            raise WrongType(f"params.{name}: a bind is a value or a list of values, never an object")
        if any(isinstance(item, int) and not -(2**63) <= item < 2**63 for item in items):
            raise WrongType(f"params.{name}: a whole number has at most 64 bits here")
        return value

    def _typed(self, key: str, value: Any) -> Any:
        """The value of `{"$date": …}` and its like; None for anything else."""
        if key != "$date" and key not in self._types:
            return None
        match = BIND.match(value) if isinstance(value, str) else None
        text = self._value(match[1]) if match else value
        try:
            return _moment(text) if key == "$date" else self._types[key](text)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise WrongType(f"{key}: {str(text)[:80]!r} cannot be read") from error


def _names_a_field(value: Any) -> bool:
    return any(
        isinstance(item, str) and item.startswith("$") for item in (value if isinstance(value, list) else [value])
    )


def _moment(text: Any) -> datetime:
    if not isinstance(text, str):
        raise TypeError
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
