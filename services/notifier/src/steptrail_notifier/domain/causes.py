"""The root cause of a step that ended badly: what an operator would mend once, however many runs it stops.

Three kinds. A *target*: the system asked, when nobody could get an answer from it (by host and port), or when it
refuses the connection's account (by connection). The *workers* of a kind of check, when none finished it. Otherwise the
*step* of one process: its target answered, and the answer is not what this step expects. The failure class is part of
the first: what cannot be reached and what answers too late are mended by different hands. A connection that is refused
and one that nobody accepts in time are the same: a machine that goes down is seen as both.
"""

from dataclasses import dataclass

from steptrail_common.contracts.incidents import CauseKind, IncidentStatus
from steptrail_common.contracts.model import FailureClass, RunStatus, StepStatus
from steptrail_common.contracts.orchestrator import RunEvent, StepEnd

from steptrail_notifier.domain.rules import PASSED, USUALLY_BAD

_STATUS: dict[StepStatus, IncidentStatus] = {
    StepStatus.FAILED: "failed",
    StepStatus.OVERDUE: "stuck",
    StepStatus.TIMEOUT: "timeout",
    StepStatus.ERROR: "error",
}
_STEP_STATUS = {
    RunStatus.FAILED: StepStatus.FAILED,
    RunStatus.STUCK: StepStatus.OVERDUE,
    RunStatus.TIMEOUT: StepStatus.TIMEOUT,
    RunStatus.ERROR: StepStatus.ERROR,
}
_NO_ANSWER = {
    FailureClass.DNS: "The name of {} is not found",
    FailureClass.CONNECT: "{} cannot be reached",
    FailureClass.TLS: "No encrypted connection to {}",
    FailureClass.TIMEOUT: "{} does not answer in time",
    FailureClass.RATE_LIMITED: "{} is asked more often than it may be",
    FailureClass.HTTP_STATUS: "{} is unavailable",
    FailureClass.BLOCKED_BY_POLICY: "The installation does not allow {}",
}
_CONNECTING = "connect"
"""The reason of a timeout before anything answered."""
_REFUSED = {
    FailureClass.AUTH: "The credentials of {} are refused",
    FailureClass.PERMISSION: "The account of {} may not do what is asked of it",
}
_ONLY_FOR: dict[FailureClass, set[str | None]] = {
    FailureClass.TIMEOUT: {None, _CONNECTING, "read"},  # others: a slow statement, a lock, the run's own limit
    FailureClass.HTTP_STATUS: {"unavailable"},
}
_NOT_FOR: dict[FailureClass, set[str | None]] = {
    FailureClass.BLOCKED_BY_POLICY: {"robots_txt"},
    FailureClass.PERMISSION: {"read_only"},
}
"""Reasons that speak of the target as a whole, where the class alone does not say it; and those that do not."""
_AT_WORK = {
    "no_worker": "No worker listens for {}",
    "worker_unavailable": "The workers for {} lack a part they need",
}
_STEP = {
    "failed": "failed",
    "stuck": "is overdue",
    "timeout": "timed out",
    "error": "could not be checked",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One step that ended badly, with its cause. Faults with the same `cause` belong to the same incident."""

    cause: str
    kind: CauseKind
    title: str
    status: IncidentStatus
    target: str | None
    end: StepEnd


def faults_of(event: RunEvent) -> list[Fault]:
    """The causes of a run that ended badly, each once, in the order of its steps; none for any other run.

    A run is one of many that a cause stops; it has more than one cause only if its definition goes on after a failure.
    """
    if event.status not in USUALLY_BAD:
        return []
    found: dict[str, Fault] = {}
    for end in event.ends or _told_by_run(event):
        if end.status in _STATUS:
            fault = _fault(event, end)
            found.setdefault(fault.cause, fault)
    return list(found.values())


def has_passed(status: str, ends: list[StepEnd] | None, step_id: str) -> bool:
    """Whether a run shows that a step passes: it passed as a whole, or the step did, or there is no such step now."""
    if status in PASSED:
        return True
    if not ends:
        return False
    stands = next((end.status for end in ends if end.step_id == step_id), None)
    return stands in (None, StepStatus.SUCCESS, StepStatus.WARNING)


def _told_by_run(event: RunEvent) -> list[StepEnd]:
    """An event without the ends of its steps: the step the run is told by is all that is known."""
    return [
        StepEnd(
            step_id=event.step_id or "",
            number=event.step_number or 0,
            name=event.step_name or event.step_id or "",
            status=_STEP_STATUS[RunStatus(event.status)],
            failure_class=event.failure_class,
            reason=event.reason,
            message=event.message,
            work=event.check_type,
        )
    ]


def _fault(event: RunEvent, end: StepEnd) -> Fault:
    status = _STATUS[end.status]
    if end.failure_class is FailureClass.WORKER_LOST and end.work:
        title = _AT_WORK.get(end.reason or "", "Workers for {} stopped in the middle of their work").format(end.work)
        reason = end.reason if end.reason in _AT_WORK else "lost"
        return Fault(f"workers:{reason}:{end.work}", "workers", title, status, end.work, end)
    if end.status is not StepStatus.OVERDUE and end.failure_class is not None and _is_of_target(end):
        where, named = _where(end)
        if where is not None:
            unreached = end.failure_class is FailureClass.TIMEOUT and end.reason == _CONNECTING
            seen = FailureClass.CONNECT if unreached else end.failure_class
            title = (_NO_ANSWER | _REFUSED)[seen].format(named)
            return Fault(f"target:{seen}:{where}", "target", title, status, where, end)
    name = event.process_name or event.process_id
    title = f"{name}: step {end.number} “{end.name}” {_STEP[status]}"
    return Fault(f"step:{event.process_id}:{end.step_id}", "step", title, status, None, end)


def _is_of_target(end: StepEnd) -> bool:
    known = end.failure_class
    if known is None or (known not in _NO_ANSWER and known not in _REFUSED):
        return False
    only, but = _ONLY_FOR.get(known), _NOT_FOR.get(known, ())
    return (only is None or end.reason in only) and end.reason not in but


def _where(end: StepEnd) -> tuple[str | None, str]:
    """What is the same for all whom the target turns away, and how to say it.

    An account belongs to its connection; without one the answer is about the page or call alone.
    """
    connection = f"connection {end.connection_id}" if end.connection_id else None
    if end.failure_class in _REFUSED:
        return connection, f"the {connection}"
    host = end.host and end.host.removesuffix(":443").removesuffix(":80")
    return end.host or connection, host or f"The {connection}"
