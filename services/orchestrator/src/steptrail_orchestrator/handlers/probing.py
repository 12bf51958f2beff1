"""Trying things that are not recorded as a run: one step of a draft, a connection."""

from datetime import datetime

from steptrail_common.contracts.catalog import ConnectionRights, ConnectionTest
from steptrail_common.contracts.connections import TRIED_BY
from steptrail_common.contracts.definition import Step
from steptrail_common.contracts.events import new_token
from steptrail_common.contracts.model import StepStatus
from steptrail_common.contracts.orchestrator import TriedStep, TryStep
from steptrail_common.contracts.workers import Evidence, StepResult
from steptrail_common.errors import InvalidInput, SteptrailError, Unavailable
from steptrail_common.evidence import EvidenceStore

from steptrail_orchestrator.domain.expressions import ExpressionError, StepNotRun
from steptrail_orchestrator.domain.inputs import checked_inputs, key_of
from steptrail_orchestrator.domain.run import AttemptState, Chain, Limits, RunState, StepState
from steptrail_orchestrator.domain.walk import Walk
from steptrail_orchestrator.ports import Catalog, Prober, RunReader

_EXTRA_SECONDS = 10.0
"""What a worker gets beyond the step's timeout to take the request and to answer."""
_TEST_SECONDS = 20.0
_SHOWN_CHARACTERS = 200_000
"""Most text of one piece of evidence that an answer to a trial carries."""


async def try_step(
    command: TryStep,
    *,
    actor: str,
    catalog: Catalog,
    reader: RunReader,
    prober: Prober,
    limits: Limits,
    live_seconds: float,
    evidence: EvidenceStore,
) -> TriedStep:
    """Run one step of a draft definition once, without retries. `command.captures` stand for the steps before it.

    What it found comes along as text, because no run keeps it. Raises `InvalidInput` (definition, inputs, an
    expression), `Unavailable` (no worker).
    """
    chain = await catalog.draft(command.definition)
    if chain.number(command.step_id) is None:
        raise InvalidInput.field("body.step_id", f"the definition has no step {command.step_id}")
    step = chain.step(command.step_id)
    inputs = checked_inputs(chain.definition, command.inputs)
    now = await reader.now()
    walk = _pretended(chain, step, inputs, command, actor, now, limits)
    attempt = AttemptState(walk.run.run_id, step.id, 1, new_token(), now)
    try:
        request = walk.request(step, walk.steps[step.id], attempt)
    except ExpressionError as error:
        raise InvalidInput.field(f"body.definition.steps.{step.id}", str(error)) from None
    except StepNotRun as gap:
        raise InvalidInput.field(
            f"body.captures.{gap.step_id}", f"the step uses values of {gap.step_id}; give them"
        ) from None
    await _require_worker(step.check.work, reader, live_seconds)
    answer = await prober.ask(
        step.check.work, request=request, timeout_seconds=request.timeout_seconds + _EXTRA_SECONDS
    )
    if answer.result is None:
        raise Unavailable("the worker gave no result; try again")
    return TriedStep(**answer.result.model_dump(), contents=await _contents(answer.result, evidence))


async def _contents(result: StepResult, evidence: EvidenceStore) -> dict[str, str]:
    """The text of each piece of evidence by its id, cut; a piece that cannot be read is left out, the result stands."""
    found = {}
    for piece in result.evidence:
        if _is_text(piece):
            try:
                body = await evidence.get(piece.address, piece.sha256)
            except SteptrailError:
                continue
            found[piece.evidence_id] = body.decode("utf-8", "replace")[:_SHOWN_CHARACTERS]
    return found


def _is_text(piece: Evidence) -> bool:
    return not piece.media_type.startswith(("image/", "audio/", "video/", "font/", "application/octet-stream"))


async def test_connection(
    connection_id: str, *, catalog: Catalog, reader: RunReader, prober: Prober, live_seconds: float
) -> ConnectionTest:
    """Have a worker try a connection; keep what its account may do, or why that failed. Raises `NotFound`,
    `Unavailable`."""
    connection = await catalog.connection(connection_id)
    check_type = TRIED_BY.get(connection.settings.kind, "db_query")
    await _require_worker(check_type, reader, live_seconds)
    answer = await prober.ask(check_type, connection=connection, timeout_seconds=_TEST_SECONDS)
    tested, now = answer.connection_test, await reader.now()
    if tested is None:
        raise Unavailable("the worker gave no answer; try again")
    if tested.rights is not None:
        rights = tested.rights.model_copy(update={"checked_at": now})
        await catalog.store_rights(connection_id, rights)
        return tested.model_copy(update={"rights": rights})
    if not tested.ok:
        failed = ConnectionRights(level="unknown", detail="", failure=tested.message, failed_at=now)
        await catalog.store_rights(connection_id, failed)
    return tested


def _pretended(
    chain: Chain,
    step: Step,
    inputs: dict[str, object],
    command: TryStep,
    actor: str,
    now: datetime,
    limits: Limits,
) -> Walk:
    """A run that is never stored, standing before the step, with the given captures as results of earlier steps."""
    run = RunState(
        run_id=f"try-{new_token()}",
        process_id=chain.snapshot.process_id,
        process_name=chain.definition.name,
        definition_id=chain.definition_id,
        revision=chain.snapshot.revision,
        trigger="manual",
        initiated_by=actor,
        key=key_of(chain.definition, inputs),
        inputs=inputs,
        queued_at=now,
        deadline_at=now,
        started_at=now,
    )
    number = chain.number(step.id) or 1
    steps = {}
    for place, before in enumerate(chain.steps[: number - 1], 1):
        if before.id in command.captures:
            given = command.captures[before.id]
            types = {name: capture.type for name, capture in before.capture.items() if capture.type == "datetime"}
            steps[before.id] = StepState(
                before.id,
                place,
                StepStatus.SUCCESS,
                attempt=1,
                captures=given,
                capture_types={name: kind for name, kind in types.items() if kind},
            )
    return Walk(chain, run, steps, None, limits=limits, new_token=new_token)


async def _require_worker(check_type: str, reader: RunReader, live_seconds: float) -> None:
    workers = await reader.workers()
    if not any(check_type in worker.check_types and worker.silent_seconds < live_seconds for worker in workers):
        raise Unavailable(f"no worker listens for {check_type}; start one and try again", retry_after_seconds=5)
