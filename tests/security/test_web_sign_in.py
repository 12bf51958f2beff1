"""Guessing passwords, tokens and links."""

import asyncio
import time
from statistics import median
from typing import Any

import pytest

PASSWORD = "correct horse battery staple"


async def attempt(client: Any, password: str, username: str = "admin") -> Any:
    return await client.post("/api/v1/session", json={"username": username, "password": password})


@pytest.mark.req("NFR-010")
async def test_account_is_guarded_from_many_addresses(door: Any) -> None:
    """Ten attempts in fifteen minutes, from wherever; then even the right password waits, and the answer says for how
    long."""
    clients = [door.client(address=f"192.0.2.{number}") for number in range(1, 31)]
    answers = [await attempt(client, f"guess {number}") for number, client in enumerate(clients)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 20
    assert 0 < int(answers[-1].headers["retry-after"]) <= 900
    assert (await attempt(door.client(address="203.0.113.9"), PASSWORD)).status_code == 429
    door.clock.move(minutes=15)
    assert (await attempt(door.client(address="203.0.113.9"), PASSWORD)).status_code == 200


@pytest.mark.req("NFR-010")
async def test_address_is_guarded_over_many_accounts(door: Any) -> None:
    """A hundred attempts from one address, whatever the names, unknown and impossible ones too."""
    client = door.client(address="192.0.2.77")
    names = [f"user{number}" if number % 2 else f"no such name {number}" for number in range(101)]
    answers = [await attempt(client, "guess", name) for name in names]
    assert {answer.status_code for answer in answers[:100]} == {401}
    assert answers[100].status_code == 429
    assert (await attempt(door.client(address="192.0.2.78"), PASSWORD)).status_code == 200


async def test_parallel_guesses_are_counted_one_by_one(door: Any) -> None:
    """Thirty at the same moment are thirty attempts, not one."""
    client = door.client()
    answers = await asyncio.gather(*(attempt(client, f"guess {number}") for number in range(30)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [401] * 10 + [429] * 20


async def test_success_forgives_the_mistakes_before(door: Any) -> None:
    """A person who mistypes is not punished next time."""
    client = door.client()
    for _ in range(2):
        for number in range(9):
            assert (await attempt(client, f"typo {number}")).status_code == 401
        assert (await attempt(client, PASSWORD)).status_code == 200


@pytest.mark.req("NFR-010")
async def test_unknown_account_takes_as_long_as_a_known_one(door: Any) -> None:
    """Medians of interleaved attempts: the clock does not tell which accounts exist."""
    known, unknown = [], []
    for number in range(7):
        client = door.client(address=f"198.51.100.{number}")
        for name, times in (("admin", known), (f"nobody{number}", unknown)):
            started = time.perf_counter()
            await attempt(client, "wrong password", name)
            times.append(time.perf_counter() - started)
    ratio = median(known) / median(unknown)
    assert 0.5 < ratio < 2.0
    assert median(unknown) > 0.01


async def test_links_are_not_guessed(door: Any) -> None:
    """Codes have 256 random bits, and guesses from an address are counted."""
    client = door.client(address="192.0.2.79")
    answers = [await client.post("/api/v1/session/link", json={"code": f"{number}"}) for number in range(101)]
    assert {answer.status_code for answer in answers[:100]} == {401}
    assert answers[100].status_code == 429


@pytest.mark.req("NFR-012")
async def test_absurd_passwords_are_refused_unread(door: Any) -> None:
    """A megabyte is 413; NUL, emoji and the longest allowed are just wrong."""
    client = door.client()
    assert (await attempt(client, "x" * 1_000_000)).status_code == 413
    assert (await attempt(client, "x" * 1025)).status_code == 422
    for password in ("nul\x00byte", "\U0001f600" * 200, "\ud800", "x" * 1024):
        body = b'{"username":"admin","password":"' + password.encode("unicode_escape").replace(b"\\U", b"\\u") + b'"}'
        answer = await client.post("/api/v1/session", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (401, 422)


async def test_nul_after_the_right_password_is_wrong(door: Any) -> None:
    """Nothing is cut off at a NUL."""
    assert (await attempt(door.client(), PASSWORD + "\x00")).status_code == 401
    assert (await attempt(door.client(), PASSWORD + "\x00x")).status_code == 401


async def test_current_password_is_not_guessed_through_its_change(door: Any) -> None:
    """A stolen session does not get unlimited guesses at the password behind it."""
    browser = await door.browser()
    body = {"current_password": "guess", "new_password": "a new long password"}
    codes = [(await browser.put("/api/v1/me/password", json=body)).status_code for _ in range(12)]
    assert codes[0] == 422
    assert codes[-1] == 429


async def test_secrets_never_come_back(door: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Not in answers, not in the audit log, not in the log lines."""
    browser = await door.browser()
    canary = "canary-8d2f-password"
    made = (await browser.post("/api/v1/users", json={"username": "eve", "password": canary})).json()
    token = (await browser.post("/api/v1/tokens", json={"name": "t", "role": "viewer"})).json()["token"]
    await attempt(door.client(), canary + "-wrong", "eve")
    seen = [
        (await browser.get(path)).text
        for path in ("/api/v1/users", f"/api/v1/users/{made['user_id']}", "/api/v1/tokens", "/api/v1/audit")
    ]
    logged = capsys.readouterr()
    everything = "".join(seen) + logged.out + logged.err
    assert canary not in everything
    assert token not in everything
    assert "argon2" not in "".join(seen)
