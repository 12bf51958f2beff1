"""JSON paths (RFC 9535) in values from the wild. Loaded by `documents.json_paths`, since its library takes its time."""

from functools import lru_cache
from typing import Any

import jsonpath
from steptrail_common.contracts.model import Json

from steptrail_checks.documents import MAX_MATCHES, MAX_PATH_CHARACTERS, selector_error
from steptrail_checks.patterns import pattern


def find(document: Json, path: str) -> list[Json]:
    """See `documents.find_json`."""
    found: list[Json] = []
    try:
        for match in _compiled(path).finditer(document):
            found.append(match.obj)
            if len(found) > MAX_MATCHES:
                raise selector_error(path, f"it finds more than {MAX_MATCHES} values")
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise selector_error(path, str(error) or "nested too deep") from error
    return found


@lru_cache(maxsize=256)
def _compiled(path: str) -> Any:
    if len(path) > MAX_PATH_CHARACTERS:
        raise selector_error(path, f"longer than {MAX_PATH_CHARACTERS} characters")
    try:
        return _ENVIRONMENT.compile(path)
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise selector_error(path, str(error)) from error


class _LinearMatch(jsonpath.function_extensions.FilterFunction):
    """RFC 9535's `match` and `search` with RE2, so that no filter can hang."""

    arg_types = [jsonpath.function_extensions.ExpressionType.VALUE, jsonpath.function_extensions.ExpressionType.VALUE]
    return_type = jsonpath.function_extensions.ExpressionType.LOGICAL

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole

    def __call__(self, value: object, expression: object) -> bool:
        if not isinstance(value, str) or not isinstance(expression, str):
            return False
        compiled = pattern(expression)
        return bool(compiled.fullmatch(value) if self._whole else compiled.search(value))


def _environment() -> Any:
    environment = jsonpath.JSONPathEnvironment(strict=True)
    environment.function_extensions["match"] = _LinearMatch(whole=True)
    environment.function_extensions["search"] = _LinearMatch(whole=False)
    return environment


_ENVIRONMENT = _environment()
