"""The state machine of a run, without any store: decisions, sentences, and that events tell the whole state."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steptrail_common.contracts.catalog import DefinitionSnapshot
from steptrail_common.contracts.definition import Definition, Retry
from steptrail_common.contracts.model import FailureClass, RunStatus, StepStatus
from steptrail_common.contracts.workers import StepResult
from steptrail_common.testing.replay import replay
from steptrail_orchestrator.domain import decisions
from steptrail_orchestrator.domain.first_aid import FIRST_AID, OF_REASON, first_aid
from steptrail_orchestrator.domain.outcome import delay_seconds
from steptrail_orchestrator.domain.run import TAKEN_SECONDS, Chain, Limits, RunState, StepState, World
from steptrail_orchestrator.domain.verdict import verdict
from steptrail_orchestrator.domain.walk import Walk
from steptrail_orchestrator.domain.wording import allowance, ranges, span

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
API_CALL = "api_call"
LIVE = frozenset({API_CALL})


def chain_of(*steps: dict[str, Any], **more: Any) -> Chain:
    definition = Definition.model_validate(
        {
            "version": 1, "process": "p", "name": "P",
            "steps": [
                {"name": f"N{step['id']}", "check": {"type": "api_call", "url": "https://x.test"}, **step}
                for step in steps
            ],
            **more,
        }
    )  # fmt: skip
    return Chain("d", DefinitionSnapshot(process_id="p", revision=1, definition=definition, connections={}))


class Story:
    """One run told by hand, with a clock that is moved."""

    def __init__(self, *steps: dict[str, Any], **more: Any) -> None:
        chain = chain_of(*steps, **more)
        tokens = count(1)
        run = RunState(
            "r", "p", "P", "d", 1, "manual", "anna", "4711", {}, START,
            START + timedelta(seconds=chain.definition.timeout),
        )  # fmt: skip
        self.now = START
        self.walk = Walk(chain, run, {}, None, limits=Limits(), new_token=lambda: f"t{next(tokens)}")
        decisions.begin(self.walk, START)

    @property
    def world(self) -> World:
        return World(self.now, LIVE)

    def after(self, seconds: float) -> "Story":
        self.now += timedelta(seconds=seconds)
        decisions.tick(self.walk, self.world)
        return self

    def result(self, failure: str | None = None, **more: Any) -> StepResult:
        attempt = self.walk.attempt
        assert attempt is not None
        values: dict[str, Any] = {
            "run_id": "r", "step_id": attempt.step_id, "attempt": attempt.attempt, "token": attempt.token,
            "worker_id": "w", "ok": failure is None, "failure_class": failure, "duration_seconds": 0.1,
        }  # fmt: skip
        return StepResult.model_validate(values | more)

    def answer(self, failure: str | None = None, *, seconds: float = 0.5, **more: Any) -> "Story":
        self.now += timedelta(seconds=seconds)
        decisions.accept(self.walk, self.result(failure, **more), self.world)
        return self

    def cancel(self) -> "Story":
        decisions.cancel(self.walk, "anna", self.now)
        return self

    @property
    def status(self) -> str:
        return self.walk.run.status.value

    @property
    def steps(self) -> list[str]:
        return [state.status.value for state in self.walk.steps.values()]

    @property
    def said(self) -> str:
        return verdict(self.walk.chain, self.walk.run, self.walk.steps, self.walk.run.ended_at or self.now).text


A, B, C = {"id": "a"}, {"id": "b"}, {"id": "c"}
LATE = {"expect_within": "30m"}
NO_RETRY = {"retry": {"count": 0, "interval": "1s"}}


@pytest.mark.parametrize(
    ("story", "status", "steps", "said"),
    [
        (lambda: Story(A).answer(), "success", "success", "The only step passed in 0.5 s."),
        (lambda: Story(A, B).answer().answer(), "success", "success success", "Both steps passed in 1.0 s."),
        (
            lambda: Story(A, B | {"enabled": False}).answer(),
            "success", "success skipped", "1 of 2 steps passed, 1 skipped, in 0.5 s.",
        ),
        (
            lambda: Story(A, B, C).answer().answer("assertion", message="rows 0, expected 1."),
            "failed", "success failed skipped", "Passed 1, failed at 2 “Nb”: rows 0, expected 1.",
        ),
        (
            lambda: Story(A | NO_RETRY, B).answer("timeout", message="no answer"),
            "timeout", "timeout skipped", "Timed out at 1 “Na”: no answer.",
        ),
        (
            lambda: Story(A, B | NO_RETRY).answer().answer("auth", ours=True, message="our password is wrong"),
            "error", "success error", "Passed 1, could not check 2 “Nb”: our password is wrong.",
        ),
        (
            lambda: Story(A, B | LATE, timeout="2h").answer().after(0).answer("not_found"),
            "not_yet", "success not_yet", "Passed 1, not yet at 2 “Nb”, due in 30 min.",
        ),
        (
            lambda: Story(A | {"expect_within": "1s"}, B).answer("assertion", seconds=90),
            "stuck", "overdue skipped", "Stuck at 1 “Na”, waiting 1 min 30 s, expected within 1 s.",
        ),
        (
            lambda: Story(A | {"on_failure": "warn"}, B).answer("assertion", message="odd").answer(),
            "warning", "warning success", "Warning at 1 “Na”: odd.",
        ),
        (
            lambda: Story(A | {"on_failure": "continue"}, B).answer("assertion", message="odd").answer(),
            "failed", "failed success", "Failed at 1 “Na”: odd.",
        ),
        (
            lambda: Story(A | {"on_failure": "continue"} | NO_RETRY, B).answer("auth", ours=True, message="x")
            .answer("assertion", message="y"),
            "failed", "error failed", "Failed at 2 “Nb”: y.",
        ),
        (
            lambda: Story(A, B, timeout="10s").answer().after(11),
            "timeout", "success timeout", "Passed 1, timed out at 2 “Nb”: the run's timeout of 10 s is over.",
        ),
        (lambda: Story(A, B, C).answer().cancel(), "cancelled", "success cancelled skipped",
         "Passed 1, cancelled at 2 “Nb” by anna."),
        (lambda: Story(A, B).answer(), "running", "success running", "Checking 2 of 2 “Nb”…"),
        (
            lambda: Story(A, B | {"always_run": True}, C).answer("assertion", message="x").answer(),
            "failed", "failed success skipped", "Failed at 1 “Na”: x.",
        ),
        (
            lambda: Story(A | {"retry": {"count": 1, "interval": "4s", "backoff": "fixed"}}).answer("connect").after(0),
            "running", "retrying", None,
        ),
    ],
)  # fmt: skip
def test_how_a_run_ends_and_what_is_said(story: Callable[[], Story], status: str, steps: str, said: str | None) -> None:
    """Every final status with its sentence."""
    told = story()
    assert (told.status, " ".join(told.steps)) == (status, steps)
    assert said is None or told.said == said


def test_a_lost_worker_costs_an_attempt_and_then_the_step() -> None:
    """Within the budget the step is given out again at once; after it the step is an error of ours."""
    story = Story(A | {"retry": {"count": 1, "interval": "1s"}})
    for attempt in (1, 2):
        assert story.walk.attempt is not None
        assert story.walk.attempt.attempt == attempt
        story.walk.attempt.lease_until = story.now + timedelta(seconds=15)
        story.after(16)
    assert (story.status, story.walk.steps["a"].failure_class) == ("error", FailureClass.WORKER_LOST)


def test_a_worker_that_cannot_do_a_check_leaves_it_to_another_one() -> None:
    """Within the budget, whatever the step repeats otherwise: such as a browser that is missing there."""
    story = Story(A | {"retry": {"count": 1, "interval": "1s", "on": ["timeout"]}})
    story.answer("worker_lost", ours=True, message="no browser")
    assert story.steps == ["retrying"]
    story.after(2).answer("worker_lost", ours=True, message="no browser")
    assert (story.status, story.walk.steps["a"].failure_class) == ("error", FailureClass.WORKER_LOST)


def test_a_run_ends_at_its_deadline_whatever_it_waits_for() -> None:
    """A worker that renews its lease for ever holds nothing beyond the run's own time."""
    story = Story(A, B, timeout="5m")
    assert story.walk.attempt is not None
    story.walk.attempt.lease_until = story.now + timedelta(hours=1)
    assert story.after(299).status == "running"
    assert (story.after(2).status, story.steps) == ("timeout", ["timeout", "skipped"])


