"""Values written as `${{ … }}`: CEL over inputs, vars, steps and run. No calls into Python, bounded size and time.

A text that is exactly one expression keeps the type of its value; otherwise values are inserted as text. Other
template languages' marks (`{{ }}`, `{% %}`, `#{ }`) are plain text.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from steptrail_common import cel
from steptrail_common.contracts.expressions import CLOSE, OPEN, end_of
from steptrail_common.contracts.model import utc

MAX_EXPRESSION = 4000
"""Characters of one expression."""
MAX_TEXT = 65536
"""Characters of one rendered text."""
MAX_WORK = 5000
"""Upper bound of the elements an expression's macros may visit (`map` over 1,000 elements takes about 40 ms)."""

_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z")
_MACRO = re.compile(r"\.(?:map|filter|all|exists|exists_one)\s*\(")
_STEP = re.compile(
    r"(?<!has\()\bsteps\s*(?:\.\s*(?P<dotted>\w+)|\[\s*['\"](?P<quoted>\w+)['\"]\s*\])(?:\s*\.\s*(?P<name>\w+))?"
)
"""A reference to a step; `has(steps.a.b)` only asks."""
_INT64 = 2**63
_OBJECTS = (dict, Mapping)
"""What has names; the common one first, because asking an abstract class is slow."""
Place = Callable[[str, int], str]
"""Encodes an inserted text for its place; the second argument is where in the text it stands."""


class ExpressionError(Exception):
    """The expression cannot be evaluated; the text names it and says why."""

    def __init__(self, expression: str, why: str) -> None:
        shown = expression if len(expression) <= 120 else expression[:119] + "…"
        super().__init__(f"${{{{ {shown} }}}}: {why}")


class StepNotRun(Exception):
    """The expression refers to a step without a result; `step_id` names it."""

    def __init__(self, step_id: str) -> None:
        super().__init__(step_id)
        self.step_id = step_id


class Scope:
    """What expressions can see. `absent` holds the ids of steps that gave nothing, or not all they promised: to refer
    to what they did not give is `StepNotRun`."""

    def __init__(self, values: Mapping[str, Any], absent: Collection[str] = ()) -> None:
        self.values = values
        self.absent = absent
        self._native: dict[str, Any] | None = None
        self._longest = 0

    def gives(self, step_id: str, name: str | None) -> bool:
        """Whether the step has a value of this name; its `status` is always there."""
        return name is not None and name in self.values["steps"].get(step_id, {})

    @property
    def native(self) -> dict[str, Any]:
        """The values as CEL takes them, made once."""
        if self._native is None:
            self._native = {name: _to_cel(value) for name, value in self.values.items()}
            self._longest = _longest_list(self._native)
        return self._native

    @property
    def longest_list(self) -> int:
        return self._longest if self.native else 0


def has_expression(text: str) -> bool:
    return OPEN in text


def evaluate(expression: str, scope: Scope) -> Any:
    """The value of one expression (without its marks): JSON types or datetime.

    Raises `ExpressionError`, `StepNotRun`.
    """
    expression = expression.strip()
    if not expression:
        raise ExpressionError(expression, "it is empty")
    if len(expression) > MAX_EXPRESSION:
        raise ExpressionError(expression, f"it is longer than {MAX_EXPRESSION} characters")
    if _PATH.match(expression) and expression not in ("true", "false", "null"):
        return _look_up(expression, scope)
    _refuse_absent(expression, scope)
    elements = max(scope.longest_list, expression.count(",") + 1)
    if elements ** len(_MACRO.findall(expression)) > MAX_WORK:
        raise ExpressionError(expression, f"it may visit more than {MAX_WORK} elements; nest fewer map, filter, all")
    if expression.count("+") * _longest_text(scope.values) > 16 * MAX_TEXT:
        raise ExpressionError(expression, "it may build a text that is too long")
    return _execute(expression, scope)


def render(text: str, scope: Scope, place: Place | None = None) -> Any:
    """The value of a text: as it is without `${{`, typed if it is exactly one expression, else text with insertions.

    With `place` the result is always text and each inserted value is encoded by it.
    """
    if OPEN not in text:
        return text
    parts = _split(text)
    if place is None and len(parts) == 1 and parts[0][0]:
        return evaluate(parts[0][1], scope)
    out: list[str] = []
    length = 0
    for is_expression, part in parts:
        piece = part
        if is_expression:
            piece = as_text(part, evaluate(part, scope))
            piece = place(piece, length) if place else piece
        out.append(piece)
        length += len(piece)
        if length > MAX_TEXT:
            raise ExpressionError(part, f"the text with its value is longer than {MAX_TEXT} characters")
    return "".join(out)


def render_all(value: Any, scope: Scope) -> Any:
    """A JSON value with every text in it rendered; numbers and the like stay."""
    if isinstance(value, str):
        return plain(render(value, scope))
    if isinstance(value, list):
        return [render_all(item, scope) for item in value]
    if isinstance(value, dict):
        return {key: render_all(item, scope) for key, item in value.items()}
    return value


