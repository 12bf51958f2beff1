"""What an attempt came to: assertions and captures judged, secrets hidden, as the result that is sent."""

from collections.abc import Sequence

from steptrail_common.contracts.model import Json
from steptrail_common.contracts.workers import AssertionOutcome, Evidence, Finding, StepRequest, StepResult

from steptrail_checks import guard
from steptrail_checks.assertions import Verdict, evaluate
from steptrail_checks.captures import capture_all
from steptrail_checks.masking import MASK, Masker
from steptrail_checks.port import CheckContext, CheckFailed, Observation
from steptrail_checks.subjects import HttpSubject

_SMALL_BODY_BYTES = 65_536


class Outcome:
    """What one attempt came to, before evidence is stored and secrets are hidden."""

    def __init__(
        self,
        verdict: Verdict,
        observation: Observation | None,
        captures: dict[str, Json] | None = None,
        capture_types: dict[str, str] | None = None,
    ) -> None:
        self.verdict = verdict
        self.observation = observation
        self.captures = captures or {}
        self.capture_types = capture_types or {}

    @classmethod
    def of_failure(cls, error: CheckFailed) -> "Outcome":
        """Of a check that could not be made, or not to its end."""
        verdict = Verdict([], error.failure_class, error.reason, error.message, error.ours)
        return cls(verdict, error.observation)

    def result(
        self,
        request: StepRequest,
        worker_id: str,
        evidence: Sequence[Evidence],
        seconds: float,
        masker: Masker,
        evidence_lost: bool,
    ) -> StepResult:
        """What is sent: secrets hidden, with the evidence that was stored. `seconds`: how long the attempt took."""
        seen, verdict = self.observation, self.verdict
        findings = list(seen.findings) if seen else []
        if evidence_lost:
            findings.append(Finding(label="Evidence", value="could not be stored", fleeting=True))
        hidden = tuple(key.lower() for key in getattr(request.check, "mask", ()))
        outcomes = [_masked(outcome, masker, hidden) for outcome in verdict.outcomes]
        said = {plain.message: masked.message for plain, masked in zip(verdict.outcomes, outcomes, strict=True)}
        message = said.get(verdict.message, masker.text(verdict.message or "") or None)
        return StepResult(
            run_id=request.run_id,
            step_id=request.step_id,
            attempt=request.attempt,
            token=request.token,
            worker_id=worker_id,
            ok=verdict.ok,
            ours=verdict.ours,
            failure_class=verdict.failure_class,
            reason=verdict.reason,
            message=message,
            target=masker.text(seen.target) if seen else None,
            assertions=outcomes,
            captures={name: masker.json(value) for name, value in self.captures.items()},
            capture_types=self.capture_types,
            findings=[_shown(item, masker) for item in findings],
            timings={name: round(value, 6) for name, value in seen.timings.items()} if seen else {},
            evidence=list(evidence),
            duration_seconds=seconds,
        )


async def judged(context: CheckContext, observation: Observation) -> Outcome:
    """Assertions and captures on what was seen; what can take long has a thread and a limit. Raises `CheckFailed` that
    carries the observation."""
    try:
        if _needs_guard(context.request, observation):
            return await guard.within_time(lambda: _judge(context, observation))
        return _judge(context, observation)
    except CheckFailed as error:
        error.observation = error.observation or observation
        raise


def _judge(context: CheckContext, observation: Observation) -> Outcome:
    request = context.request
    verdict = evaluate(request.assertions, observation.subject, context.now)
    if not verdict.ok or not request.captures:
        return Outcome(verdict, observation)
    try:
        values, types = capture_all(request.captures, observation.subject)
    except CheckFailed as error:
        failed = Verdict(verdict.outcomes, error.failure_class, error.reason, error.message, error.ours)
        return Outcome(failed, observation)
    return Outcome(verdict, observation, values, types)


def _needs_guard(request: StepRequest, observation: Observation) -> bool:
    """Only trees and JSON of some size, and XPath, JSON path filters or long selectors, can take long."""
    subject = observation.subject
    body = subject.body if isinstance(subject, HttpSubject) else getattr(subject, "content", None)
    if body is not None and len(body) > _SMALL_BODY_BYTES:
        return True
    arguments = [assertion.argument or "" for assertion in request.assertions]
    for capture in request.captures.values():
        arguments += [capture.jsonpath or "", capture.jsonld or "", capture.selector or "", capture.xpath or ""]
    xpath = any(assertion.subject == "xpath" for assertion in request.assertions) or any(
        capture.xpath for capture in request.captures.values()
    )
    return xpath or any(_may_take_long(text) for text in arguments)


def _may_take_long(text: str) -> bool:
    return len(text) > 100 or any(sign in text for sign in ("..", "?", "has(", ":nth", "~"))


def _shown(finding: Finding, masker: Masker) -> Finding:
    shown = masker.json(finding.value)
    return finding if shown is finding.value else finding.model_copy(update={"value": shown})


def _masked(outcome: AssertionOutcome, masker: Masker, hidden: tuple[str, ...]) -> AssertionOutcome:
    if outcome.label.lower().endswith(hidden):
        return outcome.model_copy(
            update={"actual": MASK, "message": None if outcome.met else f"{outcome.label}: not as expected (hidden)"}
        )
    return outcome.model_copy(
        update={
            "actual": masker.json(outcome.actual),
            "expected": masker.json(outcome.expected),
            "message": masker.text(outcome.message) if outcome.message else None,
        }
    )
