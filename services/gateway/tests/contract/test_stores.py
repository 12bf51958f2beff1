"""What every store of the gateway must do, on PostgreSQL and SQLite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.database import migrate, open_engine, writing
from steptrail_common.errors import Conflict, InvalidInput, NotFound, Unavailable
from steptrail_gateway.adapters.sql.audit import SqlAuditLog
from steptrail_gateway.adapters.sql.credentials import SqlCredentials
from steptrail_gateway.adapters.sql.schema import metadata
from steptrail_gateway.adapters.sql.users import SqlUsers
from steptrail_gateway.domain.audit import Deed, first_fault
from steptrail_gateway.domain.people import ApiToken, Session, SignInCode, User
from steptrail_gateway.service import MIGRATIONS

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
WINDOW = timedelta(minutes=15)
DEED = Deed("ada", "test")


@dataclass
class Store:
    engine: AsyncEngine
    users: SqlUsers
    credentials: SqlCredentials
    audit: SqlAuditLog

    async def user(self, username: str = "ada", **more: Any) -> User:
        user = replace(User(uuid4().hex, username, "viewer", True, "hash", NOON), **more)
        await self.users.add(user, DEED)
        return user

    async def session(self, user: User, **more: Any) -> Session:
        session = Session(
            uuid4().hex, uuid4().hex, user.user_id, NOON, NOON, NOON + timedelta(days=1), "::1", "browser"
        )
        session = replace(session, **more)
        await self.credentials.add_session(session, DEED, replaces=None)
        return session

    async def token(self, user: User, **more: Any) -> ApiToken:
        token = ApiToken(uuid4().hex, uuid4().hex, user.user_id, "ci", "viewer", NOON, NOON + timedelta(days=1))
        token = replace(token, **more)
        await self.credentials.add_token(token, DEED)
        return token


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    address = f"sqlite+aiosqlite:///{tmp_path / 'gateway.sqlite'}"
    if request.param == "postgresql":
        address = request.getfixturevalue("fresh_postgres")
    engine = open_engine(address)
    await migrate(engine, service="gateway", migrations=MIGRATIONS)
    yield Store(engine, SqlUsers(engine), SqlCredentials(engine), SqlAuditLog(engine))
    await engine.dispose()


async def test_user_comes_back_as_saved(store: Store) -> None:
    """Every field, moments to the microsecond."""
    user = await store.user(last_sign_in_at=NOON + timedelta(microseconds=1))
    assert await store.users.by_id(user.user_id) == user
    assert await store.users.by_name("ada") == user
    assert await store.users.by_name("eve") is None
    assert await store.users.by_id("unknown") is None
    assert await store.users.count() == 1


async def test_username_is_taken_once(store: Store) -> None:
    """Also of two that ask at the same moment; the loser is told and nothing is written down for it."""
    outcomes = await asyncio.gather(*(store.user("ada") for _ in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Conflict", "Conflict", "User"]
    assert len(await store.audit.chunk(0, 10)) == 1
    eve = await store.user("eve")
    with pytest.raises(Conflict):
        await store.users.save(replace(eve, username="ada"), DEED, NOON, end_sessions=False)


async def test_users_are_listed_by_name(store: Store) -> None:
    for name in ("cleo", "ada", "bob"):
        await store.user(name)
    assert [user.username for user in await store.users.list(after=None, limit=2)] == ["ada", "bob"]
    assert [user.username for user in await store.users.list(after="bob", limit=2)] == ["cleo"]


async def test_saving_ends_sessions_but_the_one_to_keep(store: Store) -> None:
    """And the links that were not used yet."""
    user, other = await store.user(), await store.user("eve")
    kept, ended, foreign = [await store.session(one) for one in (user, user, other)]
    await store.credentials.add_code(SignInCode("code", user.user_id, NOON, NOON + WINDOW), DEED)
    changed = replace(user, password_hash="new")
    await store.users.save(changed, DEED, NOON, end_sessions=True, keep=kept.session_id)
    assert await store.users.by_id(user.user_id) == changed
    assert await store.credentials.session(kept.token_hash) == (kept, changed)
    assert await store.credentials.session(ended.token_hash) is None
    assert await store.credentials.session(foreign.token_hash) is not None
    assert await store.credentials.use_code("code", NOON) is None


async def test_unknown_user_cannot_be_saved_or_deleted(store: Store) -> None:
    """And nothing is written down, because nothing was done."""
    admin = await store.user(role="admin")
    lines = len(await store.audit.chunk(0, 10))
    with pytest.raises(NotFound):
        await store.users.save(replace(admin, user_id="unknown", username="x"), DEED, NOON, end_sessions=False)
    with pytest.raises(NotFound):
        await store.users.delete("unknown", DEED, NOON)
    assert len(await store.audit.chunk(0, 10)) == lines


async def test_two_administrators_cannot_remove_each_other_at_once(store: Store) -> None:
    """One of them stays, whoever is faster."""
    first, second = await store.user("ada", role="admin"), await store.user("eve", role="admin")
    demotions = [
        store.users.save(replace(one, role="viewer"), DEED, NOON, end_sessions=True) for one in (first, second)
    ]
    outcomes = await asyncio.gather(*demotions, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "NoneType"]
    remaining = [user for user in await store.users.list(after=None, limit=10) if user.role == "admin"]
    assert len(remaining) == 1
    with pytest.raises(Conflict):
        await store.users.delete(remaining[0].user_id, DEED, NOON)


async def test_deleted_user_leaves_no_credentials(store: Store) -> None:
    await store.user("root", role="admin")
    user = await store.user()
    session, token = await store.session(user), await store.token(user)
    await store.credentials.add_code(SignInCode("code", user.user_id, NOON, NOON + WINDOW), DEED)
    await store.users.delete(user.user_id, DEED, NOON)
    assert await store.credentials.session(session.token_hash) is None
    assert await store.credentials.token(token.token_hash) is None
    assert await store.credentials.use_code("code", NOON) is None


async def test_newer_hash_replaces_only_the_one_it_was_made_of(store: Store) -> None:
    """A password changed in between is not overwritten by the old one."""
    user = await store.user(password_hash="old")
    await store.users.replace_hash(user.user_id, "other", "new")
    assert (await store.users.by_id(user.user_id)) == user
    await store.users.replace_hash(user.user_id, "old", "new")
    changed = await store.users.by_id(user.user_id)
    assert changed is not None
    assert changed.password_hash == "new"


async def test_session_lives_with_its_active_user(store: Store) -> None:
    await store.user("root", role="admin")
    user = await store.user()
    session = await store.session(user)
    assert await store.credentials.session(session.token_hash) == (session, user)
    await store.credentials.touch_session(session.session_id, NOON + timedelta(hours=1))
    found = await store.credentials.session(session.token_hash)
    assert found is not None
    assert found[0].last_seen_at == NOON + timedelta(hours=1)
    await store.users.save(replace(user, active=False), DEED, NOON, end_sessions=False)
    assert await store.credentials.session(session.token_hash) is None
    assert await store.credentials.alive([session.session_id]) == {}


async def test_new_session_replaces_the_presented_one(store: Store) -> None:
    user = await store.user()
    old = await store.session(user)
    new = replace(old, session_id="new", token_hash="new")
    await store.credentials.add_session(new, DEED, replaces=old.token_hash)
    assert await store.credentials.session(old.token_hash) is None
    assert await store.credentials.session("new") == (new, user)
    await store.credentials.end_session("new", DEED, NOON)
    await store.credentials.end_session("new", DEED, NOON)
    assert await store.credentials.session("new") is None


async def test_tokens_of_one_user(store: Store) -> None:
    """Found by hash, listed in pages, revoked by their owner alone."""
    user, other = await store.user(), await store.user("eve")
    tokens = [await store.token(user, token_id=f"{number}") for number in range(3)]
    foreign = await store.token(other, expires_at=None)
    assert await store.credentials.token(tokens[0].token_hash) == (tokens[0], user)
    assert await store.credentials.token(foreign.token_hash) == (foreign, other)
    assert await store.credentials.tokens(user.user_id, after=None, limit=2) == tokens[:2]
    assert await store.credentials.tokens(user.user_id, after="1", limit=2) == tokens[2:]
    with pytest.raises(NotFound):
        await store.credentials.revoke_token(other.user_id, "0", DEED, NOON)
    await store.credentials.revoke_token(user.user_id, "0", DEED, NOON)
    assert await store.credentials.token(tokens[0].token_hash) is None
    await store.credentials.touch_token("1", NOON)
    assert (await store.credentials.tokens(user.user_id, after=None, limit=1))[0].last_used_at == NOON


async def test_alive_answers_for_many_at_once(store: Store) -> None:
    """Sessions and tokens in one question, more than fit one statement."""
    user = await store.user()
    session, token = await store.session(user), await store.token(user)
    asked = [session.session_id, token.token_id, *(f"unknown{number}" for number in range(1200))]
    assert await store.credentials.alive(asked) == {session.session_id: (session, user), token.token_id: (token, user)}


async def test_code_is_spent_by_exactly_one(store: Store) -> None:
    """Of ten that try at the same moment."""
    user = await store.user()
    await store.credentials.add_code(SignInCode("code", user.user_id, NOON, NOON + WINDOW), DEED)
    found = await asyncio.gather(*(store.credentials.use_code("code", NOON) for _ in range(10)))
    assert [one for one in found if one is not None] == [user]


async def test_code_too_old_or_of_an_inactive_user_is_nothing(store: Store) -> None:
    await store.user("root", role="admin")
    user = await store.user()
    for code in ("late", "inactive"):
        await store.credentials.add_code(SignInCode(code, user.user_id, NOON, NOON + WINDOW), DEED)
    assert await store.credentials.use_code("late", NOON + WINDOW) is None
    await store.users.save(replace(user, active=False), DEED, NOON, end_sessions=False)
    assert await store.credentials.use_code("inactive", NOON) is None


@pytest.mark.req("NFR-010")
async def test_parallel_attempts_are_all_counted(store: Store) -> None:
    """Twenty at once are twenty, for every subject; after the window it begins anew."""
    subjects = ["account:ada", "address:::1"]
    counted = await asyncio.gather(*(store.credentials.count_attempt(subjects, NOON, WINDOW) for _ in range(20)))
    assert sorted(entry.count for entries in counted for entry in entries) == sorted([*range(1, 21)] * 2)
    later = await store.credentials.count_attempt(subjects[:1], NOON + WINDOW, WINDOW)
    assert (later[0].count, later[0].window_started_at) == (1, NOON + WINDOW)
    await store.credentials.forget_attempts("address:::1")
    assert (await store.credentials.count_attempt(subjects[1:], NOON, WINDOW))[0].count == 1


async def test_sweeping_drops_only_what_is_over(store: Store) -> None:
    user = await store.user()
    fresh = await store.session(user)
    old = await store.session(user, expires_at=NOON)
    idle = await store.session(user, last_seen_at=NOON - timedelta(hours=12))
    await store.credentials.add_code(SignInCode("old", user.user_id, NOON - WINDOW, NOON), DEED)
    await store.credentials.count_attempt(["account:ada"], NOON - WINDOW, WINDOW)
    await store.credentials.prune(NOON, timedelta(hours=12), WINDOW)
    assert await store.credentials.session(fresh.token_hash) is not None
    for ended in (old, idle):
        assert await store.credentials.session(ended.token_hash) is None


@pytest.mark.req("NFR-010")
async def test_audit_is_one_unbroken_chain_however_many_write(store: Store) -> None:
    """Numbers without gaps, each line chained to the one before, read back exactly as hashed."""
    deeds = [Deed("ada", f"act.{number}", "ö", {"deep": [1, None, {"k": "v"}]}, "::1") for number in range(20)]
    await asyncio.gather(*(store.audit.append(deed, NOON) for deed in deeds))
    lines = await store.audit.chunk(0, 100)
    assert [line.number for line in lines] == list(range(1, 21))
    assert first_fault(lines) is None
    assert {line.action for line in lines} == {deed.action for deed in deeds}
    assert await store.audit.chunk(18, 1) == lines[18:19]


async def test_audit_is_filtered_and_paged(store: Store) -> None:
    for number, (actor, action) in enumerate([("ada", "run.start"), ("eve", "run.cancel"), ("ada", "runx")]):
        await store.audit.append(Deed(actor, action), NOON + timedelta(hours=number))
    numbers = [
        [line.number for line in await store.audit.list(before=None, limit=10, **wanted)]
        for wanted in (
            {},
            {"actor": "ada"},
            {"action": "run."},
            {"action": "run_"},
            {"since": NOON + timedelta(hours=1)},
            {"until": NOON + timedelta(hours=1)},
        )
    ]
    assert numbers == [[3, 2, 1], [3, 1], [2, 1], [], [3, 2], [1]]
    assert [line.number for line in await store.audit.list(before=3, limit=1)] == [2]


@pytest.mark.req("NFR-010")
@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"])
async def test_database_refuses_to_change_the_audit_log(store: Store, statement: str) -> None:
    """Not even our own account can."""
    await store.audit.append(DEED, NOON)
    with pytest.raises(DBAPIError, match="can only grow"):
        async with writing(store.engine) as connection:
            await connection.execute(sa.text(statement))
    assert len(await store.audit.chunk(0, 10)) == 1


async def test_text_the_database_cannot_keep_is_the_senders_fault(store: Store) -> None:
    """NUL is kept by SQLite and refused by PostgreSQL as invalid input, never as our error."""
    user = await store.user()
    refused = pytest.raises(InvalidInput, match="cannot be stored")
    with refused if store.engine.dialect.name == "postgresql" else nullcontext():
        await store.token(user, name="a\x00b")


async def test_migrations_make_what_the_code_expects(store: Store) -> None:
    """Tables and columns of the migrations are those of the schema module."""

    def made(connection: sa.Connection) -> dict[str, set[str]]:
        inspector = sa.inspect(connection)
        return {table: {column["name"] for column in inspector.get_columns(table)} for table in metadata.tables}

    async with store.engine.connect() as connection:
        found = await connection.run_sync(made)
    assert found == {name: set(table.c.keys()) for name, table in metadata.tables.items()}


async def test_migrating_again_changes_nothing(store: Store) -> None:
    await migrate(store.engine, service="gateway", migrations=MIGRATIONS)
    await store.user()


async def test_database_that_is_away_is_unavailable() -> None:
    """Nobody listens on port 1."""
    engine = open_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await SqlUsers(engine).count()
    await engine.dispose()