def test_a_step_that_nobody_takes_is_given_up() -> None:
    """When no worker of its kind lives for as long as the pick-up limit says."""
    story = Story(A)
    limit = story.walk.limits.pickup_seconds
    for seconds, status in ((limit - 1, "running"), (2, "error")):
        story.now += timedelta(seconds=seconds)
        decisions.tick(story.walk, World(story.now))
        assert story.status == status


@pytest.mark.req("NFR-001", "NFR-006")
def test_after_an_outage_nobody_is_given_up_before_workers_could_be_heard() -> None:
    """However long everything was away: the limit begins when heartbeats arrive again, and so does the notice."""
    story = Story(A)
    limits = story.walk.limits
    story.now += timedelta(seconds=3 * limits.pickup_seconds)
    for heard, status, reason in (
        (0.0, "running", None),
        (limits.notice_seconds, "running", "no_worker"),
        (limits.pickup_seconds - 1, "running", "no_worker"),
        (limits.pickup_seconds, "error", "no_worker"),
    ):
        decisions.tick(story.walk, World(story.now, heard_seconds=heard))
        assert (story.status, story.walk.steps["a"].reason) == (status, reason)


def test_a_request_that_was_lost_is_sent_again() -> None:
    """Its queue is empty and nobody has begun: the same attempt with the same token leaves once more."""
    story = Story(A)
    before = list(story.walk.requests)
    story.now += timedelta(seconds=story.walk.limits.republish_seconds + 1)
    decisions.tick(story.walk, World(story.now, LIVE, {API_CALL: TAKEN_SECONDS}))
    assert [request.token for request in story.walk.requests] == [before[0].token] * 2
    decisions.tick(story.walk, World(story.now, LIVE, {API_CALL: TAKEN_SECONDS}))
    assert len(story.walk.requests) == 2, "not again before its time"


