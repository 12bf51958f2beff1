"""Argon2id in a thread pool of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Final, TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")
MEMORY_KIB: Final = 19_456
TIME_COST: Final = 2
PARALLELISM: Final = 1
"""The first recommendation of OWASP's password storage cheat sheet for Argon2id."""
THREADS: Final = 2
"""At most two at a time: a flood of sign-ins costs 38 MiB and leaves the event loop alone."""


class Argon2Hasher:
    """`PasswordHasher`. The work for an unknown account is the same as for a known one."""

    def __init__(self) -> None:
        self._argon2 = _argon2()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")

    async def hash(self, password: str) -> str:
        return await self._in_thread(partial(self._argon2.hash, _bytes(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        return await self._in_thread(partial(self._verify, password_hash, password))

    def outdated(self, password_hash: str) -> bool:
        return self._argon2.check_needs_rehash(password_hash)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        known, nobody = password_hash is not None, hash_of_nobody()
        try:
            right = self._argon2.verify(password_hash or nobody, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return right and known


@cache
def hash_of_nobody() -> str:
    """What a password for an unknown account is compared with; made once in a process, whoever signs in first."""
    return _argon2().hash(b"nobody")


def _argon2() -> Argon2:
    return Argon2(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=PARALLELISM)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
