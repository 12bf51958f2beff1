"""The stuck board: every open key of a process at the furthest step it has reached."""

from typing import Literal

from pydantic import Field

from steptrail_common.contracts.model import Contract, RunStatus, Timestamp


class BoardStep(Contract):
    """One step of the funnel. Steps without a `set` query place no keys: `counted` is false."""

    step_id: str
    number: int
    name: str
    owner: str | None = None
    counted: bool
    waiting: int = Field(default=0, description="Keys that have passed every step before and not this one")
    passed: int = Field(default=0, description="Open keys that have passed this step")
    oldest_since: Timestamp | None = Field(default=None, description="From when the oldest waiting key counts")
    oldest_age_seconds: float | None = None


class StuckBoard(Contract):
    """The last board that was taken. A refresh that failed leaves it as it was and says why in `message`."""

    process_id: str
    process_name: str
    input: str | None = Field(default=None, description="The input a key is given to when it is checked")
    state: Literal["never_taken", "ready"]
    revision: int | None = Field(default=None, description="Of the definition it was taken with")
    taken_at: Timestamp | None = None
    taken_by: str | None = None
    age_seconds: float | None = None
    duration_seconds: float | None = Field(default=None, description="How long its queries took")
    open_keys: int = 0
    finished: int = Field(default=0, description="Open keys that have passed every counted step")
    steps: list[BoardStep]
    failed_at: Timestamp | None = Field(default=None, description="When the last refresh failed, if it did")
    message: str | None = Field(default=None, description="Why it failed")


class BoardKey(Contract):
    """One open key and where it stands; `step_id` is null when it has passed every counted step."""

    key: str
    step_id: str | None
    step_number: int | None
    step_name: str | None
    since_at: Timestamp | None = None
    age_seconds: float | None = Field(default=None, description="Since the population says it is open")
    here_since: Timestamp = Field(description="The first board that found it at this step")
    run_id: str | None = Field(default=None, description="The newest run for this key")
    run_status: RunStatus | None = None
    run_at: Timestamp | None = None