@pytest.mark.req("NFR-006")
def test_a_request_that_waited_long_and_is_taken_this_moment_is_not_lost() -> None:
    """Its queue is empty, and its worker had no time to say so: the next look knows, and is soon. Nor does a look tell
    anything that was taken before the request was sent."""
    story = Story(A)
    limits = story.walk.limits
    story.now += timedelta(seconds=limits.republish_seconds + 1)
    for before in (0.0, TAKEN_SECONDS - 1, limits.republish_seconds + 2):
        decisions.tick(story.walk, World(story.now, LIVE, {API_CALL: before}))
        assert (len(story.walk.requests), story.walk.repaired) == (1, 0)
        assert story.walk.run.wake_at == story.now + timedelta(seconds=TAKEN_SECONDS)
    story.now += timedelta(seconds=TAKEN_SECONDS)
    decisions.tick(story.walk, World(story.now, LIVE, {API_CALL: TAKEN_SECONDS}))
    assert (len(story.walk.requests), story.walk.repaired) == (2, 1)


def test_workers_that_die_unnoticed_are_missed_before_the_attempt_is_given_up() -> None:
    """At the first looks a dead worker still counts as living; every look notes the next one, and the run says it."""
    story = Story(A)
    limits = story.walk.limits
    died = story.now + timedelta(seconds=limits.republish_seconds + 5)
    while (wake := story.walk.run.wake_at) is not None and wake < START + timedelta(seconds=limits.pickup_seconds):
        story.now = wake
        decisions.tick(story.walk, World(story.now, LIVE if story.now < died else frozenset()))
    assert story.said.endswith("no worker listens for api_call yet.")
    assert story.status == "running"


def test_a_run_always_knows_when_it_must_wake() -> None:
    """While it is open there is a next moment, at its deadline at the latest; afterwards there is none."""
    story = Story(A, B, timeout="5m")
    assert story.walk.run.wake_at is not None
    assert START < story.walk.run.wake_at <= story.walk.run.deadline_at
    story.answer().answer()
    assert story.walk.run.wake_at is None


def test_a_wake_up_already_noted_is_kept() -> None:
    """To wake too early costs one look; to move it at every step costs an index entry each."""
    story = Story(A, B, C)
    first = story.walk.run.wake_at
    story.answer().answer()
    assert story.walk.run.wake_at == first


def test_the_delay_between_attempts() -> None:
    """Doubling up to the largest interval, less up to a fifth, the same for the same attempt."""
    retry = Retry.model_validate({"count": 5, "interval": "2s", "backoff": "exponential", "max_interval": "5s"})
    delays = [delay_seconds(retry, StepState("a", 1, attempt=number), "r") for number in (1, 2, 3, 4)]
    for delay, full in zip(delays, (2.0, 4.0, 5.0, 5.0), strict=True):
        assert 0.8 * full <= delay <= full
    assert delays == [delay_seconds(retry, StepState("a", 1, attempt=number), "r") for number in (1, 2, 3, 4)]


def test_every_failure_class_has_first_aid() -> None:
    assert set(FIRST_AID) == set(FailureClass)
    assert first_aid(StepStatus.SUCCESS, None) is None
    assert first_aid(StepStatus.FAILED, FailureClass.CONNECT, "circuit_open") == OF_REASON["circuit_open"]
    assert first_aid(StepStatus.FAILED, FailureClass.CONNECT, "refused") == FIRST_AID[FailureClass.CONNECT]
    assert first_aid(StepStatus.OVERDUE, FailureClass.ASSERTION) != FIRST_AID[FailureClass.ASSERTION]


