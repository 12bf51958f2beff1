"""Definitions as JSON: read with limits, duplicate keys and numbers JSON does not know refused."""

import json
from math import isinf
from typing import Any, NoReturn

from steptrail_catalog.domain.places import shortened
from steptrail_catalog.domain.source import MAX_DEPTH, MAX_VALUES, Source, Unreadable

_MAX_DIGITS = 300


def read_json(text: str) -> Source:
    """The document of a JSON text. Raises `Unreadable`."""
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        raise Unreadable(f"not valid JSON: {error.msg} (column {error.colno})", line=error.lineno) from None
    except RecursionError:
        raise Unreadable(f"nested deeper than {MAX_DEPTH} levels") from None
    if not isinstance(document, dict):
        raise Unreadable('a definition is a JSON object: {"version": 1, "process": …}')
    check_size(document)
    return Source(document)


def check_size(document: Any) -> None:
    """Bounds the number and the nesting of values. Raises `Unreadable`."""
    level, count = [document], 1
    for _depth in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        count += len(level)
        if count > MAX_VALUES:
            raise Unreadable(f"more than {MAX_VALUES} values")
        if not level:
            return
    raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise Unreadable(f'the key "{shortened(key)}" stands twice in one object')
        made[key] = value
    return made


def _constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise Unreadable(f"the number {shortened(text)} is too large")
    return value


def _int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise Unreadable(f"a number may have at most {_MAX_DIGITS} digits")
    return int(text)
