"""A run on paper: `GET /api/v1/runs/{id}/report.pdf`."""

import io
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader

HOSTILE = '<img src="file:///etc/passwd"/><font color="red">A & B</b>'
AT = "2026-11-21T12:00:00Z"


def evidence(name: str, kind: str, media_type: str) -> dict[str, Any]:
    return {"evidence_id": name, "kind": kind, "title": name.title(), "media_type": media_type, "size_bytes": 2048,
            "sha256": "ab" * 32, "address": "a"}  # fmt: skip


def failed_step(**more: Any) -> dict[str, Any]:
    assertion = {"label": "size", "operator": "gt", "expected": 2048, "actual": 100, "met": False}
    attempt = {"attempt": 1, "status": "failed", "dispatched_at": AT, "failure_class": "connect", "message": "refused"}
    return {"step_id": "shop", "number": 2, "name": "Заказ в магазине ≥ 1", "check_type": "web_crawl",
            "status": "failed", "failure_class": "assertion", "message": "too small", "first_aid": "Look at the shop.",
            "owner": "team-shop", "attempt": 2, "of_attempts": 3, "duration_seconds": 1.5, "timeout_seconds": 30,
            "assertions": [assertion], "captures": {"order": "A-1"}, "attempts": [attempt, attempt | {"attempt": 2}],
            "evidence": [evidence("page", "page", "text/html"), evidence("picture", "screenshot", "image/png"),
                         evidence("gone", "response", "application/json")], **more}  # fmt: skip


def run(**more: Any) -> dict[str, Any]:
    passed = {"step_id": "a", "number": 1, "name": HOSTILE, "check_type": "api_call", "status": "success",
              "timeout_seconds": 30, "evidence": [evidence("unread", "response", "application/json")]}  # fmt: skip
    verdict = {"text": "Passed 1, failed at 2.", "lead": "Passed 1, "}
    return {"run_id": "r1", "process_id": "p", "process_name": "Order to cash", "revision": 7, "status": "failed",
            "trigger": "schedule", "initiated_by": "ada", "key": "4711", "inputs": {"order": "4711"}, "queued_at": AT,
            "started_at": AT, "ended_at": AT, "duration_seconds": 192, "expected_duration_seconds": 2.5,
            "verdict": verdict, "deadline_at": AT, "steps_done": 2, "steps_planned": 2, "last_seq": 2,
            "steps": [passed, failed_step()]} | more  # fmt: skip


def event(seq: int, **more: Any) -> dict[str, Any]:
    return {"event_id": str(seq), "occurred_at": AT, "run_id": "r1", "process_id": "p", "seq": seq, "at": AT,
            "type": "run.started", "status": "running"} | more  # fmt: skip


def picture() -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (400, 3000), "navy").save(sink, "PNG")
    return sink.getvalue()


def behind(door: Any, told: dict[str, Any], events: list[dict[str, Any]]) -> None:
    service = door.behind.orchestrator
    service.answer("GET", "/runs/r1", told)
    service.answer("GET", "/runs/r1/events", {"items": events, "next_cursor": None})
    service.answer("GET", "/runs/r1/evidence/page", f"Basket of {HOSTILE}\nempty".encode())
    service.answer("GET", "/runs/r1/evidence/picture", picture())


async def printed(door: Any) -> tuple[PdfReader, str]:
    """The document and its text, with one space wherever lines end."""
    answer = await (await door.program("viewer")).get("/api/v1/runs/r1/report.pdf")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'attachment; filename="steptrail-run-r1.pdf"'
    document = PdfReader(io.BytesIO(answer.content))
    return document, " ".join(" ".join(page.extract_text() for page in document.pages).split())


@pytest.mark.req("FR-023")
@pytest.mark.req("FR-021")
async def test_a_run_is_printed_with_what_a_person_wants_to_know(door: Any) -> None:
    """Verdict, facts, chain, the comparison with its units, attempts, evidence, log; in any alphabet."""
    finished = event(2, type="step.finished", status="failed", step_number=2, step_name="Shop", duration_seconds=1.5)
    behind(door, run(), [event(1), finished])
    document, text = await printed(door)
    for wanted in (
        "Order to cash · 4711",
        "Passed 1, failed at 2.",
        "3 min 12 s (usually ≈ 2.5 s)",
        "ada, by schedule",
        "2026-11-21 12:00:00 UTC",
        "order = 4711",
        "/runs/r1",
        "Заказ в магазине ≥ 1",
        "2 of 3",
        "Not as expected",
        "Look at the shop.",
        "> 2.0 KiB",
        "100 B",
        "not met",
        "refused",
        "SHA-256 abababab",
        "Basket of",
        "2 Shop: failed in 1.5 s",
        "page 1 of",
    ):
        assert wanted in text, wanted
    assert document.metadata is not None
    assert document.metadata.title == "Order to cash · 4711: Passed 1, failed at 2."
    assert [image for page in document.pages for image in page.images]


async def test_evidence_is_read_of_steps_that_need_a_look_and_its_absence_is_no_fault(door: Any) -> None:
    behind(door, run(), [event(1)])
    _, text = await printed(door)
    read = [asked.path for asked in door.behind.orchestrator.asked if "/evidence/" in asked.path]
    assert read == [f"/runs/r1/evidence/{name}" for name in ("page", "picture", "gone")]
    assert "Gone · response" in text


@pytest.mark.req("NFR-012")
async def test_markup_in_names_and_evidence_is_printed_as_it_is(door: Any) -> None:
    """The library reads markup in paragraphs, with pictures from addresses: nothing from outside may be any."""
    key = "\x00\x07 " + "k" * 300
    behind(door, run(process_name=HOSTILE, key=key), [event(1, initiated_by=HOSTILE, type="run.queued")])
    _, text = await printed(door)
    assert text.replace(" ", "").count(HOSTILE.replace(" ", "")) >= 4


async def test_a_picture_that_is_none_is_said(door: Any) -> None:
    behind(door, run(), [event(1)])
    door.behind.orchestrator.answer("GET", "/runs/r1/evidence/picture", b"GIF89a no picture")
    assert "The picture cannot be read." in (await printed(door))[1]


async def test_a_step_of_great_texts_and_a_long_log_still_fit(door: Any) -> None:
    """Cells are cut, rows part over pages, and the log says that it is not whole."""
    long = "word " * 3000
    step = failed_step(message=long, first_aid=long, description=long, captures={"all": long})
    behind(door, run(steps=[step]), [event(seq, message=long) for seq in range(1, 1202)])
    document, text = await printed(door)
    assert len(document.pages) > 20
    assert "The first 1,000 lines" in text


async def test_a_run_under_way_can_be_printed(door: Any) -> None:
    step = {"step_id": "a", "number": 1, "name": "A", "check_type": "db_query", "status": "pending",
            "timeout_seconds": 5}  # fmt: skip
    open_run = run(status="running", ended_at=None, duration_seconds=None, key=None, inputs={}, steps=[step])
    behind(door, open_run, [event(1)])
    assert "queued" in (await printed(door))[1]