@pytest.mark.req("IR-8")
def test_a_run_that_did_not_pass_says_how_each_step_ended() -> None:
    """Whoever looks for the cause learns why and where; a run that passed or was cancelled says nothing more."""
    on = {"on_failure": "continue", **NO_RETRY}
    where = {"check": {"type": "api_call", "url": "https://${{ vars.shop }}:8443/x"}}
    story = Story(A, B | on | where, C | {"if": "1 / 0 == 1"}, vars={"shop": "Shop.test"})
    story.answer().answer("connect", message="refused", reason="refused")
    end = story.walk.events[-1]
    assert end.ends is not None
    assert [(one.number, one.status) for one in end.ends] == [(1, "success"), (2, "failed"), (3, "error")]
    bad = end.ends[1]
    assert (bad.failure_class, bad.reason, bad.message) == ("connect", "refused", "refused")
    assert (bad.host, bad.connection_id, bad.work) == ("shop.test:8443", None, "api_call")
    assert bad.first_aid == FIRST_AID[FailureClass.CONNECT]
    assert (end.ends[0].host, end.ends[0].first_aid) == (None, None)
    assert Story(A).answer().walk.events[-1].ends is None
    assert Story(A).cancel().walk.events[-1].ends is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.002, "0.01 s"), (0.04, "0.04 s"), (1.94, "1.9 s"), (9.97, "10 s"), (59.7, "59 s"), (60, "1 min"),
     (90, "1 min 30 s"), (1800, "30 min"), (3599, "59 min"), (11_579.9, "3 h 12 m"), (7200, "2 h"),
     (187_200, "2 d 4 h"), (172_800, "2 d"), (-5, "0.0 s")],
)  # fmt: skip
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_small_wordings() -> None:
    assert allowance(5) == "5 s"
    assert ranges([3, 1, 2, 5]) == "1–3, 5"


MOVES = st.lists(
    st.sampled_from(["pass", "assertion", "connect", "timeout", "ours", "late", "lose", "wait", "long", "cancel"]),
    max_size=25,
)
STEP = st.fixed_dictionaries(
    {},
    optional={
        "on_failure": st.sampled_from(["stop", "continue", "warn"]),
        "always_run": st.booleans(),
        "enabled": st.booleans(),
        "if": st.sampled_from(["true", "false", "steps.s1.status == 'success'", "steps.s1.x", "nope"]),
        "expect_within": st.sampled_from(["1s", "1h"]),
        "wait_until": st.just({"interval": "1s", "timeout": "5s"}),
        "retry": st.just({"count": 1, "interval": "1s"}),
    },
)


def _move(story: Story, move: str) -> None:
    walk = story.walk
    if move == "cancel":
        story.cancel()
    elif move in ("wait", "long"):
        story.after(2.0 if move == "wait" else 400.0)
    elif walk.attempt is None:
        story.after(0.5)
    elif move == "late":
        decisions.accept(walk, story.result(token="other"), story.world)
    elif move == "lose":
        walk.attempt.lease_until = story.now
        story.after(0.1)
    elif move == "ours":
        story.answer("auth", ours=True)
    else:
        story.answer(None if move == "pass" else move)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=5), MOVES)
def test_events_tell_the_whole_state(steps: list[dict[str, Any]], moves: list[str]) -> None:
    """Whatever happens, in whatever order: replaying the events gives the stored state, and an ended run stays so."""
    story = Story(*({"id": f"s{number}", **step} for number, step in enumerate(steps, 1)))
    final: RunStatus | None = None
    for move in moves:
        _move(story, move)
        walk = story.walk
        if final is not None:
            assert walk.run.status is final
        final = walk.run.status if walk.run.status.final else None
        assert (walk.run.wake_at is None) == walk.run.status.final
        assert sum(not s.status.final and s.status is not StepStatus.PENDING for s in walk.steps.values()) <= 1
    told = replay(story.walk.events)
    assert told.faults == []
    assert (told.status, told.last_seq) == (story.status, story.walk.run.seq)
    for step_id, state in story.walk.steps.items():
        assert (told.steps[step_id].status, told.steps[step_id].attempt) == (state.status.value, state.attempt)
    if final is not None:
        assert all(state.status.final for state in story.walk.steps.values())
        assert story.walk.attempt is None
