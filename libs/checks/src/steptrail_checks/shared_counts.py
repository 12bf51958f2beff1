"""What workers keep together, in a store that the `limits` library knows: counts, and places at targets."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import structlog
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from steptrail_common.errors import ConfigurationError

from steptrail_checks.shared_places import MongoPlaces, Places, RedisPlaces

STORE_REST_SECONDS = 30.0
"""How long each worker counts for itself when the shared store did not answer."""
MEMORY = "memory:"

log = structlog.get_logger()
S = TypeVar("S")
T = TypeVar("T")


class SharedCounts:
    """One per worker. With `memory:` nothing is shared."""

    def __init__(self, store: str, monotonic: Callable[[], float]) -> None:
        """Nothing is connected yet. Raises `ConfigurationError`."""
        self._limiter = None if store == MEMORY else _shared_limiter(store)
        self._places = _places_of(store, self._limiter) if self._limiter else None
        self._again_at = 0.0
        self._monotonic = monotonic

    @property
    def shared(self) -> bool:
        """Whether there is a store."""
        return self._limiter is not None

    async def ask(self, question: Callable[[MovingWindowRateLimiter], T]) -> T | None:
        """The store's answer; None without a store, and while it is away. Drivers block, so it is asked in a thread."""
        return await self._asked(question, self._limiter)

    async def ask_places(self, question: Callable[[Places], T]) -> T | None:
        """The same about places."""
        return await self._asked(question, self._places)

    async def _asked(self, question: Callable[[S], T], whom: S | None) -> T | None:
        if whom is None or self._monotonic() < self._again_at:
            return None
        try:
            return await asyncio.to_thread(question, whom)
        except Exception as error:  # each store has errors of its own; none may keep checks from running
            self._again_at = self._monotonic() + STORE_REST_SECONDS
            log.warning("limits.store_away", detail=str(error)[:200], seconds=STORE_REST_SECONDS)
            return None

    async def close(self) -> None:
        """Close the connections to the store."""
        client = getattr(self._limiter.storage, "storage", None) if self._limiter else None
        if (close := getattr(client, "close", None)) is not None:
            await asyncio.to_thread(close)


def _shared_limiter(store: str) -> MovingWindowRateLimiter:
    """The limiter of an address. Nothing is connected yet. Raises `ConfigurationError`."""
    scheme = store.partition(":")[0]
    options: dict[str, object] = {}
    if scheme in ("redis", "rediss"):
        options = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    elif scheme in ("mongodb", "mongodb+srv"):
        options = {"database_name": _database_of(store), "serverSelectionTimeoutMS": 1000, "socketTimeoutMS": 1000}
    else:
        raise ConfigurationError(f"limits: {scheme}: must be memory:, redis://…, rediss://… or mongodb://…/database")
    try:
        return MovingWindowRateLimiter(storage_from_string(store, **options))  # type: ignore[arg-type]
    except Exception as error:  # a driver that is missing, an address that cannot be read
        raise ConfigurationError(f"limits: {scheme} cannot be used: {error}") from None


def _places_of(store: str, limiter: MovingWindowRateLimiter) -> Places:
    """Over the limiter's own connections."""
    client = limiter.storage.storage  # type: ignore[attr-defined]
    return RedisPlaces(client) if store.startswith("redis") else MongoPlaces(client, _database_of(store))


def _database_of(store: str) -> str:
    return urlsplit(store).path.strip("/") or "steptrail_limits"
