"""How the steps of a run ended, for whoever looks for the cause of a run that did not pass."""

from steptrail_common.contracts.definition import Step
from steptrail_common.contracts.model import RunStatus, StepStatus
from steptrail_common.contracts.orchestrator import StepEnd

from steptrail_orchestrator.domain.expressions import ExpressionError, Scope, StepNotRun
from steptrail_orchestrator.domain.first_aid import first_aid
from steptrail_orchestrator.domain.rendering import render_check
from steptrail_orchestrator.domain.run import Chain, StepState

TOLD_BY_STEPS = frozenset({RunStatus.FAILED, RunStatus.STUCK, RunStatus.TIMEOUT, RunStatus.ERROR, RunStatus.NOT_YET})
"""Runs of which one end does not say everything: those that passed and those somebody cancelled say it."""
_BAD = frozenset({StepStatus.FAILED, StepStatus.OVERDUE, StepStatus.TIMEOUT, StepStatus.ERROR})


def step_end(chain: Chain, step: Step, state: StepState, scope: Scope) -> StepEnd:
    """How a step stands; why and where only if it ended badly."""
    if state.status not in _BAD:
        return StepEnd(step_id=step.id, number=state.number, name=step.name, status=state.status)
    return StepEnd(
        step_id=step.id,
        number=state.number,
        name=step.name,
        status=state.status,
        failure_class=state.failure_class,
        reason=state.reason,
        message=state.message,
        first_aid=first_aid(state.status, state.failure_class, state.reason),
        connection_id=step.check.connection_id,
        host=_host(chain, step, scope),
        work=step.check.work,
    )


def _host(chain: Chain, step: Step, scope: Scope) -> str | None:
    """`host:port` that the step asks first. None for files and for an address whose values are not there."""
    connection = chain.connection(step)
    if step.check.connection_id is not None and connection is None:
        return None
    try:
        check = step.check if chain.is_static(step) else render_check(step.check, scope)
    except (ExpressionError, StepNotRun):
        return None
    touched = check.touches(connection.settings if connection else None)
    return next((touch.target.lower() for touch in touched if touch.kind == "host"), None)
