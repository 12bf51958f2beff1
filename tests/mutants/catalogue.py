"""All safeties that are switched off in turn, by what they protect."""

from tests.mutants.mutant import Mutant
from tests.mutants.safeties import messages, outside, runs, targets, web

GROUPS: dict[str, tuple[Mutant, ...]] = {
    "Runs": runs.MUTANTS,
    "Messages, schedules, reports and notifications": messages.MUTANTS,
    "The way out": outside.MUTANTS,
    "Checked systems and evidence": targets.MUTANTS,
    "The way in": web.MUTANTS,
}
MUTANTS = tuple(mutant for group in GROUPS.values() for mutant in group)
