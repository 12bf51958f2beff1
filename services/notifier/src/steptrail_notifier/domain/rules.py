"""Rules: which ends of runs are told to which channel.

A rule looks at one series at a time: the runs of a process for one key, in the order they ended. A bad end is told
once per streak, when the streak is `after_failures` long; again only as a reminder; and `recovered` when a streak
that was long enough is over. Outcomes may become known in any order: `notices` is asked for each new one and says
what the whole series now calls for, less what was told before.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from steptrail_notifier.domain.outcomes import Outcome

BAD = frozenset({"failed", "stuck", "not_yet", "warning", "error", "timeout"})
"""Moments that are states of a run to worry about, as far as a rule names them."""
USUALLY_BAD = frozenset({"failed", "stuck", "error", "timeout"})
"""What `recovered` looks back for in a rule that names no bad moment."""
PASSED = frozenset({"success", "warning"})
RECOVERED, SUCCESS, FINISHED = "recovered", "success", "finished"
INCIDENT_OPENED, INCIDENT_RESOLVED = "incident_opened", "incident_resolved"


class _Kind(Enum):
    HIT = "counts as bad for the rule"
    CLEAR = "ends a streak"
    NEUTRAL = "neither: cancelled, or a state the rule does not name"


@dataclass(frozen=True, slots=True)
class Rule:
    """`on` holds moments; empty filters match every process; `remind_every_seconds` None: told once."""

    rule_id: str
    channel_id: str
    on: frozenset[str]
    process_id: str | None = None
    category: str | None = None
    after_failures: int = 1
    remind_every_seconds: float | None = None

    def covers(self, process_id: str, category: str | None) -> bool:
        """Whether runs of the process are looked at at all."""
        return self.process_id in (None, process_id) and self.category in (None, category)

    @property
    def tells_runs(self) -> bool:
        """Whether it looks at runs one by one; else only at incidents."""
        return bool(self.on - {INCIDENT_OPENED, INCIDENT_RESOLVED})

    @property
    def bad(self) -> frozenset[str]:
        return self.on & BAD or USUALLY_BAD

    def kind(self, outcome: Outcome) -> _Kind:
        if outcome.status in self.bad:
            return _Kind.HIT
        return _Kind.CLEAR if outcome.status in PASSED else _Kind.NEUTRAL


@dataclass(frozen=True, slots=True)
class Notice:
    """Tell the channel of the rule about this run; `moment` says why."""

    run_id: str
    moment: str


Told = Collection[tuple[str, str]]
"""(run_id, moment) of what a rule has told."""


def notices(rule: Rule, series: Sequence[Outcome], new: Outcome, told: Told, *, remind: bool = True) -> list[Notice]:
    """What is to be told now that `new` is known. `series` is sorted and holds it; `remind` of what was told."""
    counted = [outcome for outcome in series if rule.kind(outcome) is not _Kind.NEUTRAL]
    found: list[Notice] = []
    if rule.kind(new) is _Kind.HIT:
        found = _of_hit(rule, counted, new, told, remind=remind)
    elif rule.kind(new) is _Kind.CLEAR:
        found = _of_clear(rule, counted, new, told)
    if not any(notice.run_id == new.run_id for notice in found):
        found += _of_every_run(rule, new)
    return [notice for notice in found if (notice.run_id, notice.moment) not in told]


def _of_hit(rule: Rule, counted: Sequence[Outcome], new: Outcome, told: Told, *, remind: bool) -> list[Notice]:
    place = counted.index(new)
    start, stop = _streak(rule, counted, place)
    streak = counted[start:stop]
    found = _of_streak(rule, streak, new, told, remind=remind)
    if stop < len(counted):
        found += _recovery(rule, streak, counted[stop])
    return found


def _of_clear(rule: Rule, counted: Sequence[Outcome], new: Outcome, told: Told) -> list[Notice]:
    """The streak before is over. If bad runs on both sides were known, what seemed one streak were two."""
    place = counted.index(new)
    before = place > 0 and rule.kind(counted[place - 1]) is _Kind.HIT
    behind = place + 1 < len(counted) and rule.kind(counted[place + 1]) is _Kind.HIT
    found: list[Notice] = []
    if before:
        start, stop = _streak(rule, counted, place - 1)
        found += _recovery(rule, counted[start:stop], new)
    if before and behind:
        found += _of_streak(rule, counted[start:stop], counted[start], told)
        start, stop = _streak(rule, counted, place + 1)
        found += _of_streak(rule, counted[start:stop], counted[start], told)
    return found


def _streak(rule: Rule, counted: Sequence[Outcome], place: int) -> tuple[int, int]:
    """Where the bad outcomes around a place begin and end (exclusive)."""
    start, stop = place, place + 1
    while start > 0 and rule.kind(counted[start - 1]) is _Kind.HIT:
        start -= 1
    while stop < len(counted) and rule.kind(counted[stop]) is _Kind.HIT:
        stop += 1
    return start, stop


def _of_streak(rule: Rule, streak: Sequence[Outcome], new: Outcome, told: Told, *, remind: bool = True) -> list[Notice]:
    """The streak itself, if it is long enough and not told, or a reminder of it."""
    if not rule.on & BAD or len(streak) < rule.after_failures:
        return []
    known = [outcome for outcome in streak if (outcome.run_id, outcome.status) in told]
    if not known:
        reached = streak[rule.after_failures - 1]
        subject = max(new, reached)
        return [Notice(subject.run_id, subject.status)]
    if rule.remind_every_seconds is None or not remind:
        return []
    due = max(known).ended_at + timedelta(seconds=rule.remind_every_seconds)
    return [Notice(new.run_id, new.status)] if new.ended_at >= due else []


def _recovery(rule: Rule, streak: Sequence[Outcome], clear: Outcome) -> list[Notice]:
    if RECOVERED not in rule.on or len(streak) < rule.after_failures:
        return []
    return [Notice(clear.run_id, RECOVERED)]


def _of_every_run(rule: Rule, new: Outcome) -> list[Notice]:
    if SUCCESS in rule.on and new.status == SUCCESS:
        return [Notice(new.run_id, SUCCESS)]
    return [Notice(new.run_id, FINISHED)] if FINISHED in rule.on else []
