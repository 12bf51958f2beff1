"""The stuck board on both databases: from a definition with a population to the keys at each step."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from steptrail_common.contracts.workers import KeyAnswer

NOW = datetime.now(UTC)
BOARD = "/processes/order-to-cash/stuck-board"
STEPS = (
    {"id": "paid", "set": {"query": "select paid"}},
    {"id": "packed"},
    {"id": "billed", "set": {"query": "select billed"}},
    {"id": "sent", "owner": "team-post", "set": {"query": "select sent", "connection": "post"}},
)
POPULATION = {"connection": "erp", "query": "select open", "since": "placed_at"}


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


async def board_of(bench: Any, **more: Any) -> Any:
    """An orchestrator whose process has five open orders, of which no. 9 in the sets is not open."""
    here = await bench(**more)
    here.save(*STEPS, population=POPULATION)
    here.worker.keys = {
        "select open": KeyAnswer(
            keys=["1001", "1002", "1003", "1004", "1005"],
            since=[hours_ago(5), hours_ago(1), hours_ago(3), None, hours_ago(2)],
        ),
        "select paid": KeyAnswer(keys=["1002", "1003", "1004", "1005", "9"]),
        "select billed": KeyAnswer(keys=["1003", "9"]),
        "select sent": KeyAnswer(keys=["1005"]),
    }
    return here


@pytest.mark.req("FR-017")
async def test_every_open_key_stands_behind_the_furthest_step_it_has_passed(bench: Any) -> None:
    """One query for the population, one per step with a set; a step without one is shown and not counted."""
    here = await board_of(bench)
    before = (await here.http.get(BOARD)).json()
    assert (before["state"], before["taken_at"], before["input"]) == ("never_taken", None, "order_id")
    board = (await here.http.post(BOARD)).json()
    assert (board["state"], board["open_keys"], board["finished"], board["taken_by"]) == ("ready", 5, 1, "anna")
    steps = [(step["step_id"], step["counted"], step["waiting"], step["passed"]) for step in board["steps"]]
    assert steps == [("paid", True, 1, 4), ("packed", False, 0, 0), ("billed", True, 2, 1), ("sent", True, 1, 1)]
    ages = [step["oldest_age_seconds"] for step in board["steps"]]
    assert [age and round(age / 3600) for age in ages] == [5, None, 1, 3]
    asked = [probe.keys for probe in here.worker.probes if probe.keys]
    assert sorted((keys.query, keys.connection.connection_id) for keys in asked) == [
        ("select billed", "erp"), ("select open", "erp"), ("select paid", "erp"), ("select sent", "post"),
    ]  # fmt: skip
    assert (await here.http.get(BOARD)).json()["age_seconds"] < 30


@pytest.mark.req("FR-017")
async def test_the_keys_of_a_step_come_oldest_first_with_their_newest_run(bench: Any) -> None:
    """In pages, by the beginning of the key, or those that are past every step."""
    here = await board_of(bench)
    await here.http.post(BOARD)
    await here.ended(await here.start_run("1002"))
    run = await here.ended(await here.start_run("1002"))

    async def keys(**params: Any) -> dict[str, Any]:
        return dict((await here.http.get(f"{BOARD}/keys", params=params)).json())

    page = await keys(step_id="billed")
    assert [(item["key"], item["run_id"], item["run_status"]) for item in page["items"]] == [
        ("1002", run["run_id"], "success"), ("1004", None, None),
    ]  # fmt: skip
    assert (page["items"][0]["step_number"], page["items"][0]["step_name"]) == (3, "Step billed")
    assert [item["key"] for item in (await keys(finished=True))["items"]] == ["1005"]
    assert [item["key"] for item in (await keys(q="1003"))["items"]] == ["1003"]
    first = await keys(limit=2)
    second = await keys(limit=2, cursor=first["next_cursor"])
    third = await keys(limit=2, cursor=second["next_cursor"])
    seen = [item["key"] for one in (first, second, third) for item in one["items"]]
    assert (seen, third["next_cursor"]) == (["1001", "1003", "1005", "1002", "1004"], None)
    assert (await here.http.get(f"{BOARD}/keys", params={"step_id": "none"})).status_code == 404


async def test_a_key_found_at_the_same_step_again_keeps_since_when_it_is_there(bench: Any) -> None:
    """One that has moved counts anew; one that is no longer open is gone."""
    here = await board_of(bench)
    await here.http.post(BOARD)
    before = {item["key"]: item for item in (await here.http.get(f"{BOARD}/keys")).json()["items"]}
    here.worker.keys["select open"] = KeyAnswer(keys=["1001", "1002"])
    here.worker.keys["select billed"] = KeyAnswer(keys=["1002"])
    await here.http.post(BOARD)
    after = {item["key"]: item for item in (await here.http.get(f"{BOARD}/keys")).json()["items"]}
    assert after.keys() == {"1001", "1002"}
    assert after["1001"]["here_since"] == before["1001"]["here_since"]
    assert after["1002"]["here_since"] > before["1002"]["here_since"]
    assert after["1002"]["step_id"] == "sent"


async def test_a_refresh_that_fails_leaves_the_board_and_says_why(bench: Any) -> None:
    """The query is named; the next good refresh takes the message away."""
    here = await board_of(bench)
    await here.http.post(BOARD)
    good = here.worker.keys["select billed"]
    here.worker.keys["select billed"] = KeyAnswer(failure_class="timeout", message="the query did not end in time")
    board = (await here.http.post(BOARD)).json()
    assert (board["open_keys"], board["message"]) == (5, "steps.billed.set: the query did not end in time")
    assert board["failed_at"] > board["taken_at"]
    here.worker.keys["select billed"] = good
    board = (await here.http.post(BOARD)).json()
    assert (board["message"], board["failed_at"]) == (None, None)


async def test_without_a_worker_the_board_says_so_at_once(bench: Any) -> None:
    here = await board_of(lambda: bench(worker_live_seconds=0.05))
    await asyncio.sleep(0.1)
    board = (await here.http.post(BOARD)).json()
    assert (board["state"], board["message"]) == (
        "never_taken", "no worker listens for db_query; start one and take the board again",
    )  # fmt: skip


async def test_who_asks_at_the_same_moment_shares_one_refresh(bench: Any) -> None:
    here = await board_of(bench)
    answers = await asyncio.gather(*(here.http.post(BOARD) for _ in range(10)))
    assert {answer.json()["taken_at"] for answer in answers} == {answers[0].json()["taken_at"]}
    assert len([probe for probe in here.worker.probes if probe.keys]) == 4


async def test_a_process_without_population_has_no_board(bench: Any) -> None:
    here = await bench(with_worker=False)
    here.save({"id": "one"})
    for answer in (await here.http.get(BOARD), await here.http.post(BOARD)):
        assert answer.status_code == 404
        assert "population" in answer.json()["detail"]


@pytest.mark.req("NFR-017")
async def test_ten_thousand_keys_take_one_query_per_step(bench: Any) -> None:
    """And are stored and counted in a few seconds."""
    here = await board_of(bench)
    many = [f"K{number:05}" for number in range(10_000)]
    here.worker.keys |= {
        "select open": KeyAnswer(keys=many, since=[hours_ago(number % 100) for number in range(10_000)]),
        "select paid": KeyAnswer(keys=many[1_000:]),
        "select billed": KeyAnswer(keys=many[4_000:]),
        "select sent": KeyAnswer(keys=many[9_900:]),
    }
    for _ in range(2):
        board = (await here.http.post(BOARD)).json()
        assert [step["waiting"] for step in board["steps"]] == [1_000, 0, 3_000, 5_900]
        assert board["finished"] == 100
    assert len([probe for probe in here.worker.probes if probe.keys]) == 8
    page = (await here.http.get(f"{BOARD}/keys", params={"step_id": "sent", "limit": 1})).json()
    assert page["items"][0]["key"] == "K04099"
