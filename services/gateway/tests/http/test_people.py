"""Users, tokens and the audit log over HTTP."""

from typing import Any

import pytest
from steptrail_gateway.service import audit_fault

EVE = {"username": "Eve", "password": "eves long password", "role": "operator"}


@pytest.mark.req("NFR-010")
async def test_administrator_makes_changes_and_deletes_an_account(door: Any) -> None:
    """An account signs in as soon as it is there, under any spelling of its name, and not after it is gone."""
    admin = await door.browser()
    made = (await admin.post("/api/v1/users", json=EVE)).json()
    assert made["username"] == "eve"
    eve = await door.browser("EVE", "eves long password")
    assert (await eve.get("/api/v1/me")).json()["role"] == "operator"
    changed = await admin.put(f"/api/v1/users/{made['user_id']}", json={"username": "eve", "role": "editor"})
    assert changed.json()["role"] == "editor"
    assert (await eve.get("/api/v1/me")).json()["role"] == "editor"
    assert [user["username"] for user in (await admin.get("/api/v1/users")).json()["items"]] == ["admin", "eve"]
    assert (await admin.delete(f"/api/v1/users/{made['user_id']}")).status_code == 204
    assert (await eve.get("/api/v1/me")).status_code == 401
    assert (await admin.get(f"/api/v1/users/{made['user_id']}")).status_code == 404


