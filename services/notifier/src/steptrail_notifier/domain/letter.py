"""What an e-mail says: the message that webhooks carry as JSON, in words."""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from steptrail_common.contracts.events import dedup_id
from steptrail_common.contracts.incidents import IncidentEvent
from steptrail_common.contracts.model import StepStatus
from steptrail_common.contracts.orchestrator import RunEvent, StepEnd

SUBJECT_CHARACTERS = 140
LONGEST_TEXT = 2000
LISTED_STEPS = 5
_ENDED_BADLY = frozenset(
    {StepStatus.FAILED, StepStatus.TIMEOUT, StepStatus.ERROR, StepStatus.OVERDUE, StepStatus.NOT_YET}
)
_WORDS = {
    "not_yet": "not there yet",
    "timeout": "timed out",
    "error": "could not be checked",
    "recovered": "good again",
    "incident_opened": "incident",
    "incident_resolved": "over",
}
_GOOD = frozenset({"recovered", "success", "incident_resolved"})
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Letter:
    """One message in words. `state` is why it is sent, `good` whether that is good news; `path` leads to more on the
    page; letters with the same `thread` belong together."""

    subject: str
    state: str
    good: bool
    headline: str
    facts: Sequence[tuple[str, str]]
    path: str | None
    link: str
    reason: str
    thread: str | None


def letter_of(body: str) -> Letter:
    """The letter of a message's body, as `message.body_of` made it."""
    told: dict[str, Any] = json.loads(body)
    moment, rule, data = str(told["moment"]), str(told["rule"]), told.get("data") or {}
    of_process = rule.startswith("definition:")
    by = "a rule in the definition of the process" if of_process else f"the rule “{plain(rule)}”"
    reason = f"Sent because of {by}."
    if str(told["type"]).startswith("io.steptrail.run."):
        return _of_run(RunEvent.model_validate(data), moment, reason)
    if str(told["type"]).startswith("io.steptrail.incident."):
        return _of_incident(IncidentEvent.model_validate(data), moment, reason)
    said = plain(str(data.get("message") or "A message of Steptrail."))
    return Letter(
        _subject(said), "test", True, said, [], "/notifications", "Open the notifications",
        "Sent because somebody pressed Send test.", None,
    )  # fmt: skip


def plain(text: str) -> str:
    """One line that shows what it holds: no line breaks, no control, direction or invisible characters."""
    seen = "".join(" " if unicodedata.category(one) in _INVISIBLE else one for one in text[:LONGEST_TEXT])
    return " ".join(seen.split())


def _of_run(run: RunEvent, moment: str, reason: str) -> Letter:
    name = plain(" ".join(part for part in (run.process_name or run.process_id, run.key) if part))
    state = _word(run.status if moment == "finished" else moment)
    verdict = plain(run.verdict or state)
    asked = plain(run.initiated_by or "")
    facts = [
        ("Process", plain(run.process_name or run.process_id)),
        ("Key", plain(run.key or "")),
        *_steps(run.ends or []),
        ("Ended", _moment(run.at)),
        ("Asked for by", f"{asked} ({run.trigger})" if asked and run.trigger else asked),
    ]
    return Letter(
        subject=_subject(f"{name}: {state}" if moment == "recovered" else f"{name}: {verdict}"),
        state=state,
        good=moment in _GOOD or (moment == "finished" and run.status == "success"),
        headline=f"{name}: {verdict}",
        facts=[(label, value) for label, value in facts if value],
        path=f"/runs/{run.run_id}",
        link="Open the run",
        reason=reason,
        thread=dedup_id("series", run.process_id, run.key or ""),
    )


def _steps(ends: Sequence[StepEnd]) -> Iterator[tuple[str, str]]:
    for end in [end for end in ends if end.status in _ENDED_BADLY][:LISTED_STEPS]:
        why = end.message or end.reason or end.failure_class or ""
        yield f"Step {end.number}", plain(f"{end.name}: {_word(end.status)}" + (f", {why}" if why else ""))
        yield "Look first", plain(end.first_aid or "")


def _of_incident(incident: IncidentEvent, moment: str, reason: str) -> Letter:
    title, state = plain(incident.title), _word(moment)
    facts = [
        ("What was said", plain(incident.message or incident.reason or "")),
        ("Look first", plain(incident.first_aid or "")),
        ("Target", plain(incident.target or "")),
        ("Processes", plain(", ".join(incident.process_ids))),
        ("Runs with this cause", str(incident.runs)),
        ("Keys it stops now", str(incident.keys_open)),
        ("Since", _moment(incident.opened_at)),
        ("Note", plain(f"{incident.by or ''}: {incident.note}" if incident.note else "")),
    ]
    return Letter(
        subject=_subject(f"{state.capitalize()}: {title}"),
        state=state,
        good=moment in _GOOD,
        headline=title,
        facts=[(label, value) for label, value in facts if value],
        path=f"/incidents/{incident.incident_id}",
        link="Open the incident",
        reason=reason,
        thread=dedup_id("incident", incident.incident_id),
    )


def _word(name: str) -> str:
    return _WORDS.get(name, name.replace("_", " "))


def _subject(text: str) -> str:
    if len(text) <= SUBJECT_CHARACTERS:
        return text
    return text[: SUBJECT_CHARACTERS - 1].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
