"""What every store of connections must do, on MongoDB and SQLite."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from steptrail_catalog.ports import Connection, SealedSecret, Told
from steptrail_common.bus.port import Destination, Message
from steptrail_common.errors import Conflict, NotFound, Stale

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def connection(connection_id: str = "erp", version: int = 1, **about: Any) -> Connection:
    values: dict[str, Any] = {
        "connection_id": connection_id,
        "name": "ERP",
        "description": None,
        "settings": {"kind": "http", "base_url": "https://erp", "headers": {"$X.y": "1"}},
        "secrets": {"token": SealedSecret("c2VhbGVk", NOON)},
        "rights": {"level": "unknown", "detail": "not tested", "checked_at": None},
        "version": version,
        "created_at": NOON,
        "updated_at": NOON,
        "updated_by": "ada",
    }
    return Connection(**values | about)


def told(*identity: object) -> Told:
    text = "/".join(map(str, identity))
    return Destination(topic="connection.saved.x"), Message(text.encode(), dedup_id=text)


async def test_what_was_saved_is_read_back_exactly(stores: Any) -> None:
    """Ciphertext, moments, settings with odd header names."""
    await stores.connections.create(connection(), told(1))
    assert await stores.connections.get("erp") == connection()
    changed = connection(version=2, name="New", secrets={})
    await stores.connections.save(changed, told(2))
    assert await stores.connections.get("erp") == changed


async def test_a_taken_id_is_a_conflict(stores: Any) -> None:
    """Also for those who create at the same moment."""
    attempts = [stores.connections.create(connection(name=f"creator {n}"), told(n)) for n in range(6)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, Connection) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 5


async def test_of_savers_at_the_same_moment_one_wins(stores: Any) -> None:
    """The others are told that they were late."""
    await stores.connections.create(connection(), told(1))
    attempts = [stores.connections.save(connection(version=2, name=f"saver {n}"), told(2, n)) for n in range(6)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, Connection) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 5


@pytest.mark.req("NFR-014")
async def test_a_deleted_connection_leaves_no_ciphertext_and_its_versions_are_not_given_again(stores: Any) -> None:
    """Made again it goes on counting, so that its events are new facts."""
    await stores.connections.create(connection(), told(1))
    await stores.connections.delete("erp", told("d"))
    with pytest.raises(NotFound):
        await stores.connections.get("erp")
    assert await stores.connections.page(after=None, limit=5) == []
    assert await stores.connections.next_version("erp") == 2
    with pytest.raises(Conflict):
        await stores.connections.create(connection(version=1), told("wrong"))
    again = connection(version=2, secrets={})
    await stores.connections.create(again, told(2))
    assert await stores.connections.get("erp") == again


async def test_unknown_connections_are_not_found(stores: Any) -> None:
    """Whatever is asked of them."""
    for asked in (
        stores.connections.get("nothing"),
        stores.connections.save(connection("nothing", 2), told(2)),
        stores.connections.delete("nothing", told(3)),
        stores.connections.store_rights("nothing", {}),
    ):
        with pytest.raises(NotFound):
            await asked


async def test_connections_are_listed_in_order_of_id(stores: Any) -> None:
    """In pages, and some by their ids."""
    for number in (3, 1, 2):
        await stores.connections.create(connection(f"c{number}"), told(number))
    first = await stores.connections.page(after=None, limit=2)
    rest = await stores.connections.page(after=first[-1].connection_id, limit=2)
    assert [item.connection_id for item in (*first, *rest)] == ["c1", "c2", "c3"]
    some = await stores.connections.many({"c3", "c1", "nothing"})
    assert sorted(item.connection_id for item in some) == ["c1", "c3"]
    assert await stores.connections.many([]) == []


async def test_found_rights_make_no_version(stores: Any) -> None:
    """What a worker found stands beside the connection."""
    await stores.connections.create(connection(), told(1))
    rights = {"level": "read_only", "detail": "may select", "checked_at": "2026-11-20T12:00:00Z"}
    await stores.connections.store_rights("erp", rights)
    assert await stores.connections.get("erp") == replace(connection(), rights=rights)
