"""What every store of processes must do, on MongoDB and SQLite."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from steptrail_catalog.ports import Process, ProcessFilter, Revision, Told
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Destination, Message, PublishFailed, Subscription
from steptrail_common.errors import Conflict, NotFound, Stale

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def revision(process_id: str = "orders", number: int = 1, **about: Any) -> Revision:
    """A revision as the use cases hand it over."""
    steps = [
        {"id": "a", "name": "A", "check": {"type": "db_query", "connection": name}} for name in about.pop("uses", [])
    ]
    definition = {"process": process_id, "name": process_id.title(), "tags": [], "active": True, "steps": steps} | about
    return Revision(
        process_id=process_id,
        revision=number,
        document={"process": process_id, "odd": {"$gt": 2**70, "a.b": [None, 1.5]}},
        definition=definition,
        source_yaml=f"process: {process_id}\n",
        saved_at=NOON + timedelta(minutes=number),
        saved_by="ada",
    )


def told(*identity: object) -> Told:
    text = "/".join(map(str, identity))
    return Destination(topic="process.saved.x"), Message(text.encode(), dedup_id=text)


async def names(stores: Any, limit: int = 50, **wanted: Any) -> list[str]:
    found = await stores.processes.search(ProcessFilter(**wanted), after=None, limit=limit)
    return [summary.process_id for summary in found]


@pytest.mark.req("FR-005")
async def test_what_was_saved_is_read_back_exactly(stores: Any) -> None:
    """Odd keys and whole numbers beyond 64 bits survive; the document keeps the order of its keys."""
    made = await stores.processes.create(revision(), told(1))
    read: Process = await stores.processes.get("orders")
    assert read == made
    assert read.current == revision()
    assert list(read.current.document) == ["process", "odd"]


async def test_a_taken_id_is_a_conflict(stores: Any) -> None:
    """Creating an existing process changes nothing."""
    await stores.processes.create(revision(), told(1))
    with pytest.raises(Conflict):
        await stores.processes.create(revision(owner="someone else"), told(2))
    assert (await stores.processes.get("orders")).current == revision()


@pytest.mark.req("FR-005")
async def test_of_savers_at_the_same_moment_one_wins(stores: Any) -> None:
    """Each later one is told that it was late; no revision is lost or written twice."""
    await stores.processes.create(revision(), told(1))
    attempts = [stores.processes.save(revision(number=2, owner=f"saver-{n}"), told(2, n)) for n in range(8)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, Process) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 7
    winner = next(outcome for outcome in outcomes if isinstance(outcome, Process))
    assert (await stores.processes.get("orders")).current.definition["owner"] == winner.current.definition["owner"]
    assert [item.revision for item in await stores.processes.revisions("orders", before=None, limit=9)] == [2, 1]


async def test_of_creators_at_the_same_moment_one_wins(stores: Any) -> None:
    """The others get a conflict."""
    attempts = [stores.processes.create(revision(owner=f"creator-{n}"), told(1, n)) for n in range(8)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, Process) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7


async def test_a_stale_save_changes_nothing(stores: Any) -> None:
    """Saving on top of revision 1 when there is a 2 already."""
    await stores.processes.create(revision(), told(1))
    await stores.processes.save(revision(number=2, owner="first"), told(2))
    with pytest.raises(Stale):
        await stores.processes.save(revision(number=2, owner="late"), told(2, "late"))
    assert (await stores.processes.get("orders")).current.definition["owner"] == "first"


@pytest.mark.req("FR-005")
async def test_revisions_stay_as_they_were(stores: Any) -> None:
    """Newest first, in pages, each as it was saved."""
    await stores.processes.create(revision(), told(1))
    for number in range(2, 6):
        await stores.processes.save(revision(number=number, owner=f"owner-{number}"), told(number))
    newest = await stores.processes.revisions("orders", before=None, limit=2)
    older = await stores.processes.revisions("orders", before=newest[-1].revision, limit=9)
    assert [item.revision for item in (*newest, *older)] == [5, 4, 3, 2, 1]
    for number in range(2, 6):
        assert await stores.processes.revision("orders", number) == revision(number=number, owner=f"owner-{number}")
    with pytest.raises(NotFound):
        await stores.processes.revision("orders", 6)


async def test_a_restored_revision_says_where_it_is_from(stores: Any) -> None:
    """Note and origin are kept with the revision."""
    await stores.processes.create(revision(), told(1))
    restored = replace(revision(number=2), note="Restored from revision 1", restored_from=1)
    await stores.processes.save(restored, told(2))
    assert await stores.processes.revision("orders", 2) == restored


async def test_unknown_processes_are_not_found(stores: Any) -> None:
    """Whatever is asked of them; ids that no process can have as well."""
    for process_id in ("nothing", "../etc", "a\x00b", '{"$gt": ""}', "x" * 5000):
        for asked in (
            stores.processes.get(process_id),
            stores.processes.save(revision(process_id, 2), told(2)),
            stores.processes.delete(process_id, expected=None, told=told(3)),
            stores.processes.revisions(process_id, before=None, limit=5),
            stores.processes.revision(process_id, 1),
        ):
            with pytest.raises(NotFound):
                await asked


async def test_a_deleted_process_is_gone_and_its_numbers_with_it(stores: Any) -> None:
    """Made again it goes on counting, so that a run's revision always means the same definition."""
    await stores.processes.create(revision(tags=["x"], uses=["erp"]), told(1))
    await stores.processes.save(revision(number=2, tags=["x"], uses=["erp"]), told(2))
    with pytest.raises(Stale):
        await stores.processes.delete("orders", expected=1, told=told("d"))
    await stores.processes.delete("orders", expected=2, told=told("d"))
    with pytest.raises(NotFound):
        await stores.processes.get("orders")
    assert await names(stores) == []
    assert await stores.processes.using("erp") == []
    assert await stores.processes.facets() == {"categories": [], "owners": [], "tags": []}
    assert await stores.processes.next_revision("orders") == 3
    again = await stores.processes.create(revision(number=3), told(3))
    assert again.created_at == revision(number=3).saved_at
    assert [item.revision for item in await stores.processes.revisions("orders", before=None, limit=9)] == [3, 2, 1]


