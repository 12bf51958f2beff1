"""Values as checks meet them: typed comparison, reading of numbers and moments, short readable forms."""

import base64
import json
import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from steptrail_common.contracts.model import Json, parse_duration, utc

MAX_SHOWN_CHARACTERS = 300
MAX_SHOWN_ITEMS = 10
_EXACT_FLOAT_INTEGER = 2**53
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} ")


def same(left: object, right: object) -> bool:
    """Equality that keeps types: 1 equals 1.0, but neither `"1"` nor true."""
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool) and left == right
    if isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


def type_name(value: object) -> str:
    """The field's word for the type of a JSON value."""
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list"}
    return names.get(type(value), "object")


def is_of_type(value: object, wanted: str) -> bool:
    """Whether a value has one of the types an assertion may name; `datetime` is text that is a moment."""
    if wanted == "datetime":
        return isinstance(value, str) and as_datetime(value) is not None
    if wanted == "number":
        return type_name(value) in ("integer", "number")
    return type_name(value) == {"array": "list", "text": "string"}.get(wanted, wanted)


def as_number(value: object) -> int | float | None:
    """A number, or text that is nothing but a number (blanks around it are fine)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        return int(value) if value.strip().lstrip("+-").isdigit() else _finite(float(value.replace("_", "x")))
    except ValueError:
        return None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def as_datetime(value: object) -> datetime | None:
    """A moment in UTC: RFC 3339 text, a date, an HTTP date; without a zone it is taken as UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if not isinstance(value, str) or not 8 <= len(value.strip()) <= 64:
        return None
    text = value.strip()
    if text.isdigit():
        return None  # 20261101 is more often an order number than a day
    try:
        return as_datetime(datetime.fromisoformat(text))
    except ValueError:
        pass
    if not _HTTP_DATE.match(text):
        return None
    try:
        return as_datetime(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def as_seconds(value: object) -> float | None:
    """Seconds of a duration: `24h`, or a plain number of seconds."""
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            return None
    return as_number(value)


def json_value(value: Any) -> Json:
    """What a driver or parser gave, in its defined JSON form.

    Moments are RFC 3339 in UTC, decimals numbers where a number is exact and text elsewhere, bytes `base64:…`,
    intervals seconds, NaN and infinities text; anything else its text.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT_FLOAT_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_value(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Json:
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime):
        return utc(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return "base64:" + base64.b64encode(bytes(value)).decode()
    return str(value)


def _decimal(value: Decimal) -> Json:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value() and abs(value) <= _EXACT_FLOAT_INTEGER:
        return int(value)
    number = float(value)
    return (
        number if Decimal(repr(number)) == value else format(value, "f") if abs(value.adjusted()) < 50 else str(value)
    )


def short(value: Json) -> Json:
    """A value cut to what a person reads: long text, long lists and deep objects end in an ellipsis."""
    if isinstance(value, str):
        return value if len(value) <= MAX_SHOWN_CHARACTERS else value[: MAX_SHOWN_CHARACTERS - 1] + "…"
    if isinstance(value, list):
        shown = [short(item) for item in value[:MAX_SHOWN_ITEMS]]
        return [*shown, f"… {len(value) - MAX_SHOWN_ITEMS} more"] if len(value) > MAX_SHOWN_ITEMS else shown
    if isinstance(value, dict):
        return short(json.dumps(value, ensure_ascii=False, default=str))
    return json_value(value)


def shown(value: Json) -> str:
    """A value inside a sentence: text in quotes, the rest as JSON."""
    if isinstance(value, str):
        return f'"{short(value)}"'
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value[:MAX_SHOWN_ITEMS]) or "nothing"
    return str(short(json.dumps(value, ensure_ascii=False, default=str)))


def spoken_seconds(seconds: float) -> str:
    """An age or duration as people say it: `850 ms`, `12 s`, `3 h 12 m`, `2 d 4 h`."""
    if seconds < 0:
        return f"-{spoken_seconds(-seconds)}"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if hours == 0:
        return _two(minutes, "min", int(seconds) % 60, "s")
    if days == 0:
        return _two(hours, "h", minutes % 60, "m")
    return _two(days, "d", hours % 24, "h")


def spoken_bytes(count: float) -> str:
    """A size as people say it, in powers of 1024 like the limits: `78 B`, `4.1 KiB`, `11.8 MiB`."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1023.95:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
