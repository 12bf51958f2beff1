"""Telemetry: logs without secrets, one trace over messages."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from steptrail_common import telemetry
from steptrail_common.testing.plugin import quick_logs

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """The spans that end during the test."""
    exporter = InMemorySpanExporter()
    telemetry.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """What the process wrote, parsed; logging is put back afterwards."""
    telemetry.configure("steptrail-test", level="info", as_json=True)

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield read
    structlog.reset_defaults()
    quick_logs()
    logging.basicConfig(handlers=[], force=True)


@pytest.mark.req("IR-5")
def test_a_log_line_is_one_json_object_with_time_level_and_service(lines: Lines) -> None:
    """A collector can read it without rules of its own."""
    telemetry.log.info("run.accepted", run_id="r1")
    telemetry.log.debug("not shown at this level")
    (line,) = lines()
    assert line["at"].endswith("Z")
    assert {key: line[key] for key in ("event", "level", "service", "run_id")} == {
        "event": "run.accepted",
        "level": "info",
        "service": "steptrail-test",
        "run_id": "r1",
    }


@pytest.mark.req("NFR-014")
@pytest.mark.parametrize("key", ["password", "client_secret", "Authorization", "api_key", "apiKey", "cookie", "token"])
def test_values_under_secret_looking_keys_are_not_logged(lines: Lines, key: str) -> None:
    """At any depth."""
    telemetry.log.info("saved", **{key: "canary-1"}, settings={"inner": [{key: "canary-2"}]})
    (line,) = lines()
    assert "canary" not in json.dumps(line)


@pytest.mark.req("NFR-014")
def test_passwords_in_addresses_are_not_logged_even_in_exceptions(lines: Lines) -> None:
    """Drivers like to quote the whole address."""
    try:
        raise ConnectionError("cannot reach postgresql://app:canary@db/orders")
    except ConnectionError:
        telemetry.log.exception("store.away", address="amqp://u:canary@broker/")
    (line,) = lines()
    assert "canary" not in json.dumps(line)
    assert "postgresql://[redacted]@db/orders" in str(line["exception"])


def test_lines_of_libraries_take_the_same_shape(lines: Lines) -> None:
    """One stream, one format."""
    logging.getLogger("some.library").warning("odd: %s", "http://u:canary@h/")
    (line,) = lines()
    assert line["event"] == "odd: http://[redacted]@h/"
    assert line["level"] == "warning"


@pytest.mark.req("IR-5")
def test_without_a_collector_a_span_still_gives_the_log_its_trace(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would see what it records, so it records nothing; its ids are there, for logs and for other services."""
    monkeypatch.setattr(telemetry._sampler, "seen", False)
    with telemetry.span("send", run_id="r1") as current:
        headers = telemetry.inject({})
        telemetry.log.info("sent")
    assert not current.is_recording()
    (line,) = lines()
    assert line["trace_id"] == headers["traceparent"].split("-")[1]


@pytest.mark.req("IR-5")
def test_a_service_with_a_collector_records_also_behind_one_without(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its part of the trace is there, although the caller told that it records nothing."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(telemetry._sampler, "seen", False)
        with telemetry.span("send"):
            headers = telemetry.inject({})
    with telemetry.extracted(headers), telemetry.span("receive"):
        pass
    (received,) = spans.get_finished_spans()
    assert format(received.context.trace_id, "032x") == headers["traceparent"].split("-")[1]


@pytest.mark.req("IR-5")
def test_a_service_without_a_collector_is_no_gap_in_a_trace(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the next service records hangs under what the one before recorded, not under a span that nobody saw."""
    with telemetry.span("send"):
        sent = telemetry.inject({})
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(telemetry._sampler, "seen", False)
        with telemetry.extracted(sent), telemetry.span("pass on"):
            passed = telemetry.inject({"kept": "yes"})
    assert passed == {"kept": "yes", **sent}
    with telemetry.extracted(passed), telemetry.span("receive"):
        pass
    first, last = spans.get_finished_spans()
    assert last.parent is not None
    assert last.parent.span_id == first.context.span_id


@pytest.mark.req("IR-5")
def test_a_trace_goes_on_behind_a_message(lines: Lines, spans: InMemorySpanExporter) -> None:
    """What the headers carry is enough for the receiver to be part of the same trace, logs included."""
    with telemetry.span("send", run_id="r1", missing=None):
        headers = telemetry.inject({"kept": "yes"})
    assert headers["kept"] == "yes"
    with telemetry.extracted(headers), telemetry.span("receive"):
        telemetry.log.info("received")
    sent, received = spans.get_finished_spans()
    assert received.parent is not None
    assert received.parent.span_id == sent.context.span_id
    assert dict(sent.attributes or {}) == {"steptrail.run_id": "r1"}
    (line,) = lines()
    assert line["trace_id"] == trace.format_trace_id(sent.context.trace_id)


def test_without_a_trace_headers_stay_as_they_are() -> None:
    """No half context is invented."""
    assert telemetry.inject({"a": "b"}) == {"a": "b"}
