"""What is wrong is refused with its field, and what breaks ends in a finished run."""

import time
from typing import Any

import pytest

from .product import Product, statuses, step

PROCESS = "order-to-cash-demo"


def definition(**changes: Any) -> dict[str, Any]:
    base = {
        "version": 1,
        "process": "scratch",
        "name": "Scratch",
        "steps": [{"id": "a", "name": "A", "check": {"type": "web_crawl", "url": "http://example.com/"}}],
    }
    return base | changes


def faults(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {fault["path"]: fault["message"] for fault in answer.json()["errors"]}


@pytest.mark.req("NFR-012")
def test_unknown_keys_name_the_nearest_known_key(product: Product) -> None:
    """`tiemout` at a step is refused with its path and the suggestion `timeout`."""
    wrong = definition()
    wrong["steps"][0]["tiemout"] = "5s"
    with product.client() as client:
        found = faults(client.post("/processes", json=wrong))
    assert "timeout" in found["steps[0].tiemout"]


@pytest.mark.req("NFR-012")
def test_missing_and_wrong_inputs_are_named(product: Product) -> None:
    """A missing order number, a wrong one and an unknown input are three clear errors."""
    with product.client() as client:
        missing = faults(client.post("/runs", json={"process_id": PROCESS, "inputs": {}}))
        wrong = faults(client.post("/runs", json={"process_id": PROCESS, "inputs": {"order_id": "x"}}))
        unknown = faults(client.post("/runs", json={"process_id": PROCESS, "inputs": {"order_id": "4711", "extra": 1}}))
    assert any("order_id" in path for path in missing)
    assert any("order_id" in path for path in wrong)
    assert any("extra" in path for path in unknown)


def test_10000_steps_are_refused_quickly(product: Product) -> None:
    """More steps than the limit are one error, not ten thousand."""
    step_one = definition()["steps"][0]
    many = definition(steps=[step_one | {"id": f"s{number}"} for number in range(10_000)])
    with product.client() as client:
        began = time.monotonic()
        found = faults(client.post("/processes", json=many))
        assert time.monotonic() - began < 10
    assert "steps" in found
    assert len(found) < 5


def test_cyclic_references_are_refused(product: Product) -> None:
    """A step may use what earlier steps captured, not itself and not later ones."""
    steps = [
        {
            "id": name,
            "name": name,
            "check": {"type": "web_crawl", "url": f"http://example.com/${{{{ steps.{other}.x }}}}"},
            "capture": {"x": {"selector": "h1"}},
        }
        for name, other in (("a", "b"), ("b", "a"))
    ]
    with product.client() as client:
        found = faults(client.post("/processes", json=definition(steps=steps)))
    assert any(path.startswith("steps[0]") for path in found)


@pytest.mark.req("NFR-008")
def test_dead_targets_end_with_a_named_class(product: Product) -> None:
    """A name that does not exist and an address that the policy refuses are named, not hung on."""
    steps = [
        {
            "id": "metadata",
            "name": "Metadata",
            "check": {"type": "api_call", "url": "http://169.254.169.254/latest/meta-data/"},
            "on_failure": "continue",
        },
        {
            "id": "nowhere",
            "name": "Nowhere",
            "check": {"type": "web_crawl", "url": "http://no-such-host.invalid/"},
            "retry": {"count": 1, "interval": "100ms", "on": ["dns"]},
        },
    ]
    with product.client() as client:
        answer = client.post("/processes", json=definition(process="dead-targets", steps=steps))
        assert answer.status_code in (201, 409), answer.text
    run = product.check("dead-targets")
    assert run["status"] in ("failed", "error")
    assert step(run, "metadata")["failure_class"] == "blocked_by_policy"
    assert step(run, "nowhere")["failure_class"] == "dns"
    assert step(run, "nowhere")["attempt"] == 2


def test_nobody_signed_in_gets_nothing(product: Product) -> None:
    """Without a token every route answers 401 with a problem document."""
    with product.client(token="stp_wrong") as client:
        for path in ("/processes", "/runs", "/me", "/connections", "/events"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert answer.json()["title"]


def test_unknown_query_parameters_are_refused(product: Product) -> None:
    """A misspelt filter is an error, not an unfiltered list."""
    with product.client() as client:
        assert client.get("/runs", params={"proces_id": "x"}).status_code == 422


def test_an_unknown_run_is_not_found(product: Product) -> None:
    """Foreign, random and malformed ids all answer 404."""
    with product.client() as client:
        for run_id in ("0", "-1", "9223372036854775808", "00000000-0000-7000-8000-000000000000"):
            assert client.get(f"/runs/{run_id}").status_code == 404, run_id


def test_a_stale_save_is_refused(product: Product) -> None:
    """Two people save the same revision: the second is told to read again."""
    with product.client() as client:
        client.post("/processes", json=definition(process="two-savers"))
        tag = client.get("/processes/two-savers").headers["etag"]
        first = client.put(
            "/processes/two-savers", json=definition(process="two-savers", name="One"), headers={"If-Match": tag}
        )
        second = client.put(
            "/processes/two-savers", json=definition(process="two-savers", name="Two"), headers={"If-Match": tag}
        )
    assert (first.status_code, second.status_code) == (200, 412)


def test_a_page_that_answers_slowly_times_out(product: Product) -> None:
    """The step's limit holds: order 4714's page needs 3 s and gets 1 s."""
    steps = [
        {
            "id": "slow",
            "name": "Slow",
            "check": {"type": "web_crawl", "connection": "demo-shop", "path": "/orders/4714"},
            "timeout": "1s",
            "retry": {"count": 0},
        }
    ]
    with product.client() as client:
        client.post("/processes", json=definition(process="slow-page", steps=steps))
    run = product.check("slow-page")
    assert statuses(run) == {"slow": "timeout"}
    assert step(run, "slow")["failure_class"] == "timeout"
