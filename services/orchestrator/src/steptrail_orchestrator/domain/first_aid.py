"""What to look at first, per failure class, and per reason where that says more."""

from steptrail_common.contracts.model import FailureClass, StepStatus

FIRST_AID: dict[FailureClass, str] = {
    FailureClass.DNS: "The host name was not found. Check its spelling, and whether the name server of the workers "
    "knows it.",
    FailureClass.CONNECT: "Nothing answered at this address and port. Check that the service runs and that a "
    "firewall lets the workers through.",
    FailureClass.TLS: "The encrypted connection could not be set up. Check the certificate's dates, host name "
    "and issuer.",
    FailureClass.AUTH: "The credentials were refused. Check the secrets of the connection, and whether the account is "
    "locked or its password has expired.",
    FailureClass.PERMISSION: "The account is known but may not do this. Ask the owner of the system for read access.",
    FailureClass.RATE_LIMITED: "The target asked us to slow down. Check less often, or agree a higher limit.",
    FailureClass.TIMEOUT: "No answer in time. Look at the target's load first; if it is always this slow, raise the "
    "step's timeout.",
    FailureClass.HTTP_STATUS: "The server answered with an error status. Open the response below, and look into the "
    "server's log at this time.",
    FailureClass.ASSERTION: "The answer came, but it is not what was expected. Compare expected and actual below, "
    "and see what changed since the last good run.",
    FailureClass.NOT_FOUND: "What was looked for does not exist. Check the key that was entered, then the step before "
    "this one, which should have produced it.",
    FailureClass.STALE: "It is there, but too old. Check whether the job that writes it still runs.",
    FailureClass.TOO_MANY: "More was found than expected. Look for duplicates, or narrow the query.",
    FailureClass.TOO_LARGE: "The answer exceeds the limit. Ask for less: fewer rows, a smaller page, a narrower path.",
    FailureClass.SCHEMA_CHANGED: "The answer has another shape than before. Check for a release of the target, then "
    "adjust the paths and columns of this step.",
    FailureClass.PROTOCOL: "The answer could not be understood. Check that address and kind of check belong together.",
    FailureClass.BLOCKED_BY_POLICY: "The installation does not allow this address. An administrator can allow it in "
    "the egress settings.",
    FailureClass.INVALID_DEFINITION: "The definition of this step does not work with these values. Correct the "
    "expression or setting that the message names.",
    FailureClass.WORKER_LOST: "No worker finished this step. Look at the workers page, whether workers for this kind "
    "of check run and have capacity.",
    FailureClass.INTERNAL: "Something went wrong on our side. Look into the log with the run id, then report it.",
}
"""Every failure class has its text: a test holds the two lists together."""

OF_REASON: dict[str, str] = {
    "circuit_open": "The target could not be reached several times in a row and is left alone for a few seconds. Check "
    "that it runs; pressing Try on the step asks it at once.",
    "connect": "Nothing accepted the connection in time. Check that the service runs and that a firewall lets the "
    "workers through.",
    "target_rate": "Steptrail itself holds checks of this target back. An administrator can raise the rate "
    "(STEPTRAIL_TARGET_RATE), or fewer processes can ask it.",
    "unavailable": "The server, or the gateway before it, says that it cannot serve anything now. Check that it runs "
    "and is not overloaded or in maintenance.",
    "target_busy": "As many checks of this target as are allowed at once are still waiting for its answer. Look at why "
    "it is slow, or let an administrator raise STEPTRAIL_TARGET_CONCURRENCY.",
    "robots_txt": "The site's robots.txt does not want this page to be fetched by programs. Ask its "
    "owner; for a site of "
    "your own the step can say `robots: ignore`.",
    "no_worker": "No worker for this kind of check is running. Start one; the workers page shows "
    "which kinds are served.",
    "worker_unavailable": "The worker lacks a part for this check, which the message names. An "
    "administrator installs it.",
    "secret_missing": "The connection lacks a secret that this check needs. Enter it in the connection and test it.",
    "secret_refused": "A secret of the connection cannot be opened: it was sealed for another host, or with a key that "
    "is gone. Enter it again.",
    "superuser_refused": "The account may do everything, so nothing would hold back a wrong "
    "statement. Use an account that "
    "can only read.",
    "host_key": "The server showed another key than the connection knows. If it was renewed, enter "
    "the new one; if not, "
    "somebody may stand between.",
    "lock_timeout": "Another session holds a lock on the table. Look for a long transaction in that database.",
    "statement_timeout": "The database needs longer than the step allows. Look for a missing index, "
    "or raise the timeout.",
    "still_growing": "The file is still being written. Check again when the transfer is over.",
    "checksum": "The file is not what its checksum says: it was cut or changed on its way. Have it sent again.",
    "browser_crashed": "The browser did not survive this page. Try again; if it happens each time, the page needs more "
    "memory than a worker grants.",
}
"""Where the reason says more than the class."""

_OVERDUE = (
    "The allowance is over and the state is still missing. Ask the owner of this step what holds it up; "
    "everything before it is done."
)
_NOT_YET = "Nothing is wrong so far: the allowance still runs. Check again after it has ended."


def first_aid(status: StepStatus, failure_class: FailureClass | None, reason: str | None = None) -> str | None:
    """The text for a step that did not succeed, by reason where there is one; None for all others."""
    if status is StepStatus.OVERDUE:
        return _OVERDUE
    if status is StepStatus.NOT_YET:
        return _NOT_YET
    if status in (StepStatus.SUCCESS, StepStatus.SKIPPED) or failure_class is None:
        return None
    return OF_REASON.get(reason or "", FIRST_AID[failure_class])
