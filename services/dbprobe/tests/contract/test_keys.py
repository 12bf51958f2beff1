"""Many keys at once, as a stuck board asks for them, from a real PostgreSQL that counts what it is asked."""

import asyncio
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import KeyAnswer, KeyRequest

KEYS = 10_000
_TABLES = """
    create table open_orders as
        select 'K' || lpad(n::text, 5, '0') as order_no, timestamptz '2026-11-01' + n * interval '1 second' as placed_at
        from generate_series(1, 10000) as n;
    create table invoices as select 'K' || lpad(n::text, 5, '0') as order_no from generate_series(4001, 10000) as n;
    create table letters as select 'K' || lpad(n::text, 5, '0') as order_no from generate_series(9901, 10000) as n;
    grant select on open_orders, invoices, letters to {p}_reader;
"""
TABLES = ("open_orders", "invoices", "letters")


def wanted(shop: Any, query: str, **more: Any) -> KeyRequest:
    values = {"connection": shop.account("reader"), "query": query, "max_keys": 50_000, "timeout_seconds": 20}
    return KeyRequest.model_validate(values | more)


async def scans(shop: Any) -> dict[str, int]:
    """How often each table was read from end to end, by the server's own count: nothing here has an index.

    A server counts a statement when its connection ends or a moment later, so all of them are waited for.
    """
    admin = await shop.connect()
    try:
        async with asyncio.timeout(30):
            while True:
                found = await admin.fetch(
                    "select relname, seq_scan from pg_stat_user_tables where relname = any($1)", TABLES
                )
                counted = {row["relname"]: row["seq_scan"] for row in found}
                busy = "select count(*) from pg_stat_activity where usename = $1 and datname = current_database()"
                if all(counted.values()) and not await admin.fetchval(busy, f"{shop.prefix}_reader"):
                    return counted
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


@pytest.mark.req("NFR-017", "FR-012")
async def test_ten_thousand_keys_are_one_statement(shop: Any, probe: Any) -> None:
    """The population and the set of each step: the server has read every table once, whatever the number of keys."""
    admin = await shop.connect()
    await admin.execute(_TABLES.format(p=shop.prefix))
    await admin.execute("select pg_stat_reset()")
    await admin.close()
    population = await probe.keys(wanted(shop, "select order_no, placed_at from open_orders", since="placed_at"))
    assert (len(population.keys), len(population.since), len(set(population.keys))) == (KEYS, KEYS, KEYS)
    billed = await probe.keys(wanted(shop, "select order_no from invoices"))
    sent = await probe.keys(wanted(shop, "select order_no from letters"))
    assert (len(billed.keys), len(sent.keys)) == (6_000, 100)
    assert await scans(shop) == dict.fromkeys(TABLES, 1)


async def test_too_many_keys_are_refused_by_name(shop: Any, probe: Any) -> None:
    """A board that would leave out keys would show a wrong figure."""
    admin = await shop.connect()
    await admin.execute(_TABLES.format(p=shop.prefix))
    await admin.close()
    answer: KeyAnswer = await probe.keys(wanted(shop, "select order_no from open_orders", max_keys=9_999))
    assert (answer.keys, answer.failure_class) == ([], FailureClass.TOO_MANY)


async def test_a_set_that_writes_is_refused_by_the_server(shop: Any, probe: Any) -> None:
    """Also with an account that could: the transaction is read-only."""
    query = "insert into orders values (7, 'sneaked') returning order_no"
    answer: KeyAnswer = await probe.keys(wanted(shop, query, connection=shop.account("writer")))
    assert (answer.keys, answer.failure_class is None) == ([], False)
    admin = await shop.connect()
    assert await admin.fetchval("select count(*) from orders") == 2
    await admin.close()
