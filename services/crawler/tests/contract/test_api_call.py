"""`api_call`: what is sent, with whose credentials, and what of it may be seen."""

import base64
import json
from typing import Any

import pytest
from steptrail_checks.attempt import Attempts
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.sealing import SecretsKeyring

from ..conftest import KEYS, Checks, Site, answer, sealed

OK = answer('{"state": "PAID", "id": "007"}', content_type="application/json")


def http(site: Site, auth: str = "none", **more: Any) -> HttpSettings:
    return HttpSettings.model_validate({"kind": "http", "base_url": f"{site.url}/v1", "auth": auth, **more})


@pytest.mark.req("FR-013")
async def test_a_request_is_sent_as_written(site: Site, checks: Checks) -> None:
    """Method, path below the base, query, headers, JSON; an idempotency key that is stable for run and step."""
    site.routes["/v1/orders"] = OK
    result = await checks.run(
        {
            "type": "api_call", "connection": "conn", "path": "/orders?a=1", "method": "PUT",
            "query": {"q": "a&b ü", "n": 5, "ok": True}, "headers": {"X-Own": "1"}, "json": {"name": "grün"},
        },
        connection=sealed(http(site, headers={"X-Team": "billing"})),
        captures={"id": {"jsonpath": "$.id"}},
    )  # fmt: skip
    assert result.ok, result.message
    assert result.captures == {"id": "007"}
    sent = site.last("/v1/orders")
    assert (sent.method, sent.path) == ("PUT", "/v1/orders?a=1&q=a%26b+%C3%BC&n=5&ok=true")
    assert (sent.headers["x-own"], sent.headers["x-team"]) == ("1", "billing")
    assert sent.headers["idempotency-key"] == "run-1/s"
    assert sent.headers["content-type"] == "application/json"
    assert json.loads(sent.body) == {"name": "grün"}


async def test_forms_are_sent_encoded(site: Site, checks: Checks) -> None:
    """As browsers do."""
    site.routes["/f"] = OK
    result = await checks.run(
        {"type": "api_call", "url": f"{site.url}/f", "method": "POST", "form": {"a": "1&2", "ü": "x y"}}
    )
    assert result.ok
    assert site.last("/f").body == b"a=1%262&%C3%BC=x+y"


@pytest.mark.req("IR-2")
async def test_graphql_is_posted_and_its_errors_fail_the_step(site: Site, checks: Checks) -> None:
    """Status 200 with `errors` is a failure; the first message is told."""
    check = {
        "type": "api_call",
        "url": f"{site.url}/graphql",
        "graphql": {"query": "query Q($id: ID!) { order(id: $id) { state } }", "variables": {"id": "1"}},
    }
    site.routes["/graphql"] = answer('{"data": {"order": {"state": "PAID"}}}', content_type="application/json")
    good = await checks.run(
        check, asserts=[{"subject": "jsonpath", "argument": "$.data.order.state", "operators": {"eq": "PAID"}}]
    )
    assert good.ok, good.message
    sent = site.last("/graphql")
    assert sent.method == "POST"
    assert json.loads(sent.body)["variables"] == {"id": "1"}
    site.routes["/graphql"] = answer(
        '{"data": null, "errors": [{"message": "not authorised"}]}', content_type="application/json"
    )
    bad = await checks.run(check)
    assert (bad.failure_class, bad.reason) == (FailureClass.ASSERTION, "graphql_errors")
    assert bad.message == "GraphQL error: not authorised"


@pytest.mark.req("FR-014")
@pytest.mark.parametrize(
    ("auth", "secrets", "header", "value"),
    [
        ("basic", {"password": "pa55word"}, "authorization", "Basic " + base64.b64encode(b"me:pa55word").decode()),
        ("bearer", {"token": "t0ken-t0ken"}, "authorization", "Bearer t0ken-t0ken"),
        ("api_key", {"api_key": "k3y-k3y-k3y"}, "x-api-key", "k3y-k3y-k3y"),
    ],
)
async def test_credentials_are_sent_and_never_shown(
    auth: str, secrets: dict[str, str], header: str, value: str, site: Site, checks: Checks
) -> None:
    """The target gets them; result and evidence do not, though the target echoes them."""
    secret = next(iter(secrets.values()))
    site.routes["/v1/me"] = answer(f'{{"echo": "{secret}", "head": "{value}"}}', content_type="application/json")
    result = await checks.run(
        {"type": "api_call", "connection": "conn", "path": "/me", "query": {"t": secret}},
        connection=sealed(http(site, auth, username="me"), **secrets),
        asserts=[{"subject": "jsonpath", "argument": "$.echo", "operators": {"eq": "x"}}],
    )
    assert site.last("/v1/me").headers[header] == value
    stored = [await checks.body(piece) for piece in result.evidence]
    told = result.model_dump_json() + "".join(stored)
    for hidden in (secret, value.split(" ")[-1]):
        assert hidden not in told
    assert "•••" in told


@pytest.mark.req("FR-014")
async def test_credentials_never_follow_a_redirect_to_another_host(
    site: Site, other_site: Site, checks: Checks
) -> None:
    """Not the authorization, not the key header, not the step's own headers; at home they stay."""
    site.routes["/v1/a"] = answer("", "307 Temporary Redirect", location="/v1/b")
    site.routes["/v1/b"] = answer("", "302 Found", location=f"{other_site.url}/c")
    other_site.routes["/c"] = OK
    result = await checks.run(
        {"type": "api_call", "connection": "conn", "path": "/a", "headers": {"X-Own": "1"}},
        connection=sealed(http(site, "bearer"), token="t0ken-t0ken"),
    )
    assert result.ok, result.message
    assert site.last("/v1/b").headers["authorization"] == "Bearer t0ken-t0ken"
    foreign = other_site.last("/c").headers
    assert not {"authorization", "x-own", "idempotency-key", "cookie"} & foreign.keys()


