"""Asking for events again: the broker may lose a queue, the orchestrator's event log never forgets."""

from typing import Literal

from pydantic import Field

from steptrail_common.contracts.model import Event, Timestamp

REPLAYS_QUEUE = "steptrail.replays.v1"


class ReplayRequest(Event):
    """Send the events of runs and missed starts to a queue once more. Whoever asks drops what it knows already."""

    version: Literal[1] = 1
    queue: Literal["steptrail.reporting.v1", "steptrail.notifier.v1"] = Field(description="Only queues of our own")
    since: Timestamp | None = Field(
        default=None,
        description="Of runs that are open or ended after this moment, of starts found missed after it; None: of all",
    )
    types: list[str] = Field(default=[], description="Only these, such as run.finished; empty: all")
