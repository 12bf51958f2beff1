"""Logs, traces and metrics: what an operator sees of a running Steptrail.

Logs are one JSON object a line on stderr (coloured on a terminal). A trace context travels in message headers, so that
one run is one trace over all services. Metrics are the closed list below, served on each process's metrics port.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TextIO, TypeVar, cast

import structlog
from opentelemetry import context, propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import Attributes
from prometheus_client import Counter, Gauge, Histogram
from pydantic_core import PydanticSerializationError, to_json

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

# The closed list of metrics. Labels have few values: never a run id, a key or an address.
RUNS = Counter("steptrail_runs_total", "Runs that ended", ["status", "trigger"])
RUN_SECONDS = Histogram("steptrail_run_seconds", "From accepted to ended", buckets=(*_SECONDS, 1800, 7200))
STEPS = Counter("steptrail_steps_total", "Steps that ended", ["status", "class", "check_type"])
STEP_SECONDS = Histogram("steptrail_step_seconds", "Time of one check", ["check_type"], buckets=_SECONDS)
ORPHANS_REPAIRED = Counter("steptrail_orphans_repaired_total", "Steps without a message, sent again; 0 in normal life")
LATE_RESULTS = Counter("steptrail_late_results_total", "Results refused: late, repeated or with a foreign token")
TICKS = Counter("steptrail_schedule_ticks_total", "Ticks of schedules", ["outcome"])
OUTBOX_OLDEST = Gauge("steptrail_outbox_oldest_seconds", "Age of the oldest unpublished message", ["service"])
BUS_DELIVERIES = Counter("steptrail_bus_deliveries_total", "Deliveries handled", ["queue", "outcome"])
BUS_PUBLISHED = Counter("steptrail_bus_published_total", "Messages published", ["outcome"])
SSE_CLIENTS = Gauge("steptrail_sse_clients", "Open live streams")
SSE_DROPPED = Counter("steptrail_sse_dropped_total", "Live streams closed because their reader was too slow")
HTTP_SECONDS = Histogram("steptrail_http_seconds", "HTTP requests", ["method", "route", "status"], buckets=_SECONDS)
WORKER_BUSY = Gauge("steptrail_worker_busy", "Checks running in this worker", ["check_type"])
HELD_BACK = Counter("steptrail_held_back_total", "Checks that waited because their target was asked often enough")
SHARED_CHECKS = Counter("steptrail_shared_checks_total", "Checks answered by one under way", ["check_type"])
ANSWERED_AGAIN = Counter("steptrail_answered_again_total", "Requests that came again and got the answer they had")
NOTIFICATIONS = Counter("steptrail_notifications_total", "Attempts to deliver", ["kind", "outcome"])
SIGN_INS = Counter("steptrail_sign_ins_total", "Attempts to sign in", ["outcome"])
BACKGROUND_RESTARTS = Counter("steptrail_background_restarts_total", "Background tasks that ended early", ["task"])

Metric = TypeVar("Metric", Counter, Gauge, Histogram)


@lru_cache(maxsize=2048)
def labelled(metric: Metric, *values: str) -> Metric:
    """The child of a metric with these values of its labels, found once: to look it up costs more than to count."""
    return metric.labels(*values)


_SECRET_KEY = re.compile(
    r"(password|passwd|passphrase|secret|authorization|cookie|api[_-]?key|private[_-]?key|credential|(^|_)token$)", re.I
)
_USERINFO = re.compile(r"(\w+://)[^/\s:@]*:[^/\s@]+@")
_MAX_REDACT_DEPTH = 6
_CARRIED = ("traceparent", "tracestate", "baggage")
_HEADERS = context.create_key("steptrail-headers")
_LOUD = ("uvicorn", "aio_pika", "aiormq", "asyncio", "scrapy", "twisted", "alembic", "pymongo", "httpx2", "httpcore2")

log = structlog.get_logger()
_provider: TracerProvider | None = None


def configure(
    service_name: str, *, level: str = "info", as_json: bool | None = None, otlp_endpoint: str | None = None
) -> None:
    """Set up logs and traces of this process. `as_json=None`: unless stderr is a terminal. May be called again."""
    if as_json is None:
        as_json = not sys.stderr.isatty()
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _add_service(service_name),
        _add_trace,
    ]
    # Plain tracebacks: the coloured ones show local variables, and with them passwords.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    ending: list[Any] = [redact, structlog.processors.JSONRenderer(serializer=_as_json) if as_json else console]
    if as_json:
        ending.insert(0, structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _writer(sys.stderr),
    )
    _route_standard_logging(number, shared, ending)
    _configure_tracing(service_name, otlp_endpoint)


@lru_cache(maxsize=1)
def _writer(stream: TextIO) -> structlog.WriteLogger:
    """One for all lines: to make it takes as long as to write."""
    return structlog.WriteLogger(stream)


def _as_json(line: Any, **_options: Any) -> str:
    """Compiled, unlike the standard library's, which a worker would spend a tenth of its time in."""
    try:
        return to_json(line, fallback=repr, inf_nan_mode="constants").decode()
    except PydanticSerializationError:  # half of a surrogate pair, say: a line must always be written
        return json.dumps(line, default=repr)


