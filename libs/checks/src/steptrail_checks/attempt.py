"""One attempt: open the connection, check under the hard time limit, judge, keep evidence, say how it ended.

Whatever happens inside, exactly one `StepResult` comes out, and no secret of the connection is in it.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import structlog
from steptrail_common import telemetry
from steptrail_common.contracts.catalog import ConnectionTest, SealedConnection
from steptrail_common.contracts.model import FailureClass, Json
from steptrail_common.contracts.workers import (
    AssertionOutcome,
    Evidence,
    Finding,
    KeyAnswer,
    KeyRequest,
    StepRequest,
    StepResult,
)
from steptrail_common.evidence import EvidenceStore, Piece
from steptrail_common.sealing import SecretsKeyring

from steptrail_checks import guard
from steptrail_checks.assertions import Verdict, evaluate
from steptrail_checks.captures import capture_all
from steptrail_checks.keyring import open_connection
from steptrail_checks.masking import MASK, Masker
from steptrail_checks.politeness import Politeness, target_of
from steptrail_checks.port import (
    CheckContext,
    CheckFailed,
    CheckKind,
    EvidenceDraft,
    KeySource,
    Observation,
    OpenedConnection,
    Preparing,
)
from steptrail_checks.sharing import Begun, Flights, sharing_key
from steptrail_checks.subjects import HttpSubject
from steptrail_checks.values import spoken_seconds

CANCEL_GRACE_SECONDS = 2.0
"""How long a cancelled check may take to clean up before it is left behind."""
TEST_SECONDS = 15.0
SHARED = Finding(label="Shared", value="the same check was under way already: one look answered both", fleeting=True)
_SMALL_BODY_BYTES = 65_536

log = structlog.get_logger()
T = TypeVar("T")


class Attempts:
    """Runs attempts of one check kind, politely. Safe for any number at once."""

    def __init__(
        self,
        kind: CheckKind,
        evidence: EvidenceStore,
        keyring: SecretsKeyring,
        *,
        worker_id: str,
        politeness: Politeness | None = None,
    ) -> None:
        self._kind = kind
        self._evidence = evidence
        self._keyring = keyring
        self._worker_id = worker_id
        self._politeness = politeness or Politeness()
        self._flights = Flights[Observation]()

    async def run(
        self, request: StepRequest, received_monotonic: float, begun: Begun = lambda: None, *, insist: bool = False
    ) -> StepResult:
        """How the attempt ended. Never raises but for cancellation. `begun` is called when its turn has come and its
        time runs; `insist`: a person waits for exactly this look, so it is not shared, nor is the target left alone.
        """
        started = time.monotonic()
        connection: OpenedConnection | None = None
        try:
            connection = await self._opened(request.connection)
            outcome = await self._look(request, connection, received_monotonic, begun, insist)
        except CheckFailed as error:
            outcome = _Outcome.of_failure(error)
        except Exception as error:
            outcome = _Outcome.of_failure(_internal(error, request))
        issued = outcome.observation.hidden if outcome.observation else ()
        masker = Masker.of([*(connection.secrets.values() if connection else ()), *issued])
        stored, lost = await self._store(request, outcome.observation)
        return outcome.result(request, self._worker_id, stored, time.monotonic() - started, masker, lost)

    async def test(self, sealed: SealedConnection) -> ConnectionTest:
        """Whether the connection works, and what its account may do. Never raises but for cancellation."""
        started = time.monotonic()
        masker = Masker()
        try:
            connection = open_connection(self._keyring, sealed)
            masker = Masker.of(connection.secrets.values())
            await self._prepare(connection)
            rights = await _limited(self._kind.test(connection), TEST_SECONDS)
        except CheckFailed as error:
            return ConnectionTest(
                ok=False, message=masker.text(error.message), elapsed_seconds=time.monotonic() - started
            )
        except Exception as error:
            failure = _internal(error, None)
            return ConnectionTest(ok=False, message=failure.message, elapsed_seconds=time.monotonic() - started)
        return ConnectionTest(
            ok=True, message=masker.text(rights.detail), rights=rights, elapsed_seconds=time.monotonic() - started
        )

    async def keys(self, wanted: KeyRequest) -> KeyAnswer:
        """Many keys by one statement, or why there are none. Never raises but for cancellation."""
        started = time.monotonic()
        masker = Masker()
        try:
            if not isinstance(self._kind, KeySource):
                raise CheckFailed(FailureClass.INVALID_DEFINITION, f"{self._kind.type} gives no keys", ours=True)
            connection = open_connection(self._keyring, wanted.connection)
            masker = Masker.of(connection.secrets.values())
            await self._prepare(connection)
            keys, since = await _limited(self._kind.keys(connection, wanted), wanted.timeout_seconds)
        except Exception as error:
            failure = error if isinstance(error, CheckFailed) else _internal(error, None)
            return KeyAnswer(
                failure_class=failure.failure_class,
                message=masker.text(failure.message),
                duration_seconds=time.monotonic() - started,
            )
        return KeyAnswer(keys=keys, since=since, duration_seconds=time.monotonic() - started)

    async def _opened(self, sealed: SealedConnection | None) -> OpenedConnection | None:
        if sealed is None:
            return None
        connection = open_connection(self._keyring, sealed)
        await self._prepare(connection)
        return connection

    async def _prepare(self, connection: OpenedConnection) -> None:
        if isinstance(self._kind, Preparing):
            await self._kind.prepare(connection)

    async def _look(
        self,
        request: StepRequest,
        connection: OpenedConnection | None,
        received_monotonic: float,
        begun: Begun,
        insist: bool,
    ) -> "_Outcome":
        def context() -> CheckContext:
            now = request.issued_at + timedelta(seconds=time.monotonic() - received_monotonic)
            return CheckContext(request, connection, now, request.timeout_seconds)

        async def look(begun: Begun) -> Observation:
            target = target_of(request.check, connection.settings if connection else None)
            async with self._politeness.turn(target, insist=insist):
                begun()
                return await _limited(self._kind.check(context()), request.timeout_seconds)

        key = None if insist else sharing_key(request)
        if key is None:
            observation = await look(begun)
        else:
            observation, joined = await self._flights.join(key, look, begun)
            if joined:
                telemetry.SHARED_CHECKS.labels(request.check.work).inc()
                observation = replace(observation, findings=[*observation.findings, SHARED])
        return await self._judged(request, context(), observation)

    async def _judged(self, request: StepRequest, context: CheckContext, observation: Observation) -> "_Outcome":
        try:
            if _needs_guard(request, observation):
                return await guard.within_time(lambda: _judge(context, observation))
            return _judge(context, observation)
        except CheckFailed as error:
            error.observation = error.observation or observation
            raise

    async def _store(self, request: StepRequest, observation: Observation | None) -> tuple[list[Evidence], bool]:
        """(stored pieces, whether some could not be stored). A result without evidence is better than none."""
        drafts = observation.evidence if observation else []
        start = f"{request.step_number}-{request.step_id}-{request.attempt}"
        pieces = [Piece(f"{start}-{draft.kind}", draft.body, draft.media_type) for draft in drafts]
        kept, trouble = await self._evidence.put_all(request.run_id, pieces, together=start)
        if trouble is not None:
            log.warning("evidence.lost", run_id=request.run_id, step_id=request.step_id, detail=trouble.detail)
        return [_stored(draft, *each) for draft, each in zip(drafts, kept, strict=False)], trouble is not None


def _stored(draft: EvidenceDraft, address: str, sha256: str, size: int) -> Evidence:
    return Evidence(
        evidence_id=uuid4().hex,
        kind=draft.kind,
        title=draft.title,
        media_type=draft.media_type,
        size_bytes=size,
        sha256=sha256,
        address=address,
        truncated=draft.truncated,
    )


class _Outcome:
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
    def of_failure(cls, error: CheckFailed) -> "_Outcome":
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


def _judge(context: CheckContext, observation: Observation) -> _Outcome:
    request = context.request
    verdict = evaluate(request.assertions, observation.subject, context.now)
    if not verdict.ok or not request.captures:
        return _Outcome(verdict, observation)
    try:
        values, types = capture_all(request.captures, observation.subject)
    except CheckFailed as error:
        failed = Verdict(verdict.outcomes, error.failure_class, error.reason, error.message, error.ours)
        return _Outcome(failed, observation)
    return _Outcome(verdict, observation, values, types)


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


async def _limited(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The work under its hard limit: cancelled when it is over, left behind if it does not obey."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_GRACE_SECONDS)
        raise
    if done:
        return task.result()
    task.cancel()
    await asyncio.wait({task}, timeout=CANCEL_GRACE_SECONDS)
    if not task.done():
        log.error("check.left_behind", task=task.get_name())
        task.add_done_callback(_read)
    elif not task.cancelled():
        failed = task.exception()
        if isinstance(failed, CheckFailed) and failed.failure_class is FailureClass.TIMEOUT:
            raise failed  # its own time had passed before this limit, and it says more
    raise CheckFailed(FailureClass.TIMEOUT, f"took longer than {spoken_seconds(seconds)}", reason="hard_limit")


def _read(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()


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


def _internal(error: Exception, request: StepRequest | None) -> CheckFailed:
    """Our own bug: logged with an id, told without a stack."""
    error_id = uuid4().hex[:12]
    log.error(
        "check.crashed",
        error_id=error_id,
        run_id=request.run_id if request else None,
        step_id=request.step_id if request else None,
        exc_info=error,
    )
    return CheckFailed(
        FailureClass.INTERNAL, f"the check itself failed; error id {error_id}", reason="crashed", ours=True
    )