def condition(text: str, scope: Scope) -> bool:
    """The value of an `if`, written bare or as one `${{ … }}`. Anything but true and false is an error."""
    parts = _split(text) if OPEN in text else ((True, text),)
    if len(parts) != 1 or not parts[0][0]:
        raise ExpressionError(text, "write `if` as one expression")
    value = evaluate(parts[0][1], scope)
    if not isinstance(value, bool):
        raise ExpressionError(parts[0][1], f"`if` must give true or false, not {_kind(value)}")
    return value


def as_text(expression: str, value: Any) -> str:
    """How a value is written inside a text. Null, lists and objects have no such form."""
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(value)
    raise ExpressionError(expression, f"{_kind(value)} cannot be inserted into a text")


def plain(value: Any) -> Any:
    """A value as JSON carries it: datetimes as RFC 3339 text, durations as seconds."""
    if isinstance(value, datetime):
        return utc(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def moment(text: str) -> datetime | None:
    """The moment a text names (RFC 3339, a blank for the T, no zone means UTC); None if it names none."""
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


@lru_cache(maxsize=500)
def _split(text: str) -> tuple[tuple[bool, str], ...]:
    """The parts of a text in order: (is an expression, its text). Quotes inside an expression may hold `}}`."""
    parts: list[tuple[bool, str]] = []
    at = 0
    while (start := text.find(OPEN, at)) >= 0:
        if start > at:
            parts.append((False, text[at:start]))
        end = end_of(text, start + len(OPEN))
        if end is None:
            raise ExpressionError(text[start + len(OPEN) :], "the closing }} is missing")
        parts.append((True, text[start + len(OPEN) : end].strip()))
        at = end + len(CLOSE)
    if at < len(text):
        parts.append((False, text[at:]))
    return tuple(parts)


def _look_up(path: str, scope: Scope) -> Any:
    """The common case, a plain path, without CEL: faster, and its errors name what is missing."""
    names = path.split(".")
    if names[0] == "steps":
        _refuse_absent(path, scope)
    value: Any = scope.values
    for depth, name in enumerate(names):
        if not isinstance(value, _OBJECTS) or name not in value:
            known = ", ".join(sorted(map(str, value))[:10]) if isinstance(value, Mapping) else ""
            where = ".".join(names[:depth]) or "the expression"
            raise ExpressionError(path, f"{where} has no {name}" + (f" (it has {known})" if known else ""))
        value = value[name]
    return value


def _refuse_absent(expression: str, scope: Scope) -> None:
    for found in _STEP.finditer(expression) if scope.absent else ():
        step_id, name = found["dotted"] or found["quoted"], found["name"]
        if step_id in scope.absent and not scope.gives(step_id, name):
            raise StepNotRun(step_id)


@lru_cache(maxsize=2000)
def _compile(expression: str) -> Any:
    return cel.load().compile(expression)


def _execute(expression: str, scope: Scope) -> Any:
    try:
        value = _compile(expression).execute(scope.native)
    except KeyError as error:
        raise ExpressionError(expression, f"there is no {error.args[0] if error.args else 'such key'}") from None
    except ZeroDivisionError:
        raise ExpressionError(expression, "it divides by zero") from None
    except OverflowError:
        raise ExpressionError(expression, "a number becomes too large") from None
    except (TypeError, ValueError, RuntimeError, RecursionError, IndexError) as error:
        raise ExpressionError(expression, _first_line(error)) from None
    return _from_cel(expression, value)


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    told = re.search(r'msg: "([^"]+)"', str(error))
    if told:
        return told[1]
    parsing = [line.split("ERROR: ", 1)[1] for line in lines if "ERROR: " in line]
    text = (parsing or lines or ["it is wrong"])[0]
    return text.split(". CEL ", 1)[0][:300]


def _to_cel(value: Any) -> Any:
    """Whole numbers beyond 64 bits would silently become floats: they go in as text."""
    if isinstance(value, Mapping):
        return {str(key): _to_cel(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_cel(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT64 <= value < _INT64:
        return str(value)
    return value


def _from_cel(expression: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str | datetime | timedelta | bytes):
        return value
    if isinstance(value, list):
        return [_from_cel(expression, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _from_cel(expression, item) for key, item in value.items()}
    raise ExpressionError(expression, "its value has no JSON form")


def _longest_list(value: Any) -> int:
    if isinstance(value, Mapping):
        return max((len(value), *map(_longest_list, value.values())), default=0)
    if isinstance(value, list):
        return max((len(value), *map(_longest_list, value)), default=0)
    return 1


def _longest_text(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return max(map(_longest_text, value.values()), default=0)
    if isinstance(value, list):
        return max(map(_longest_text, value), default=0)
    return 1


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "true or false", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "a moment")
