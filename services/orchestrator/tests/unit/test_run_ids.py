"""The ids of runs."""

from datetime import UTC, datetime, timedelta

from steptrail_common.contracts.events import begun_at
from steptrail_orchestrator.service import new_run_id


def test_the_id_of_a_new_run_says_that_it_is_new() -> None:
    """Gateways tell by it whether they heard a run from its beginning."""
    before = datetime.now(UTC)
    ids = [new_run_id() for _ in range(3)]
    assert len(set(ids)) == 3
    for run_id in ids:
        moment = begun_at(run_id)
        assert moment is not None
        assert before - timedelta(milliseconds=1) <= moment <= datetime.now(UTC)
