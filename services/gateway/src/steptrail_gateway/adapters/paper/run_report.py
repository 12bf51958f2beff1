"""The report of a run: its verdict, its chain, every step that did something, its log."""

import io
from typing import Any, Final

from PIL import Image as Picture
from reportlab.platypus import Flowable, Image, KeepTogether, Spacer
from steptrail_common.contracts.orchestrator import RunView, StepView
from steptrail_common.contracts.workers import Evidence

from steptrail_gateway.adapters.paper.sheet import (
    TONES,
    WIDTH,
    cell,
    document,
    facts,
    lines,
    status_cell,
    table,
    words,
)
from steptrail_gateway.domain import wording
from steptrail_gateway.ports import RunReport

EXCERPT_LINES: Final = 30
EXCERPT_WIDTH: Final = 112
"""Characters of the fixed font that fit the page."""
PICTURE_FORMATS: Final = ("PNG", "JPEG", "WEBP")
MOST_PIXELS: Final = 40_000_000
PICTURE_WIDTH: Final = 1200
PICTURE_HEIGHT: Final = 0.45
"""Of a picture, as a share of the width on paper: the upper part of a long page is what tells."""
_IDLE: Final = {"pending", "skipped", "cancelled"}


def run_report(report: RunReport) -> bytes:
    """The PDF."""
    run = report.run
    name = f"{run.process_name} · {run.key}" if run.key else run.process_name
    story: list[Flowable] = [
        words("Steptrail · report of a run", "muted"),
        words(name, "title"),
        words(run.verdict.text, "verdict", TONES.get(run.status)),
        facts(_facts(report)),
        words("Chain", "heading"),
        _chain(run),
        words("Steps", "heading"),
    ]
    for step in run.steps:
        if step.status not in _IDLE:
            story += _step(step, report)
    story += [words("Log", "heading"), _log(report)]
    if not report.all_events:
        story.append(
            words(f"The first {len(report.events):,} lines; all of them are in the archive of the run.", "muted")
        )
    foot = f"{name} · printed {wording.moment(report.printed_at)} by {report.printed_by}"
    return document(story, title=f"{name}: {run.verdict.text}", foot=foot, made_at=report.printed_at)


def _facts(report: RunReport) -> list[tuple[str, str]]:
    run = report.run
    usual = f" (usually ≈ {wording.duration(run.expected_duration_seconds)})" if run.expected_duration_seconds else ""
    found = [
        ("Status", wording.status(run.status)),
        ("Took", f"{wording.duration(run.duration_seconds)}{usual}"),
        ("Asked for", wording.moment(run.queued_at)),
        ("By", f"{run.initiated_by}, {wording.trigger(run.trigger)}"),
        ("Started", wording.moment(run.started_at)),
        ("Ended", wording.moment(run.ended_at)),
        ("Steps done", f"{run.steps_done} of {run.steps_planned}"),
        ("Definition", f"revision {run.revision}"),
        ("Owner", run.process_owner),
        ("Inputs", ", ".join(f"{name} = {wording.value(value)}" for name, value in run.inputs.items())),
        ("Continues", run.from_run and run.from_run + (f" from {run.from_step}" if run.from_step else "")),
        ("Last good", run.last_good_run),
        ("Run", run.run_id),
        ("Address", report.address),
    ]
    return [(name, text) for name, text in found if text]


def _chain(run: RunView) -> Flowable:
    rows = [
        [
            str(step.number),
            [cell(step.name), cell(" · ".join(_about(step)), "muted")],
            status_cell(step.status, wording.status(step.status)),
            f"{step.attempt} of {step.of_attempts}" if step.attempt else "–",
            wording.duration(step.duration_seconds),
            wording.duration(step.expected_duration_seconds),
        ]
        for step in run.steps
    ]
    return table(("", "Step", "Status", "Attempt", "Took", "Usually"), rows, (0.5, 8, 3, 1.6, 1.6, 1.6))


def _about(step: StepView) -> list[str]:
    reason = f"{step.status}: {step.reason.replace('_', ' ')}" if step.status in _IDLE and step.reason else None
    always = "always run" if step.always_run else None
    return [part for part in (wording.kind(step.check_type), step.target, always, reason) if part]