class _Stderr(logging.Handler):
    """Writes to what is stderr at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def _route_standard_logging(level: int, shared: list[Any], ending: list[Any]) -> None:
    """Lines of libraries take the same shape; the chatty ones only from warnings on."""
    handler = _Stderr()
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove_meta, *ending])
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _WhenSeen(Sampler):
    """Records spans as soon as somebody sees them. Else they only carry ids, at a tenth of the cost. Whether the caller
    recorded does not matter: a service with a collector shows its part of every trace."""

    seen = False

    def should_sample(
        self,
        parent_context: context.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes) if self.seen else SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return "WhenSeen"


_sampler = _WhenSeen()


def _configure_tracing(service_name: str, otlp_endpoint: str | None) -> None:
    """Spans always get ids, for the logs; they leave the process only if a collector is named."""
    tracer_provider(service_name)
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
        add_span_processor(BatchSpanProcessor(exporter))


def tracer_provider(service_name: str = "steptrail") -> TracerProvider:
    """The process's provider, made on first use: OpenTelemetry allows one a process."""
    global _provider
    if _provider is None:
        resource = Resource.create({"service.name": service_name})
        _provider = TracerProvider(resource=resource, sampler=_sampler, shutdown_on_exit=False)
        trace.set_tracer_provider(_provider)
    return _provider


def add_span_processor(processor: SpanProcessor) -> None:
    """See every span that ends in this process from now on: a collector, tests, extensions."""
    tracer_provider().add_span_processor(processor)
    _sampler.seen = True


@cache
def _tracer() -> trace.Tracer:
    """Of all spans here; to look it up costs as much as a span."""
    return tracer_provider().get_tracer("steptrail")


def flush(timeout_seconds: float = 2.0) -> None:
    """Send what is buffered; called when the process ends."""
    if _provider is not None:
        _provider.force_flush(int(timeout_seconds * 1000))


def span(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | int | float | bool | None
) -> AbstractContextManager[trace.Span]:
    """A span under the current one; attributes get the prefix `steptrail.`, those that are None are left out."""
    if not _sampler.seen:
        current = trace.get_current_span()
        # Whoever records behind this process hangs its span under one that is recorded, not under one that nobody saw.
        return nullcontext(current) if current.get_span_context().is_valid else _unseen()
    named = {f"steptrail.{key}": value for key, value in attributes.items() if value is not None}
    return _tracer().start_as_current_span(name, kind=kind, attributes=named)


@contextmanager
def _unseen() -> Iterator[trace.Span]:
    """A span that nobody will see: only ids, for logs and headers, at a third of what the SDK takes to drop one."""
    ids = tracer_provider().id_generator
    own = trace.SpanContext(ids.generate_trace_id(), ids.generate_span_id(), is_remote=False)
    current = trace.NonRecordingSpan(own)
    with _Attached(trace.set_span_in_context(current)):
        yield current


@dataclass(frozen=True, slots=True)
class _Came:
    """With a message: the span it was sent under, and how the next message says so."""

    span: trace.Span
    headers: Mapping[str, str]


class _Attached:
    """A context that is the current one for the length of the block."""

    __slots__ = ("_context", "_token")

    def __init__(self, attached: context.Context) -> None:
        self._context = attached

    def __enter__(self) -> None:
        self._token = context.attach(self._context)

    def __exit__(self, *_: object) -> None:
        context.detach(self._token)


def inject(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers plus the current trace context (`traceparent`); unchanged outside of any span."""
    current = context.get_current()
    came = cast("_Came | None", current.get(_HEADERS))
    if came is not None and trace.get_current_span(current) is came.span:
        return {**headers, **came.headers}
    carrier = dict(headers)
    propagate.inject(carrier, current)
    return carrier


def extracted(headers: Mapping[str, str]) -> AbstractContextManager[None]:
    """Continue the trace the headers name, for the length of the block."""
    return _Attached(_carried(*map(headers.get, _CARRIED)))


@lru_cache(maxsize=1024)
def _carried(*values: str | None) -> context.Context:
    """Read once for all messages of a run, which carry the same; with what goes on while no span is between."""
    found = propagate.extract({name: value for name, value in zip(_CARRIED, values, strict=True) if value is not None})
    onward: dict[str, str] = {}
    propagate.inject(onward, found)
    return context.set_value(_HEADERS, _Came(trace.get_current_span(found), onward), found)


def redact(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last look at every log line: values under secret-looking keys and passwords in addresses do not pass."""
    return {key: _clean(key, value, 0) for key, value in fields.items()}


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _clean(key: str, value: Any, depth: int) -> Any:
    if value is not None and _is_secret(key):
        return "[redacted]"
    if isinstance(value, str):
        return _USERINFO.sub(r"\1[redacted]@", value) if "@" in value else value
    if depth >= _MAX_REDACT_DEPTH:
        return "[too deep]"
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), item, depth + 1) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", item, depth + 1) for item in value]
    return value


def _add_service(service_name: str) -> Any:
    def processor(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        fields.setdefault("service", service_name)
        return fields

    return processor


def _add_trace(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        fields.setdefault("trace_id", trace.format_trace_id(current.trace_id))
    return fields
