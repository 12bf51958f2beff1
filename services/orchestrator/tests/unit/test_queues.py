"""What waits at the broker is asked about by name: another replica may have put it there."""

from collections.abc import Collection

import pytest
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.contracts.checks import work_types
from steptrail_common.contracts.workers import request_queue
from steptrail_orchestrator.entrypoints.events import empty_queues


class _Noting(InProcessBus):
    """Notes which queues it is asked about; two requests wait for `api_call`."""

    def __init__(self) -> None:
        super().__init__(InProcessBroker())
        self.asked: set[str] = set()

    async def queue_depths(self, queues: Collection[str] = ()) -> dict[str, int]:
        self.asked.update(queues)
        return {request_queue("api_call"): 2}


@pytest.mark.req("NFR-006")
async def test_a_queue_is_taken_for_empty_only_after_it_was_asked_about() -> None:
    """Each kind is, whether this replica has ever published to its queue or not."""
    bus = _Noting()
    empty = await empty_queues(bus)
    assert bus.asked == {request_queue(kind) for kind in work_types()}
    assert empty == set(work_types()) - {"api_call"}
