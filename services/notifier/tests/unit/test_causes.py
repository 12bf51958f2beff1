"""The root cause of a run: which runs an operator would mend with one deed."""

from typing import Any

import pytest
from steptrail_common.contracts.model import StepStatus
from steptrail_common.contracts.orchestrator import RunEvent, StepEnd
from steptrail_notifier.domain.causes import faults_of, has_passed

AT = "2026-11-20T12:00:00Z"


def ended(*ends: dict[str, Any], process_id: str = "p", status: str = "failed", **more: Any) -> RunEvent:
    told = [
        {"step_id": f"s{number}", "number": number, "name": f"Step {number}", "status": "failed"} | end
        for number, end in enumerate(ends, 1)
    ]
    return RunEvent.model_validate(
        {"run_id": "r", "process_id": process_id, "seq": 9, "at": AT, "type": "run.finished", "status": status,
         "process_name": f"Process {process_id}", "ends": told or None} | more
    )  # fmt: skip


def causes(*ends: dict[str, Any], **more: Any) -> list[str]:
    return [fault.cause for fault in faults_of(ended(*ends, **more))]


ERP = {"connection_id": "erp", "host": "db.test:5432"}


@pytest.mark.req("IR-8")
@pytest.mark.parametrize(
    ("end", "cause", "title"),
    [
        ({"failure_class": "connect", **ERP}, "target:connect:db.test:5432", "db.test:5432 cannot be reached"),
        ({"failure_class": "connect", "host": "shop.test:443"}, "target:connect:shop.test:443",
         "shop.test cannot be reached"),
        ({"failure_class": "dns", "host": "shop.test:443"}, "target:dns:shop.test:443",
         "The name of shop.test is not found"),
        ({"failure_class": "connect", "connection_id": "files"}, "target:connect:connection files",
         "The connection files cannot be reached"),
        ({"failure_class": "timeout", "status": "timeout", **ERP}, "target:timeout:db.test:5432",
         "db.test:5432 does not answer in time"),
        ({"failure_class": "timeout", "status": "timeout", "reason": "read", **ERP}, "target:timeout:db.test:5432",
         "db.test:5432 does not answer in time"),
        ({"failure_class": "timeout", "status": "timeout", "reason": "statement_timeout", **ERP}, "step:p:s1",
         "Process p: step 1 “Step 1” timed out"),
        ({"failure_class": "timeout", "status": "timeout", "reason": "run_timeout", **ERP}, "step:p:s1",
         "Process p: step 1 “Step 1” timed out"),
        ({"failure_class": "auth", "status": "error", **ERP}, "target:auth:connection erp",
         "The credentials of the connection erp are refused"),
        ({"failure_class": "auth", "host": "shop.test:443"}, "step:p:s1", "Process p: step 1 “Step 1” failed"),
        ({"failure_class": "permission", "status": "error", **ERP}, "target:permission:connection erp",
         "The account of the connection erp may not do what is asked of it"),
        ({"failure_class": "http_status", "reason": "unavailable", "host": "shop.test:80"},
         "target:http_status:shop.test:80", "shop.test is unavailable"),
        ({"failure_class": "http_status", "host": "shop.test:80"}, "step:p:s1", "Process p: step 1 “Step 1” failed"),
        ({"failure_class": "worker_lost", "status": "error", "reason": "no_worker", "work": "db_query", **ERP},
         "workers:no_worker:db_query", "No worker listens for db_query"),
        ({"failure_class": "worker_lost", "status": "error", "work": "db_query"}, "workers:lost:db_query",
         "Workers for db_query stopped in the middle of their work"),
        ({"failure_class": "assertion", **ERP}, "step:p:s1", "Process p: step 1 “Step 1” failed"),
        ({"failure_class": "not_found", "status": "overdue", **ERP}, "step:p:s1",
         "Process p: step 1 “Step 1” is overdue"),
        ({"failure_class": "invalid_definition", "status": "error"}, "step:p:s1",
         "Process p: step 1 “Step 1” could not be checked"),
        ({"failure_class": "blocked_by_policy", "status": "error", "reason": "robots_txt", "host": "x.test:80"},
         "step:p:s1", "Process p: step 1 “Step 1” could not be checked"),
    ],
)  # fmt: skip
def test_what_the_cause_is_and_how_it_is_said(end: dict[str, Any], cause: str, title: str) -> None:
    """A target that answers nobody, an account it refuses, workers that are away; otherwise the step."""
    (fault,) = faults_of(ended(end))
    assert (fault.cause, fault.title) == (cause, title)


@pytest.mark.req("IR-8")
def test_an_outage_is_the_same_whether_the_connection_is_refused_or_nobody_accepts_it() -> None:
    """A machine that goes down is seen as both, by the same step and by several."""
    refused, unaccepted = ({"failure_class": "connect", **ERP},
                           {"failure_class": "timeout", "status": "timeout", "reason": "connect", **ERP})  # fmt: skip
    assert causes(refused) == causes(unaccepted, status="timeout")
    assert faults_of(ended(unaccepted))[0].title == "db.test:5432 cannot be reached"
    late = {"failure_class": "timeout", "status": "timeout", "reason": "read", **ERP}
    assert causes(refused) != causes(late, status="timeout")


@pytest.mark.req("IR-8")
def test_processes_that_share_a_target_share_the_cause() -> None:
    """Whatever step of whatever process asked it; what the target answered to one step stays with that step."""
    down = {"failure_class": "connect", **ERP}
    assert causes(down) == causes({"status": "success"}, down, process_id="q", status="error")
    wrong = {"failure_class": "assertion", **ERP}
    assert causes(wrong) != causes(wrong, process_id="q")


def test_a_run_has_a_cause_for_each_thing_to_mend() -> None:
    """Only where a definition goes on after a failure; two steps stopped by the same target count once."""
    down = {"failure_class": "connect", "host": "a.test:443"}
    found = causes(down, {"failure_class": "assertion"}, down, {"status": "skipped"})
    assert found == ["target:connect:a.test:443", "step:p:s2"]


@pytest.mark.parametrize("status", ["success", "warning", "not_yet", "cancelled"])
def test_an_end_that_is_no_fault_has_no_cause(status: str) -> None:
    """Nothing is wrong so far, or somebody wanted it so."""
    assert causes({"failure_class": "assertion"}, status=status) == []


def test_an_event_without_the_ends_of_its_steps_still_has_a_cause() -> None:
    """It was written by an older version: the step it is told by is known."""
    event = ended(step_id="x", step_number=3, step_name="X", failure_class="assertion", check_type="api_call")
    assert [fault.cause for fault in faults_of(event)] == ["step:p:x"]


@pytest.mark.parametrize(
    ("status", "stands", "passed"),
    [
        ("success", None, True), ("warning", None, True), ("cancelled", None, False), ("failed", None, False),
        ("failed", "success", True), ("not_yet", "success", True), ("stuck", "warning", True),
        ("failed", "failed", False), ("failed", "skipped", False), ("not_yet", "not_yet", False),
    ],
)  # fmt: skip
def test_a_step_has_passed_when_a_run_shows_it(status: str, stands: str | None, passed: bool) -> None:
    """A run that never reached it shows nothing."""
    ends = [StepEnd(step_id="x", number=1, name="X", status=StepStatus(stands))] if stands else None
    assert has_passed(status, ends, "x") is passed


def test_a_step_that_is_gone_stops_nobody() -> None:
    """The definition was changed since."""
    other = StepEnd(step_id="y", number=1, name="Y", status=StepStatus.FAILED)
    assert has_passed("failed", [other], "x")
