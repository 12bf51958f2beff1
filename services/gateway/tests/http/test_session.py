"""Signing in, staying signed in, signing out."""

from datetime import timedelta
from typing import Any

import pytest
from steptrail_gateway.service import create_sign_in_link


@pytest.mark.req("NFR-010")
async def test_sign_in_says_who_and_what(door: Any) -> None:
    """A right password gives a cookie, and `/me` names the person, the role and every permission."""
    client = await door.browser()
    me = (await client.get("/api/v1/me")).json()
    assert (me["username"], me["role"], me["via"]) == ("admin", "admin", "session")
    assert {"users.manage", "runs.start", "processes.read"} <= set(me["permissions"])


async def test_cookie_on_plain_loopback_is_http_only_and_lax(door: Any) -> None:
    """Without TLS the cookie has a plain name and no Secure, which browsers would refuse."""
    client = door.client()
    answer = await client.post(
        "/api/v1/session", json={"username": "admin", "password": "correct horse battery staple"}
    )
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("steptrail_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie


async def test_cookie_under_https_is_bound_to_the_host(open_door: Any) -> None:
    """With a public https address the cookie is `__Host-`, Secure, without a Domain."""
    async with open_door(public_url="https://steptrail.example.com") as door:
        client = door.client(base="https://steptrail.example.com")
        body = {"username": "admin", "password": "correct horse battery staple"}
        answer = await client.post("/api/v1/session", json=body)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-steptrail=")
        assert "Secure" in cookie
        assert "Domain" not in cookie
        assert (await client.get("/api/v1/me")).status_code == 200


@pytest.mark.req("NFR-010")
async def test_store_holds_no_cookie_and_no_password(door: Any, tmp_path: Any) -> None:
    """A copy of the database signs nobody in."""
    client = await door.browser()
    token = await door.token("admin")
    cookie = client.cookies["steptrail_session"]
    data = b"".join(path.read_bytes() for path in tmp_path.glob("gateway.sqlite*"))
    assert cookie.encode() not in data
    assert token.encode() not in data
    assert b"correct horse" not in data
    assert b"$argon2id$v=19$m=19456,t=2,p=1$" in data


async def test_wrong_password_and_unknown_user_look_the_same(door: Any) -> None:
    """Nobody learns which accounts exist."""
    client = door.client()
    answers = [
        (await client.post("/api/v1/session", json={"username": name, "password": "wrong wrong wrong"}))
        for name in ("admin", "nobody", "no such name!", "nul\x00name")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert all("set-cookie" not in answer.headers for answer in answers)


async def test_sign_in_rotates_the_session(door: Any) -> None:
    """A cookie a browser had before sign-in is worthless after it, whoever knows it."""
    client = await door.browser()
    before = client.cookies["steptrail_session"]
    body = {"username": "admin", "password": "correct horse battery staple"}
    await client.post("/api/v1/session", json=body)
    assert client.cookies["steptrail_session"] != before
    stranger = door.client(Cookie=f"steptrail_session={before}")
    assert (await stranger.get("/api/v1/me")).status_code == 401


async def test_sign_out_ends_the_session_at_once(door: Any) -> None:
    client = await door.browser()
    cookie = client.cookies["steptrail_session"]
    assert (await client.delete("/api/v1/session")).status_code == 204
    assert "steptrail_session" not in client.cookies
    assert (await door.client(Cookie=f"steptrail_session={cookie}").get("/api/v1/me")).status_code == 401


async def test_session_ends_when_idle(door: Any) -> None:
    """Twelve hours without a request; any request starts them anew."""
    client = await door.browser()
    door.clock.move(hours=11)
    assert (await client.get("/api/v1/me")).status_code == 200
    door.clock.move(hours=11)
    assert (await client.get("/api/v1/me")).status_code == 200
    door.clock.move(hours=12)
    assert (await client.get("/api/v1/me")).status_code == 401


async def test_session_ends_after_its_longest_time(door: Any) -> None:
    """Fourteen days, however busy."""
    client = await door.browser()
    end = door.clock.now() + timedelta(days=14)
    while door.clock.now() < end:
        assert (await client.get("/api/v1/me")).status_code == 200
        door.clock.move(hours=8)
    assert (await client.get("/api/v1/me")).status_code == 401


async def test_link_signs_in_once(door: Any, from_page: dict[str, str]) -> None:
    """The code stands behind `#`, so that no server and no log sees it; the second use is refused."""
    path = await create_sign_in_link(door.service)
    assert path.startswith("/sign-in#code=")
    code = path.removeprefix("/sign-in#code=")
    client = door.client(**from_page)
    first = await client.post("/api/v1/session/link", json={"code": code})
    assert first.status_code == 200
    assert (await client.get("/api/v1/me")).json()["username"] == "admin"
    second = await door.client(**from_page).post("/api/v1/session/link", json={"code": code})
    assert second.status_code == 401


async def test_link_is_good_for_fifteen_minutes(door: Any) -> None:
    code = (await create_sign_in_link(door.service)).partition("=")[2]
    door.clock.move(minutes=15)
    assert (await door.client().post("/api/v1/session/link", json={"code": code})).status_code == 401


async def test_password_change_ends_all_other_sessions(door: Any) -> None:
    """What was stolen before is worthless after; the browser that changed it stays signed in."""
    here, there = await door.browser(), await door.browser()
    wrong = {"current_password": "not the password", "new_password": "another horse entirely"}
    assert (await here.put("/api/v1/me/password", json=wrong)).json()["errors"][0]["path"] == "body.current_password"
    right = {"current_password": "correct horse battery staple", "new_password": "another horse entirely"}
    assert (await here.put("/api/v1/me/password", json=right)).status_code == 204
    assert (await here.get("/api/v1/me")).status_code == 200
    assert (await there.get("/api/v1/me")).status_code == 401
    await door.browser(password="another horse entirely")


async def test_first_start_without_password_needs_a_link(open_door: Any) -> None:
    """No default password exists; the account is there and only a link opens it."""
    async with open_door(admin_password=None) as door:
        for guess in ("", "admin", "password", "None"):
            answer = await door.client().post("/api/v1/session", json={"username": "admin", "password": guess})
            assert answer.status_code in (401, 422)
        code = (await create_sign_in_link(door.service)).partition("=")[2]
        assert (await door.client().post("/api/v1/session/link", json={"code": code})).status_code == 200


async def test_settings_set_the_administrators_password_again(open_door: Any) -> None:
    """Whoever runs the installation can always get in, and old sessions end."""
    async with open_door() as door:
        old = (await door.browser()).cookies["steptrail_session"]
    async with open_door(admin_password="a new password of the settings") as door:
        await door.browser(password="a new password of the settings")
        assert (await door.client(Cookie=f"steptrail_session={old}").get("/api/v1/me")).status_code == 401
