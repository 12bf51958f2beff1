"""The base of every contract: frozen, typed, and strict about keys it does not know."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
T = TypeVar("T")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MAX_DURATION_SECONDS = 366 * 86400.0


class Contract(BaseModel):
    """What crosses a service boundary. Unknown keys are errors; instances never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null")


class Event(BaseModel):
    """A past-tense fact. Readers ignore keys they do not know, so that events can grow."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, ser_json_inf_nan="null")


def parse_duration(value: object) -> float:
    """Seconds of `500ms`, `30s`, `15m`, `2h`, `1d`, to the millisecond, so that `format_duration` can spell it.

    Raises ValueError for anything else, for 0 and above 366 days.
    """
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a duration with its unit, such as 500ms, 30s, 15m, 2h or 1d")
    seconds = round(float(match[1][:40]) * _UNIT_SECONDS[match[2]], 3)
    if not 0 < seconds <= MAX_DURATION_SECONDS:
        raise ValueError("a duration must be above 0 and at most 366d")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest exact spelling of a duration: 90.0 → `90s`, 3600.0 → `1h`, 0.5 → `500ms`."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNIT_SECONDS[unit] and seconds % _UNIT_SECONDS[unit] == 0:
            return f"{int(seconds / _UNIT_SECONDS[unit])}{unit}"
    return f"{round(seconds * 1000)}ms"


def _duration_before(value: object) -> object:
    return parse_duration(value)


Duration = Annotated[
    float,
    BeforeValidator(
        _duration_before,
        json_schema_input_type=Annotated[str, Field(pattern=_DURATION.pattern, examples=["500ms", "30s", "15m"])],
    ),
    PlainSerializer(format_duration, return_type=str),
]
"""Written with a unit, held as seconds."""

Slug = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")]
"""A stable id of a process or connection: lower-case letters, digits, dashes."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Timestamp = AwareDatetime
Json = Any
"""Any JSON value: text, number, boolean, null, list, object."""


class Page(Contract, Generic[T]):
    """One page of a list. `next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None = None


class FailureClass(StrEnum):
    """Why a result is not a success: a closed list. A finer `reason` may stand beside it."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    PERMISSION = "permission"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    HTTP_STATUS = "http_status"
    ASSERTION = "assertion"
    NOT_FOUND = "not_found"
    STALE = "stale"
    TOO_MANY = "too_many"
    TOO_LARGE = "too_large"
    SCHEMA_CHANGED = "schema_changed"
    PROTOCOL = "protocol"
    BLOCKED_BY_POLICY = "blocked_by_policy"
    INVALID_DEFINITION = "invalid_definition"
    WORKER_LOST = "worker_lost"
    INTERNAL = "internal"


class StepStatus(StrEnum):
    """A step of a run. Open: pending, running, retrying, waiting; the others are final."""

    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    SUCCESS = "success"
    WARNING = "warning"
    NOT_YET = "not_yet"
    OVERDUE = "overdue"
    FAILED = "failed"
    TIMEOUT = "timeout"
    ERROR = "error"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in OPEN_STEP


class RunStatus(StrEnum):
    """A run. Open: queued, running; the others are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    WARNING = "warning"
    NOT_YET = "not_yet"
    STUCK = "stuck"
    FAILED = "failed"
    TIMEOUT = "timeout"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in OPEN_RUN


OPEN_STEP = frozenset({StepStatus.PENDING, StepStatus.RUNNING, StepStatus.RETRYING, StepStatus.WAITING})
OPEN_RUN = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})


class Problem(BaseModel):
    """An RFC 9457 problem document, the one shape of every error."""

    type: str = Field(description="A stable identifier of the kind of error", examples=["/problems/run-not-found"])
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list["FieldError"] | None = Field(default=None, description="What is wrong, field by field")
    error_id: str | None = Field(default=None, description="Quote this when you report the problem")


class FieldError(BaseModel):
    """One fault in what was sent: where (`steps[2].check.url`) and what to do."""

    path: str
    message: str
    line: int | None = Field(default=None, description="Line in the YAML text, from 1, when YAML was sent")


@lru_cache(maxsize=64)
def utc(value: datetime) -> str:
    """RFC 3339 in UTC with a Z, microseconds kept. Remembered for a while: all that a decision tells has one moment."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