async def test_taken_username_is_a_conflict(door: Any) -> None:
    admin = await door.browser()
    await admin.post("/api/v1/users", json=EVE)
    answer = await admin.post("/api/v1/users", json={**EVE, "username": "EVE"})
    assert answer.status_code == 409
    assert "taken" in answer.json()["detail"]


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"active": False}, {"password": "a whole new password"}])
async def test_less_power_or_a_new_password_ends_sessions(door: Any, change: dict[str, Any]) -> None:
    """What a session could do yesterday it cannot do with yesterday's rights."""
    admin = await door.browser()
    made = (await admin.post("/api/v1/users", json=EVE)).json()
    eve = await door.browser("eve", "eves long password")
    await admin.put(f"/api/v1/users/{made['user_id']}", json={"username": "eve", "role": "operator", **change})
    assert (await eve.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize("change", [{"role": "editor"}, {"role": "admin", "active": False}])
async def test_last_administrator_stays(door: Any, change: dict[str, Any]) -> None:
    """Nobody locks everybody out."""
    admin = await door.browser()
    me = (await admin.get("/api/v1/me")).json()
    refused = await admin.put(f"/api/v1/users/{me['user_id']}", json={"username": "admin", **change})
    assert refused.status_code == 409
    assert (await admin.delete(f"/api/v1/users/{me['user_id']}")).status_code == 409
    assert (await admin.get("/api/v1/users")).status_code == 200


async def test_administrator_hands_out_a_link(door: Any) -> None:
    """An account without a password begins with a one-time link."""
    admin = await door.browser()
    made = (await admin.post("/api/v1/users", json={"username": "new.one"})).json()
    link = (await admin.post(f"/api/v1/users/{made['user_id']}/sign-in-link")).json()
    code = link["path"].partition("#code=")[2]
    me = await door.client().post("/api/v1/session/link", json={"code": code})
    assert (me.json()["username"], me.json()["role"]) == ("new.one", "viewer")


async def test_users_come_in_pages(door: Any) -> None:
    admin = await door.browser()
    for number in range(5):
        await admin.post("/api/v1/users", json={"username": f"user{number}"})
    names, cursor = [], None
    while True:
        page = (await admin.get("/api/v1/users", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        names += [user["username"] for user in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert names == ["admin", *(f"user{number}" for number in range(5))]


@pytest.mark.req("NFR-010")
async def test_token_is_shown_once_and_works_until_revoked(door: Any) -> None:
    browser = await door.browser()
    made = (await browser.post("/api/v1/tokens", json={"name": "ci", "role": "operator"})).json()
    assert made["token"].startswith("stp_")
    program = door.client(Authorization=f"Bearer {made['token']}")
    me = (await program.get("/api/v1/me")).json()
    assert (me["role"], me["via"]) == ("operator", "token")
    listed = (await browser.get("/api/v1/tokens")).json()["items"]
    assert listed[0]["name"] == "ci"
    assert "token" not in listed[0]
    assert listed[0]["last_used_at"] is not None
    assert (await browser.delete(f"/api/v1/tokens/{made['token_id']}")).status_code == 204
    assert (await program.get("/api/v1/me")).status_code == 401


async def test_token_ends_with_its_time(door: Any) -> None:
    browser = await door.browser()
    made = (await browser.post("/api/v1/tokens", json={"name": "ci", "role": "viewer", "expires_in_days": 1})).json()
    program = door.client(Authorization=f"Bearer {made['token']}")
    assert (await program.get("/api/v1/me")).status_code == 200
    door.clock.move(days=1)
    assert (await program.get("/api/v1/me")).status_code == 401


async def test_token_never_has_more_than_its_owner(door: Any) -> None:
    """Neither when it is made nor after its owner lost a role."""
    admin = await door.browser()
    made = (await admin.post("/api/v1/users", json=EVE)).json()
    eve = await door.browser("eve", "eves long password")
    assert (await eve.post("/api/v1/tokens", json={"name": "x", "role": "admin"})).status_code == 403
    token = (await eve.post("/api/v1/tokens", json={"name": "x", "role": "operator"})).json()["token"]
    await admin.put(f"/api/v1/users/{made['user_id']}", json={"username": "eve", "role": "viewer"})
    me = (await door.client(Authorization=f"Bearer {token}").get("/api/v1/me")).json()
    assert me["role"] == "viewer"
    await admin.put(f"/api/v1/users/{made['user_id']}", json={"username": "eve", "active": False})
    assert (await door.client(Authorization=f"Bearer {token}").get("/api/v1/me")).status_code == 401


async def test_token_made_by_a_token_does_not_outlive_it(door: Any) -> None:
    """Who steals a token for a day does not keep it for ever."""
    browser = await door.browser()
    made = (await browser.post("/api/v1/tokens", json={"name": "day", "role": "admin", "expires_in_days": 1})).json()
    program = door.client(Authorization=f"Bearer {made['token']}")
    refused = await program.post("/api/v1/tokens", json={"name": "more", "role": "viewer", "expires_in_days": None})
    assert refused.status_code == 403
    shorter = await program.post("/api/v1/tokens", json={"name": "less", "role": "viewer", "expires_in_days": 1})
    assert shorter.status_code == 201


async def test_tokens_of_others_look_unknown(door: Any) -> None:
    admin = await door.browser()
    await admin.post("/api/v1/users", json=EVE)
    token_id = (await admin.post("/api/v1/tokens", json={"name": "mine", "role": "viewer"})).json()["token_id"]
    eve = await door.browser("eve", "eves long password")
    foreign = await eve.delete(f"/api/v1/tokens/{token_id}")
    unknown = await eve.delete("/api/v1/tokens/000000000000")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["detail"] == unknown.json()["detail"]


@pytest.mark.req("FR-019")
@pytest.mark.req("NFR-010")
async def test_audit_tells_who_did_what(door: Any) -> None:
    """Sign-ins, refused ones too, changes of accounts, and everything passed on that changes something."""
    door.behind.orchestrator.answer("POST", "/runs", {"run_id": "r1"}, status=202)
    admin = await door.browser()
    await door.client().post("/api/v1/session", json={"username": "admin", "password": "wrong"})
    await admin.post("/api/v1/users", json=EVE)
    await admin.post("/api/v1/runs", json={"process_id": "order-to-cash"})
    lines = (await admin.get("/api/v1/audit")).json()["items"]
    told = [(line["actor"], line["action"], line["object"]) for line in lines]
    assert told == [
        ("admin", "run.start", "order-to-cash"),
        ("admin", "user.create", "eve"),
        ("admin", "session.refused", None),
        ("admin", "session.begin", None),
        ("system", "user.create", "admin"),
    ]
    assert lines[0]["address"] == "192.0.2.1"
    only = (await admin.get("/api/v1/audit", params={"action": "session."})).json()["items"]
    assert [line["action"] for line in only] == ["session.refused", "session.begin"]
    assert await audit_fault(door.service) == (5, None)
    assert "eves long password" not in str(lines)


async def test_nothing_is_audited_that_a_service_refused(door: Any) -> None:
    """A run that does not exist is not written down as started."""
    admin = await door.browser()
    assert (await admin.post("/api/v1/runs", json={"process_id": "unknown"})).status_code == 404
    lines = (await admin.get("/api/v1/audit", params={"action": "run."})).json()["items"]
    assert lines == []


async def test_about_names_version_and_topology(door: Any) -> None:
    about = (await (await door.program("viewer")).get("/api/v1/about")).json()
    assert about == {"name": "Steptrail", "version": "0.1.0", "topology": "distributed", "demo": False}