@pytest.mark.req("FR-001")
async def test_pages_are_in_order_of_name_without_holes(stores: Any) -> None:
    """Capital letters do not matter, equal names are ordered by id, and no process comes twice."""
    wanted = ["Ähre", "apple", "Apple", "banana", "Zoo", "zoo", "élan", "_x", "1st"]
    for number, name in enumerate(wanted):
        await stores.processes.create(revision(f"p{number}", name=name), told(number))
    seen: list[tuple[str, str]] = []
    while page := await stores.processes.search(ProcessFilter(), after=seen[-1] if seen else None, limit=2):
        seen += [(summary.name.casefold(), summary.process_id) for summary in page]
    assert seen == sorted((name.casefold(), f"p{number}") for number, name in enumerate(wanted))


@pytest.mark.req("FR-004")
async def test_every_filter_narrows_the_list(stores: Any) -> None:
    """Words anywhere in any case, category, all of several tags, owner, active, board, ids; together all must hold."""
    await stores.processes.create(
        revision("a", name="Order to Cash", category="sales", tags=["x", "y"], owner="o"), told(1)
    )
    await stores.processes.create(revision("b", name="Cash 100%_", category="sales", tags=["x"], active=False), told(2))
    await stores.processes.create(
        revision("c", name="Other", description="(über) ORDER cash.*", population={}), told(3)
    )
    assert await names(stores, text="CASH order") == ["a", "c"]
    assert await names(stores, text="ÜBER") == ["c"]
    assert await names(stores, text="100%_") == ["b"]
    assert await names(stores, text="cash.*") == ["c"]
    assert await names(stores, text="y") == ["a"]
    assert await names(stores, text="  ") == ["b", "a", "c"]
    assert await names(stores, category="sales") == ["b", "a"]
    assert await names(stores, tags=["x"]) == ["b", "a"]
    assert await names(stores, tags=["x", "y"]) == ["a"]
    assert await names(stores, owner="o") == ["a"]
    assert await names(stores, active=False) == ["b"]
    assert await names(stores, board=True) == ["c"]
    assert await names(stores, board=False) == ["b", "a"]
    assert await names(stores, ids=["a", "c", "nothing"]) == ["a", "c"]
    assert await names(stores, ids=[]) == []
    assert await names(stores, text="order", tags=["x"]) == ["a"]


