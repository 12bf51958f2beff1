"""One attempt: open the connection, check under the hard time limit, keep evidence, say how it ended.

Whatever happens inside, exactly one `StepResult` comes out, and no secret of the connection is in it.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import structlog
from steptrail_common import telemetry
from steptrail_common.contracts.catalog import ConnectionTest, SealedConnection
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import (
    Evidence,
    Finding,
    KeyAnswer,
    KeyRequest,
    StepRequest,
    StepResult,
)
from steptrail_common.evidence import EvidenceStore, Piece
from steptrail_common.sealing import SecretsKeyring

from steptrail_checks.keyring import open_connection
from steptrail_checks.masking import Masker
from steptrail_checks.outcome import Outcome, judged
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
from steptrail_checks.sharing import Begun, Flights, shares, sharing_key
from steptrail_checks.values import spoken_seconds

CANCEL_GRACE_SECONDS = 2.0
"""How long a cancelled check may take to clean up before it is left behind."""
TEST_SECONDS = 15.0
SHARED = Finding(label="Shared", value="the same check was under way already: one look answered both", fleeting=True)

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
            outcome = Outcome.of_failure(error)
        except Exception as error:
            outcome = Outcome.of_failure(_internal(error, request))
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
    ) -> Outcome:
        def context() -> CheckContext:
            now = request.issued_at + timedelta(seconds=time.monotonic() - received_monotonic)
            return CheckContext(request, connection, now, request.timeout_seconds)

        async def look(begun: Begun) -> Observation:
            target = target_of(request.check, connection.settings if connection else None)
            async with self._politeness.turn(target, insist=insist):
                begun()
                return await _limited(self._kind.check(context()), request.timeout_seconds)

        if insist or not shares(request):
            observation = await look(begun)
        else:
            observation, joined = await self._flights.join(partial(sharing_key, request), look, begun)
            if joined:
                telemetry.SHARED_CHECKS.labels(request.check.work).inc()
                observation = replace(observation, findings=[*observation.findings, SHARED])
        return await judged(context(), observation)

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