def _step(step: StepView, report: RunReport) -> list[Flowable]:
    head: list[Flowable] = [words(f"{step.number}  {step.name}", "step"), status_cell(step.status, _outcome(step))]
    if step.description:
        head.append(words(step.description, "muted"))
    if step.message:
        head.append(words(step.message))
    if step.first_aid:
        head.append(words(f"First aid: {step.first_aid}", "muted"))
    if step.owner or step.runbook:
        owned = [f"Owner: {step.owner}" if step.owner else "", f"Runbook: {step.runbook}" if step.runbook else ""]
        head.append(words(" · ".join(part for part in owned if part), "muted"))
    story: list[Flowable] = [KeepTogether(head), *_compared(step), *_found(step), *_attempts(step)]
    return [*story, *_evidence(step, report)]


def _outcome(step: StepView) -> str:
    failure = wording.failure(step.failure_class) if step.failure_class else None
    took = f"took {wording.duration(step.duration_seconds)}" if step.duration_seconds is not None else None
    due = f"due {wording.moment(step.due_at)}" if step.due_at and step.status != "success" else None
    return " · ".join(part for part in (wording.status(step.status), failure, took, due) if part)


def _compared(step: StepView) -> list[Flowable]:
    if not step.assertions:
        return []
    rows = [
        [
            cell(one.label, "code"),
            cell(wording.expectation(one.operator, one.expected, one.label), "code"),
            cell(wording.actual(one), "code"),
            status_cell("success", "met") if one.met else status_cell("failed", "not met"),
        ]
        for one in step.assertions
    ]
    return [Spacer(0, 4), table(("Assertion", "Expected", "Actual", ""), rows, (4, 5, 5, 2))]


def _found(step: StepView) -> list[Flowable]:
    pairs = [(one.label, wording.value(one.value, one.label)) for one in step.findings]
    pairs += [(f"captured {name}", wording.value(value)) for name, value in step.captures.items()]
    pairs += [
        (f"time of {name.replace('_', ' ')}", wording.duration(seconds)) for name, seconds in step.timings.items()
    ]
    return [Spacer(0, 4), facts(pairs)] if pairs else []


def _attempts(step: StepView) -> list[Flowable]:
    if len(step.attempts) < 2:
        return []
    rows = [
        [
            str(one.attempt),
            wording.moment(one.dispatched_at),
            f"{one.status}, {wording.failure(one.failure_class)}" if one.failure_class else one.status,
            wording.duration(one.duration_seconds),
            one.message or "",
        ]
        for one in step.attempts
    ]
    return [Spacer(0, 4), table(("", "Attempt began", "Outcome", "Took", "Message"), rows, (0.6, 4, 4, 1.6, 6))]


def _evidence(step: StepView, report: RunReport) -> list[Flowable]:
    story: list[Flowable] = []
    for piece in step.evidence:
        size = wording.size(piece.size_bytes) + (", cut" if piece.truncated else "")
        title = f"{piece.title} · {piece.kind} · {size} · SHA-256 {piece.sha256[:16]}…"
        shown = _shown(piece, report.contents.get(piece.evidence_id))
        story.append(KeepTogether([words(title, "label"), *shown[:1]]))
        story += shown[1:]
    return story


def _shown(piece: Evidence, content: bytes | None) -> list[Flowable]:
    """What the evidence looks like: a picture, or its first lines."""
    if content is None:
        return []
    if piece.media_type.startswith("image/"):
        return _picture(content)
    if piece.media_type.startswith(("text/", "application/")):
        excerpt, whole = lines(content.decode("utf-8", "replace"), EXCERPT_LINES, EXCERPT_WIDTH)
        return [excerpt] if whole else [excerpt, words("… cut; the archive of the run has the whole.", "muted")]
    return []


def _picture(content: bytes) -> list[Flowable]:
    """The upper part of a picture, made small. One that is none, or too large, is said instead."""
    try:
        with Picture.open(io.BytesIO(content), formats=PICTURE_FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                return [words("The picture is too large to be printed.", "muted")]
            part: Any = opened.convert("RGB").crop((0, 0, opened.width, min(opened.height, round(opened.width * 0.75))))
    except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError):
        return [words("The picture cannot be read.", "muted")]
    part.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
    sink = io.BytesIO()
    part.save(sink, "JPEG", quality=80)
    sink.seek(0)
    width = min(WIDTH, WIDTH * PICTURE_HEIGHT * part.width / part.height)
    return [Image(sink, width, width * part.height / part.width, hAlign="LEFT")]


def _log(report: RunReport) -> Flowable:
    rows = [[str(one.seq), wording.instant(one.at), wording.event(one)] for one in report.events]
    return table(("", "At (UTC)", "What happened"), rows, (0.8, 4, 11))
