"""Requests that another site makes a browser send."""

from typing import Any

import pytest

OWN = "http://127.0.0.1:8080"
SIGN_IN = {"username": "admin", "password": "correct horse battery staple"}
FORGED: list[dict[str, str]] = [
    {},
    {"X-Steptrail-Request": "1", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"X-Steptrail-Request": "1", "Origin": "https://evil.example"},
    {"X-Steptrail-Request": "1", "Origin": "null"},
    {"X-Steptrail-Request": "1", "Sec-Fetch-Site": "cross-site"},
    {"X-Steptrail-Request": "1", "Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9000"},
    {"X-Steptrail-Request": "1", "Origin": "http://127.0.0.1:9000"},
    {"X-Steptrail-Request": "true", "Origin": OWN},
    {"Origin": OWN, "Sec-Fetch-Site": "same-origin"},
]
CHANGES = [
    ("POST", "/api/v1/runs", {"process_id": "p"}),
    ("PUT", "/api/v1/connections/c", {}),
    ("DELETE", "/api/v1/processes/p", None),
    ("POST", "/api/v1/tokens", {"name": "x"}),
    ("DELETE", "/api/v1/session", None),
]


@pytest.mark.req("NFR-010")
@pytest.mark.parametrize("headers", FORGED, ids=str)
async def test_cookie_alone_changes_nothing(door: Any, headers: dict[str, str]) -> None:
    """Without our header, or from another origin, every change is 403 and reaches no service."""
    browser = await door.browser()
    victim = door.client(Cookie=f"steptrail_session={browser.cookies['steptrail_session']}", **headers)
    for method, path, body in CHANGES:
        answer = await victim.request(method, path, json=body)
        assert answer.status_code == 403, f"{method} {path}"
    assert door.behind.asked() == []
    assert (await browser.get("/api/v1/me")).status_code == 200


async def test_form_of_another_site_is_refused(door: Any) -> None:
    """A form needs no permission of the browser: it must fail on what it cannot send."""
    browser = await door.browser()
    victim = door.client(
        Cookie=f"steptrail_session={browser.cookies['steptrail_session']}", Origin="https://evil.example"
    )
    as_text = await victim.post("/api/v1/runs", content=b'{"process_id":"p"}', headers={"Content-Type": "text/plain"})
    as_form = await victim.post("/api/v1/runs", data={"process_id": "p"})
    assert {as_text.status_code, as_form.status_code} == {403}
    assert door.behind.asked() == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9000"])
async def test_another_site_cannot_sign_a_browser_in(door: Any, origin: str) -> None:
    """Into the attacker's account, to have work done there."""
    answer = await door.client(Origin=origin).post("/api/v1/session", json=SIGN_IN)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    answer = await door.client(**{"Sec-Fetch-Site": "cross-site"}).post("/api/v1/session/link", json={"code": "x"})
    assert answer.status_code == 403


async def test_body_that_is_no_json_is_refused(door: Any) -> None:
    """`text/plain` that looks like JSON is not read as JSON."""
    client = await door.program("operator")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await client.post("/api/v1/runs", content=b'{"process_id":"p"}', headers={"Content-Type": kind})
        assert answer.status_code in (415, 422)
    assert door.behind.asked() == []


async def test_token_needs_no_header_because_browsers_never_send_it_by_themselves(door: Any) -> None:
    door.behind.orchestrator.answer("POST", "/runs", {}, status=202)
    client = await door.program("operator")
    assert (await client.post("/api/v1/runs", json={"process_id": "p"})).status_code == 202


async def test_cookie_does_not_help_a_wrong_token(door: Any) -> None:
    """One credential per request: a bad token is not made good by a cookie beside it."""
    browser = await door.browser()
    answer = await browser.get("/api/v1/me", headers={"Authorization": "Bearer stp_wrong"})
    assert answer.status_code == 401


async def test_behind_tls_the_public_address_is_the_own_one(open_door: Any) -> None:
    """A proxy that ends TLS makes us see http; what counts is what the browser sees."""
    async with open_door(public_url="https://steptrail.example.com") as door:
        right = door.client(Origin="https://steptrail.example.com")
        assert (await right.post("/api/v1/session", json=SIGN_IN)).status_code == 200
        wrong = door.client(Origin="http://127.0.0.1:8080")
        assert (await wrong.post("/api/v1/session", json=SIGN_IN)).status_code == 403
