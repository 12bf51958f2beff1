"""Accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from steptrail_common.errors import Conflict, NotFound

from steptrail_gateway.adapters.sql.audit import changing, doing, reading
from steptrail_gateway.adapters.sql.schema import codes, sessions, users
from steptrail_gateway.domain.audit import Deed
from steptrail_gateway.domain.people import User

_LAST_ADMIN = "This is the last active administrator; make another one first."


class SqlUsers:
    """`UserStore`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, user: User, deed: Deed) -> None:
        try:
            async with doing(self._engine, deed, user.created_at) as connection:
                await connection.execute(users.insert().values(_values(user)))
        except IntegrityError as error:
            raise Conflict(f"The username {user.username} is taken.") from error

    async def by_id(self, user_id: str) -> User | None:
        return await self._one(users.c.user_id == user_id)

    async def by_name(self, username: str) -> User | None:
        return await self._one(users.c.username == username)

    async def list(self, *, after: str | None, limit: int) -> Sequence[User]:
        query = sa.select(users).order_by(users.c.username).limit(limit)
        if after is not None:
            query = query.where(users.c.username > after)
        async with reading(self._engine) as connection:
            return [user_of(row) for row in await connection.execute(query)]

    async def count(self) -> int:
        async with reading(self._engine) as connection:
            return int(await connection.scalar(sa.select(sa.func.count()).select_from(users)) or 0)

    async def save(self, user: User, deed: Deed, at: datetime, *, end_sessions: bool, keep: str | None = None) -> None:
        changed = {
            "username": user.username,
            "role": user.role,
            "active": user.active,
            "password_hash": user.password_hash,
        }
        try:
            async with doing(self._engine, deed, at) as connection:
                if user.role != "admin" or not user.active:
                    await _refuse_last_admin(connection, user.user_id)
                done = await connection.execute(users.update().where(users.c.user_id == user.user_id).values(changed))
                _must_exist(done)
                if end_sessions:
                    await _end_sessions(connection, user.user_id, keep)
        except IntegrityError as error:
            raise Conflict(f"The username {user.username} is taken.") from error

    async def signed_in(self, user_id: str, at: datetime) -> None:
        async with changing(self._engine) as connection:
            await connection.execute(users.update().where(users.c.user_id == user_id).values(last_sign_in_at=at))

    async def replace_hash(self, user_id: str, old_hash: str, new_hash: str) -> None:
        same = (users.c.user_id == user_id) & (users.c.password_hash == old_hash)
        async with changing(self._engine) as connection:
            await connection.execute(users.update().where(same).values(password_hash=new_hash))

    async def delete(self, user_id: str, deed: Deed, at: datetime) -> None:
        async with doing(self._engine, deed, at) as connection:
            await _refuse_last_admin(connection, user_id)
            _must_exist(await connection.execute(users.delete().where(users.c.user_id == user_id)))

    async def _one(self, condition: sa.ColumnElement[bool]) -> User | None:
        async with reading(self._engine) as connection:
            row = (await connection.execute(sa.select(users).where(condition))).first()
        return user_of(row) if row is not None else None


async def _refuse_last_admin(connection: AsyncConnection, user_id: str) -> None:
    """Raise `Conflict` if this is the only active administrator."""
    admins = sa.select(users.c.user_id).where(users.c.role == "admin", users.c.active.is_(True))
    if set(await connection.scalars(admins)) == {user_id}:
        raise Conflict(_LAST_ADMIN)


async def _end_sessions(connection: AsyncConnection, user_id: str, keep: str | None) -> None:
    others = sessions.delete().where(sessions.c.user_id == user_id)
    if keep is not None:
        others = others.where(sessions.c.session_id != keep)
    await connection.execute(others)
    await connection.execute(codes.delete().where(codes.c.user_id == user_id))


def _must_exist(done: sa.CursorResult[Any]) -> None:
    if done.rowcount == 0:
        raise NotFound("There is no user with this id.")


def _values(user: User) -> dict[str, Any]:
    return {column.name: getattr(user, column.name) for column in users.c}


def user_of(row: sa.Row[Any]) -> User:
    """The user in a row that holds all columns of `users`, perhaps among others."""
    fields = row._mapping
    return User(
        user_id=fields[users.c.user_id],
        username=fields[users.c.username],
        role=fields[users.c.role],
        active=fields[users.c.active],
        password_hash=fields[users.c.password_hash],
        created_at=fields[users.c.created_at],
        last_sign_in_at=fields[users.c.last_sign_in_at],
    )
