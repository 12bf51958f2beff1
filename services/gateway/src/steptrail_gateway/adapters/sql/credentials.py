"""Sessions, tokens, one-time codes and the count of attempts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine
from steptrail_common.database import Moment
from steptrail_common.errors import NotFound
from steptrail_common.grouping import Grouped

from steptrail_gateway.adapters.sql.audit import changing, doing, reading
from steptrail_gateway.adapters.sql.schema import attempts, codes, sessions, tokens, users
from steptrail_gateway.adapters.sql.users import user_of
from steptrail_gateway.domain.audit import Deed
from steptrail_gateway.domain.people import ApiToken, Session, SignInCode, User
from steptrail_gateway.domain.throttle import Attempts

_CHUNK = 500
"""Ids in one question: below the limit of bound values of every SQLite."""


class SqlCredentials:
    """`CredentialStore`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._session_rows = Grouped[str, sa.Row[Any] | None](lambda hashes: self._with_users(sessions, hashes))
        self._token_rows = Grouped[str, sa.Row[Any] | None](lambda hashes: self._with_users(tokens, hashes))

    async def add_session(self, session: Session, deed: Deed, *, replaces: str | None) -> None:
        async with doing(self._engine, deed, session.created_at) as connection:
            if replaces is not None:
                await connection.execute(sessions.delete().where(sessions.c.token_hash == replaces))
            await connection.execute(sessions.insert().values(_values(sessions, session)))

    async def session(self, token_hash: str) -> tuple[Session, User] | None:
        row = await self._session_rows(token_hash)
        return (_session_of(row), user_of(row)) if row is not None else None

    async def touch_session(self, session_id: str, at: datetime) -> None:
        async with changing(self._engine) as connection:
            same = sessions.c.session_id == session_id
            await connection.execute(sessions.update().where(same).values(last_seen_at=at))

    async def end_session(self, session_id: str, deed: Deed, at: datetime) -> None:
        async with doing(self._engine, deed, at) as connection:
            await connection.execute(sessions.delete().where(sessions.c.session_id == session_id))

    async def add_token(self, token: ApiToken, deed: Deed) -> None:
        async with doing(self._engine, deed, token.created_at) as connection:
            await connection.execute(tokens.insert().values(_values(tokens, token)))

    async def token(self, token_hash: str) -> tuple[ApiToken, User] | None:
        row = await self._token_rows(token_hash)
        return (_token_of(row), user_of(row)) if row is not None else None

    async def touch_token(self, token_id: str, at: datetime) -> None:
        async with changing(self._engine) as connection:
            await connection.execute(tokens.update().where(tokens.c.token_id == token_id).values(last_used_at=at))

    async def tokens(self, user_id: str, *, after: str | None, limit: int) -> Sequence[ApiToken]:
        query = sa.select(tokens).where(tokens.c.user_id == user_id).order_by(tokens.c.token_id).limit(limit)
        if after is not None:
            query = query.where(tokens.c.token_id > after)
        async with reading(self._engine) as connection:
            return [_token_of(row) for row in await connection.execute(query)]

    async def revoke_token(self, user_id: str, token_id: str, deed: Deed, at: datetime) -> None:
        same = (tokens.c.user_id == user_id) & (tokens.c.token_id == token_id)
        async with doing(self._engine, deed, at) as connection:
            done = await connection.execute(tokens.delete().where(same))
            if done.rowcount == 0:
                raise NotFound("There is no token with this id.")

    async def alive(self, credential_ids: Collection[str]) -> Mapping[str, tuple[Session | ApiToken, User]]:
        found: dict[str, tuple[Session | ApiToken, User]] = {}
        ids = sorted(credential_ids)
        async with reading(self._engine) as connection:
            for start in range(0, len(ids), _CHUNK):
                some = ids[start : start + _CHUNK]
                for row in await connection.execute(_joined(sessions, sessions.c.session_id.in_(some))):
                    session = _session_of(row)
                    found[session.session_id] = (session, user_of(row))
                for row in await connection.execute(_joined(tokens, tokens.c.token_id.in_(some))):
                    token = _token_of(row)
                    found[token.token_id] = (token, user_of(row))
        return found

    async def add_code(self, code: SignInCode, deed: Deed) -> None:
        async with doing(self._engine, deed, code.created_at) as connection:
            await connection.execute(codes.insert().values(_values(codes, code)))

    async def use_code(self, code_hash: str, at: datetime) -> User | None:
        usable = (codes.c.code_hash == code_hash) & codes.c.used_at.is_(None) & (codes.c.expires_at > at)
        spend = codes.update().where(usable).values(used_at=at).returning(codes.c.user_id)
        async with changing(self._engine) as connection:
            user_id = await connection.scalar(spend)
            active = sa.select(users).where(users.c.user_id == user_id, users.c.active.is_(True))
            row = (await connection.execute(active)).first()
        return user_of(row) if row is not None else None

    async def count_attempt(self, subjects: Collection[str], at: datetime, window: timedelta) -> list[Attempts]:
        counted = []
        async with changing(self._engine) as connection:
            insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            over = attempts.c.window_started_at <= at - window
            for subject in sorted(subjects):  # always in the same order: two at a time cannot deadlock
                upsert = (
                    insert(attempts)
                    .values(subject=subject, count=1, window_started_at=at)
                    .on_conflict_do_update(
                        index_elements=["subject"],
                        set_={
                            "count": sa.case((over, 1), else_=attempts.c.count + 1),
                            "window_started_at": sa.case(
                                (over, sa.literal(at, Moment)), else_=attempts.c.window_started_at
                            ),
                        },
                    )
                    .returning(attempts)
                )
                row = (await connection.execute(upsert)).one()
                counted.append(Attempts(*row))
        return counted

    async def forget_attempts(self, subject: str) -> None:
        async with changing(self._engine) as connection:
            await connection.execute(attempts.delete().where(attempts.c.subject == subject))

    async def prune(self, at: datetime, idle: timedelta, window: timedelta) -> None:
        async with changing(self._engine) as connection:
            over = (sessions.c.expires_at <= at) | (sessions.c.last_seen_at <= at - idle)
            await connection.execute(sessions.delete().where(over))
            await connection.execute(codes.delete().where(codes.c.expires_at <= at))
            await connection.execute(attempts.delete().where(attempts.c.window_started_at <= at - window))

    async def _with_users(self, table: sa.Table, hashes: Sequence[str]) -> list[sa.Row[Any] | None]:
        """Read after all of them were asked for: what was revoked before is not found."""
        asked = _joined(table, table.c.token_hash.in_(sorted(set(hashes))))
        async with reading(self._engine) as connection:
            found = {row._mapping[table.c.token_hash]: row for row in await connection.execute(asked)}
        return [found.get(one) for one in hashes]


def _joined(table: sa.Table, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Rows of a table with their users, if those are active."""
    joined = table.join(users, users.c.user_id == table.c.user_id)
    return sa.select(table, users).select_from(joined).where(condition, users.c.active.is_(True))


def _values(table: sa.Table, item: object) -> dict[str, Any]:
    return {column.name: getattr(item, column.name) for column in table.c if hasattr(item, column.name)}


def _session_of(row: sa.Row[Any]) -> Session:
    return Session(**{column.name: row._mapping[column] for column in sessions.c})


def _token_of(row: sa.Row[Any]) -> ApiToken:
    return ApiToken(**{column.name: row._mapping[column] for column in tokens.c})
