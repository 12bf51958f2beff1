"""Machines die in mid-run: every accepted run still ends, once."""

import pytest

from .product import Product, eventually, poll, statuses, step

PROCESS = "order-to-cash-demo"


def outcomes(product: Product, run_id: str) -> list[str]:
    """The steps that ended, in order of the run's event log, whose numbers have no gaps."""
    with product.client() as client:
        events = client.get(f"/runs/{run_id}/events", params={"limit": 200}).json()["items"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return [event["step_id"] for event in events if event["type"] == "step.finished"]


@pytest.fixture
def distributed(product: Product) -> Product:
    """Only the distributed topology has parts that can die by themselves."""
    if product.topology != "distributed":
        pytest.skip("embedded: one process, its loss is tested by test_embedded_restart.py")
    return product


@pytest.mark.req("NFR-006")
def test_a_worker_killed_in_mid_step_is_replaced(distributed: Product) -> None:
    """Order 4714's page takes 3 s: both crawlers die in it. The broker gives the attempt to another worker, or its
    lease ends and the next attempt passes; either way each step ends once."""
    run_id = distributed.start(PROCESS, "4714")
    with distributed.client() as client:
        eventually(
            lambda: step(client.get(f"/runs/{run_id}").json(), "shop_page")["attempts"][0]["status"] == "running"
        )
        victim = step(client.get(f"/runs/{run_id}").json(), "shop_page")["attempts"][0]["worker_id"]
    for name in ("crawler-1", "crawler-2"):
        distributed.processes[name].kill()
    for name in ("crawler-1", "crawler-2"):
        distributed.processes[name].start()
    run = distributed.wait(run_id, 110)
    assert run["status"] == "success", run["verdict"]["text"]
    accepted = step(run, "shop_page")["attempts"][-1]
    assert accepted["status"] == "passed"
    assert accepted["worker_id"] != victim
    assert outcomes(distributed, run_id) == [found["step_id"] for found in run["steps"]]


@pytest.mark.req("NFR-006")
def test_the_broker_restarted_in_mid_run_loses_nothing(distributed: Product) -> None:
    """Ten runs are under way when RabbitMQ stops and comes back: all end with the right verdict."""
    run_ids = [distributed.start(PROCESS, "4712") for _ in range(10)]
    distributed.servers["rabbitmq"].stop()
    distributed.servers["rabbitmq"].start()
    runs = [distributed.wait(run_id, 100) for run_id in run_ids]
    assert {run["status"] for run in runs} == {"success"}, [run["verdict"]["text"] for run in runs]
    assert all(set(statuses(run).values()) == {"success"} for run in runs)


@pytest.mark.req("NFR-006")
def test_the_database_gone_for_20_seconds_is_survived(distributed: Product) -> None:
    """While PostgreSQL is away the API answers 503; runs under way go on when it is back, nothing twice."""
    run_ids = [distributed.start(PROCESS, "4712") for _ in range(5)]
    distributed.servers["postgres"].stop()
    refused = set()
    with distributed.client() as client:
        for _ in poll(20, every=1.0):
            answer = client.post("/runs", json={"process_id": PROCESS, "inputs": {"order_id": "4712"}})
            refused.add(answer.status_code)
    distributed.servers["postgres"].start()
    assert refused == {503}
    runs = [distributed.wait(run_id, 100) for run_id in run_ids]
    assert {run["status"] for run in runs} == {"success"}, [run["verdict"]["text"] for run in runs]
    for run in runs:
        assert outcomes(distributed, run["run_id"]) == [found["step_id"] for found in run["steps"]]
