"""Whose rights are looked at, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from steptrail_common.contracts.catalog import ConnectionRights, ConnectionTest, ConnectionView, SealedConnection
from steptrail_common.contracts.workers import ProbeAnswer
from steptrail_common.errors import NotFound, Unavailable
from steptrail_orchestrator.entrypoints.inspector import Inspector

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SETTINGS: dict[str, dict[str, Any]] = {
    "postgresql": {"host": "db", "database": "d", "username": "u"},
    "sqlite": {"path": "/data/a.sqlite"},
    "http": {"base_url": "https://shop.example"},
    "s3": {"bucket": "bank"},
}


def connection(name: str, kind: str = "postgresql", *, hours_ago: float | None = None) -> ConnectionView:
    checked = None if hours_ago is None else NOW - timedelta(hours=hours_ago)
    return ConnectionView.model_validate(
        {
            "connection_id": name, "name": name, "description": None, "secrets": {}, "version": 1,
            "settings": {"kind": kind, **SETTINGS[kind]},
            "rights": {"level": "unknown", "detail": "", "checked_at": checked},
            "created_at": NOW, "updated_at": NOW, "updated_by": "ann",
        }
    )  # fmt: skip


class World:
    """The catalog, the store's clock and the workers, as far as they are asked."""

    def __init__(self, *connections: ConnectionView, worker: bool = True, answers: bool = True) -> None:
        self.known = list(connections)
        self.asked: list[str] = []
        self.kept: list[str] = []
        self.failed: list[str] = []
        self._worker, self._answers = worker, answers
        self.deleted: set[str] = set()
        self.claimed: dict[str, tuple[int, float]] = {}
        """Version of each connection that somebody claimed, and for how many seconds."""

    async def connections(self) -> list[ConnectionView]:
        return self.known

    async def connection(self, connection_id: str) -> SealedConnection:
        if connection_id in self.deleted:
            raise NotFound(f"there is no connection {connection_id}")
        view = next(one for one in self.known if one.connection_id == connection_id)
        return SealedConnection(connection_id=connection_id, settings=view.settings)

    async def store_rights(self, connection_id: str, rights: ConnectionRights) -> None:
        (self.kept if rights.failure is None else self.failed).append(connection_id)

    async def now(self) -> datetime:
        return NOW

    async def workers(self) -> list[Any]:
        class Worker:
            check_types = ("db_query",)
            silent_seconds = 0.0

        return [Worker()] if self._worker else []

    async def claim(self, connection_id: str, version: int, *, seconds: float) -> bool:
        known = self.claimed.get(connection_id)
        if known is not None and known[0] == version and known[1] > 0:
            return False
        self.claimed[connection_id] = (version, seconds)
        return True

    async def put_off(self, connection_id: str, version: int, *, seconds: float) -> None:
        self.claimed[connection_id] = (version, seconds)

    async def ask(self, check_type: str, *, connection: SealedConnection, timeout_seconds: float) -> ProbeAnswer:
        self.asked.append(connection.connection_id)
        rights = ConnectionRights(level="read_only", detail="can only read") if self._answers else None
        told = ConnectionTest(ok=self._answers, message="", rights=rights)
        return ProbeAnswer(probe_id="p", connection_test=told)


def inspector(world: World) -> Inspector:
    given = cast(Any, world)
    return Inspector(given, given, given, given, live_seconds=25.0)


@pytest.mark.req("FR-012")
async def test_new_ones_and_those_of_yesterday_are_looked_at() -> None:
    """Only databases: what else there is has no account whose rights a worker can see."""
    world = World(
        connection("new"), connection("old", hours_ago=25), connection("fresh", hours_ago=23),
        connection("file", "sqlite"), connection("page", "http"), connection("bucket", "s3"),
    )  # fmt: skip
    assert await inspector(world).look() == 3
    assert world.asked == world.kept == ["new", "old", "file"]


async def test_one_that_cannot_be_signed_in_to_is_asked_once_a_day() -> None:
    """A wrong password that is repeated locks accounts; a connection that is saved again is asked again."""
    world = World(connection("wrong"), answers=False)
    looking = inspector(world)
    assert [await looking.look(), await looking.look()] == [1, 0]
    assert world.claimed == {"wrong": (1, 86_400.0)}
    assert await inspector(world).look() == 0, "not even after a restart, or by another replica"
    world.known = [world.known[0].model_copy(update={"version": 2})]
    assert await looking.look() == 1
    assert (world.kept, world.failed) == ([], ["wrong", "wrong"]), "why it failed is kept, what it may do is not known"


async def test_without_a_worker_it_is_asked_when_one_comes() -> None:
    """Nothing was tried, so nothing is put off."""
    world = World(connection("new"), worker=False)
    looking = inspector(world)
    with pytest.raises(Unavailable):
        await looking.look()
    world._worker = True
    assert await looking.look() == 1


async def test_one_that_is_deleted_meanwhile_takes_no_other_its_turn() -> None:
    """Between the list and the look there is time enough."""
    world = World(connection("gone"), connection("there"))
    world.deleted = {"gone"}
    assert await inspector(world).look() == 1
    assert world.kept == ["there"]