async def test_a_row_is_that_of_the_newest_revision(stores: Any) -> None:
    """Name, counts and who saved it when follow each save."""
    await stores.processes.create(revision(), told(1))
    await stores.processes.save(replace(revision(number=2, name="New", uses=["erp", "shop"]), saved_by="bob"), told(2))
    row = (await stores.processes.search(ProcessFilter(), after=None, limit=5))[0]
    assert (row.name, row.step_count, row.revision, row.updated_by) == ("New", 2, 2, "bob")
    assert (row.created_at, row.updated_at) == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=2))


@pytest.mark.req("FR-004")
async def test_facets_count_values_most_used_first(stores: Any) -> None:
    """Processes without a value are not counted."""
    await stores.processes.create(revision("a", category="sales", tags=["x", "y"], owner="o"), told(1))
    await stores.processes.create(revision("b", category="sales", tags=["x"]), told(2))
    await stores.processes.create(revision("c", category="buying"), told(3))
    assert await stores.processes.facets() == {
        "categories": [("sales", 2), ("buying", 1)],
        "owners": [("o", 1)],
        "tags": [("x", 2), ("y", 1)],
    }


async def test_users_of_a_connection_are_those_of_newest_revisions(stores: Any) -> None:
    """A process that no longer names it does not count."""
    await stores.processes.create(revision("a", uses=["erp", "shop", "erp"]), told(1))
    await stores.processes.create(revision("b", uses=["erp"]), told(2))
    await stores.processes.save(revision("b", 2, uses=["shop"]), told(3))
    assert await stores.processes.using("erp") == ["a"]
    for connection_id, users in (("erp", ["a"]), ("shop", ["a", "b"]), ("nobody", [])):
        found = await stores.processes.search(ProcessFilter(connection_id=connection_id), after=None, limit=9)
        assert [one.process_id for one in found] == users
    assert await stores.processes.using("shop") == ["a", "b"]
    assert await stores.processes.using("shop", limit=1) == ["a"]


class _Away(InProcessBus):
    """A bus whose broker does not confirm."""

    async def publish(self, messages: Any) -> None:
        raise PublishFailed("no confirm")


@pytest.mark.req("IR-9")
async def test_each_change_is_told_even_if_the_broker_was_away(stores: Any) -> None:
    """Events wait in the same atomic write as the change; a refused save tells nothing."""
    await stores.processes.create(revision(), told("created"))
    with pytest.raises(PublishFailed):
        await stores.relay_to(_Away(InProcessBroker()))
    await stores.processes.save(revision(number=2), told("saved"))
    with pytest.raises(Stale):
        await stores.processes.save(revision(number=2), told("refused"))
    await stores.processes.delete("orders", expected=None, told=told("deleted"))
    broker = InProcessBroker()
    heard: list[str] = []

    async def hear(deliveries: Any) -> None:
        heard.extend(delivery.message.dedup_id for delivery in deliveries)

    bus = InProcessBus(broker)
    await bus.start()
    await bus.subscribe(Subscription("all", patterns=("#",)), hear)
    assert await stores.relay_to(bus) == 3
    assert await stores.relay_to(bus) == 0
    await bus.drain(5)
    await bus.close()
    assert heard == ["created", "saved", "deleted"]


@pytest.mark.req("FR-001")
async def test_five_thousand_processes_are_searched_in_a_blink(stores: Any) -> None:
    """A page, a search and the facets each take well below a second."""
    made = [
        revision(f"p{n:04}", name=f"Process {n}", category=f"c{n % 7}", tags=[f"t{n % 50}"], uses=["erp"])
        for n in range(5000)
    ]
    await stores.fill(made)
    for asked in (
        stores.processes.search(ProcessFilter(), after=("process 4", "p0004"), limit=50),
        stores.processes.search(ProcessFilter(text="4999"), after=None, limit=50),
        stores.processes.search(ProcessFilter(category="c3", tags=["t7"]), after=None, limit=50),
        stores.processes.facets(),
    ):
        async with asyncio.timeout(1.0):
            assert await asked
