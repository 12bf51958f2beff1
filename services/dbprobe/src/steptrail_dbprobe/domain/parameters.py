"""Values of binds, brought to the type the database expects, where nothing is lost by it."""

import json
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

_INTEGERS = frozenset({"int2", "int4", "int8", "oid"})
_FLOATS = frozenset({"float4", "float8"})
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)\Z")
_MAX_INTEGER = 2**63
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "citext", "unknown"})


class WrongType(ValueError):
    """The value cannot be taken as the type the statement needs."""


def fitting(name: str, value: Any, wanted: str) -> Any:
    """`value` for a bind of the database's type `wanted` (`int4`, `timestamptz`, …). Raises `WrongType`."""
    if value is None:
        return None
    try:
        return _converted(value, wanted)
    except (ValueError, TypeError, InvalidOperation):
        raise WrongType(
            f"params.{name}: {str(value)[:80]!r} is not of the type {wanted} that the statement needs"
        ) from None


def _converted(value: Any, wanted: str) -> Any:
    if wanted in _TEXTS:
        return value if isinstance(value, str) else json.dumps(value)
    if wanted == "bool":
        return {"true": True, "false": False}[value] if isinstance(value, str) else bool(value)
    if wanted in _INTEGERS:
        return _integer(value)
    if wanted in _FLOATS:
        return float(value)
    if wanted == "numeric":
        return Decimal(str(value))
    if wanted in ("timestamptz", "timestamp"):
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware if wanted == "timestamptz" else aware.astimezone(UTC).replace(tzinfo=None)
    if wanted == "date":
        return date.fromisoformat(value)
    if wanted == "time":
        return time.fromisoformat(value)
    if wanted in ("json", "jsonb"):
        return json.dumps(value)
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def untyped(name: str, value: Any) -> Any:
    """`value` for a server that does not tell which type it needs. Raises `WrongType`.

    A moment with its zone (`2026-11-01T12:00:00+01:00`) becomes a moment in UTC without one, as such servers keep it;
    whole numbers beyond 64 bits become decimals.
    """
    if isinstance(value, list | dict):
        raise WrongType(f"params.{name}: a list or object cannot be a bind here: give each value a name of its own")
    if isinstance(value, str) and _MOMENT.match(value):
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str) and "\x00" in value:
        raise WrongType(f"params.{name}: a text must not hold the character NUL")
    if isinstance(value, int) and not isinstance(value, bool) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
        return Decimal(value)
    return value