async def test_a_body_is_not_carried_to_another_host(site: Site, other_site: Site, checks: Checks) -> None:
    """It may hold what only the first host should know."""
    site.routes["/a"] = answer("", "307 Temporary Redirect", location=f"{other_site.url}/c")
    result = await checks.run({"type": "api_call", "url": f"{site.url}/a", "method": "POST", "json": {"a": 1}})
    assert (result.failure_class, result.reason) == (FailureClass.PROTOCOL, "redirect_refused")
    assert other_site.asked == []


async def test_a_step_may_look_at_the_redirect_itself(site: Site, checks: Checks) -> None:
    """Asserting 302 means: do not follow."""
    site.routes["/a"] = answer("", "302 Found", location="/b")
    result = await checks.run(
        {"type": "api_call", "url": f"{site.url}/a"},
        asserts=[
            {"subject": "status", "operators": {"eq": 302}},
            {"subject": "header", "argument": "location", "operators": {"eq": "/b"}},
        ],
    )
    assert result.ok, result.message


async def test_refused_credentials_are_our_error(site: Site, checks: Checks) -> None:
    """With a connection that has credentials, 401 means that we could not check."""
    site.routes["/v1/a"] = answer("", "401 Unauthorized")
    ours = await checks.run(
        {"type": "api_call", "connection": "conn", "path": "/a"},
        connection=sealed(http(site, "bearer"), token="t0ken-t0ken"),
    )
    theirs = await checks.run({"type": "api_call", "url": f"{site.url}/v1/a"})
    assert (ours.failure_class, ours.ours) == (FailureClass.AUTH, True)
    assert (theirs.failure_class, theirs.ours) == (FailureClass.AUTH, False)


async def test_a_missing_secret_is_named(site: Site, checks: Checks) -> None:
    """Before anything is sent."""
    result = await checks.run(
        {"type": "api_call", "connection": "conn", "path": "/a"}, connection=sealed(http(site, "bearer"))
    )
    assert (result.failure_class, result.reason) == (FailureClass.AUTH, "secret_missing")
    assert site.asked == []


@pytest.mark.req("FR-020")
async def test_evidence_shows_request_and_answer_without_hidden_keys(site: Site, checks: Checks) -> None:
    """JSON is laid out; keys a step hides and well-known secrets are masked; long bodies are cut."""
    site.routes["/a"] = answer(
        json.dumps({"iban": "DE0212", "password": "x9x9", "rows": ["y" * 1000] * 500}), content_type="application/json"
    )
    result = await checks.run(
        {"type": "api_call", "url": f"{site.url}/a", "method": "POST", "json": {"iban": "DE0299"}, "mask": ["iban"]}
    )
    sent, came = await checks.shown(result, "request"), await checks.shown(result, "response")
    assert sent.startswith(f"POST {site.url}/a\n")
    assert '"iban": "•••"' in sent
    assert '"password": "•••"' in came
    assert "DE02" not in sent + came
    assert len(came.encode()) <= 256 * 1024
    assert [piece.truncated for piece in result.evidence] == [False, True]


async def test_binary_answers_are_not_shown_as_text(site: Site, checks: Checks) -> None:
    """An image is measured, not printed."""
    site.routes["/a"] = answer(b"\x89PNG\x00\x01" * 100, content_type="image/png")
    result = await checks.run({"type": "api_call", "url": f"{site.url}/a"})
    assert "(600 bytes of image/png, not shown)" in await checks.shown(result, "response")


async def test_broken_character_sets_are_flagged_and_stored_clean(site: Site, checks: Checks) -> None:
    """NUL and invalid bytes never reach a store or page."""
    site.routes["/a"] = answer(b"a\x00b\xff\xfe", content_type="text/plain; charset=utf-8")
    result = await checks.run({"type": "api_call", "url": f"{site.url}/a"})
    assert "Character set" in {finding.label for finding in result.findings}
    assert "\x00" not in await checks.shown(result, "response")


@pytest.mark.parametrize(
    "check",
    [
        {"path": "/a"},
        {"url": "http://127.0.0.1:1/", "path": "/a"},
        {"url": "http://127.0.0.1:1/", "json": {}, "form": {"a": "b"}},
        {"url": "http://127.0.0.1:1/", "headers": {"Host": "x"}},
        {},
    ],
)
async def test_requests_that_cannot_be_made_say_why(check: dict[str, Any], checks: Checks) -> None:
    """The definition is wrong, not the target."""
    result = await checks.run({"type": "api_call", **check})
    assert result.failure_class == FailureClass.INVALID_DEFINITION
    assert result.message


async def test_a_connection_is_tried(site: Site, checks: Checks) -> None:
    """An answer is fine, refused credentials are told."""
    attempts = Attempts(
        checks.kinds["api_call"], checks.evidence, SecretsKeyring((KEYS.private,)), worker_id="crawler-1"
    )
    site.routes["/v1"] = answer("hi")
    connection = sealed(http(site, "bearer"), token="t0ken-t0ken")
    assert (await attempts.test(connection)).ok
    site.routes["/v1"] = answer("no", "401 Unauthorized")
    refused = await attempts.test(connection)
    assert not refused.ok
    assert "401" in refused.message
