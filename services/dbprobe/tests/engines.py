"""The databases of the contract suite: the same orders, the same accounts, and each engine's own words for a task."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import pymongo
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.testing.process import Server
from steptrail_common.testing.targets import public_part

from .conftest import SECRET, connection

ORDERS = (("4711", "DE02120300000000202051"), ("4712", "DE02500105170137075030"))
DATABASE = "steptrail_shop"


@dataclass(frozen=True)
class Target:
    """A database with two orders. `ask` says a task in the engine's words: text of SQL, or a document query.

    Accounts: `reader`, `writer`, `owner` (may do everything), `nobody` (does not exist).
    """

    name: str
    settings: Mapping[str, Any]
    ask: Mapping[str, Any]
    writes: list[Any]
    endless: list[Any]
    values: list[tuple[Any, Any]]
    count: Callable[[], int]
    locked: Callable[[], Any] | None = None
    sessions: Callable[[], int] | None = None
    ca: str | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)

    def account(self, name: str, **more: Any) -> SealedConnection:
        user = self.accounts.get(name, f"st_{name}")
        return connection({**self.settings, "username": user, **more}, self.name)

    @property
    def exception(self) -> str:
        return f"{self.settings['host']}:{self.settings['port']}"


def apart(work: Any) -> Any:
    """Run a coroutine beside the test's own event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


# --- MariaDB ---------------------------------------------------------------------------------------------------------

_MARIADB_SHOP = f"""
create database {DATABASE};
use {DATABASE};
create table orders (id int primary key, order_no varchar(20), iban varchar(40), placed_at timestamp);
insert into orders values {", ".join(f"({n}, '{no}', '{iban}', now())" for n, (no, iban) in enumerate(ORDERS))};
create sequence numbers;
create database {DATABASE}_secret; create table {DATABASE}_secret.plans (what text);
create function sneaky() returns int modifies sql data begin insert into orders (id) values (99); return 1; end;
create procedure emptied() delete from orders;
create user st_reader identified by '{SECRET}'; grant select on {DATABASE}.* to st_reader;
create user st_writer identified by '{SECRET}'; grant all on {DATABASE}.* to st_writer;
create user st_owner identified by '{SECRET}'; grant all on *.* to st_owner with grant option;
create user st_files identified by '{SECRET}'; grant select on {DATABASE}.* to st_files; grant file on *.* to st_files;
"""  # noqa: S608 - constants


async def _mariadb(server: Server, statements: list[str], database: str | None = None) -> Any:
    parts = urlsplit(server.url)
    made = await asyncmy.connect(
        host=parts.hostname or "", port=parts.port or 0, user=parts.username, database=database, autocommit=True
    )
    try:
        async with made.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)
            return await cursor.fetchall()
    finally:
        await made.ensure_closed()


def _statements(text: str) -> list[str]:
    """Split at the ends of lines that end in a semicolon."""
    return [part.strip() for line in text.strip().splitlines() for part in _parts(line) if part.strip()]


def _parts(line: str) -> list[str]:
    return [line.rstrip(";")] if "begin " in line else line.split(";")


def mariadb(server: Server) -> Target:
    """The shop in the session's MariaDB."""
    apart(_mariadb(server, _statements(_MARIADB_SHOP)))

    def counted() -> int:
        rows = apart(_mariadb(server, ["select count(*), group_concat(order_no order by id) from orders"], DATABASE))
        assert rows[0][1] == "4711,4712"
        return int(rows[0][0])

    def sessions() -> int:
        query = "select count(*) from information_schema.processlist where user like 'st\\_%'"
        return int(apart(_mariadb(server, [query]))[0][0])

    @contextmanager
    def locked() -> Iterator[None]:
        with ThreadPoolExecutor(1) as pool:
            loop = asyncio.new_event_loop()
            parts = urlsplit(server.url)
            made = pool.submit(
                loop.run_until_complete,
                asyncmy.connect(host=parts.hostname or "", port=parts.port or 0, user="root", database=DATABASE),
            ).result()
            try:
                pool.submit(loop.run_until_complete, made.query("lock tables orders write")).result()
                yield
            finally:
                pool.submit(loop.run_until_complete, made.ensure_closed()).result()
                pool.submit(loop.close).result()

    parts = urlsplit(server.url)
    return Target(
        name="mariadb",
        settings={
            "kind": "mysql",
            "host": parts.hostname,
            "port": parts.port,
            "database": DATABASE,
            "tls": "disable",
        },
        ask={
            "by number": "select order_no, iban from orders where order_no = :order",
            "all": "select order_no, iban from orders order by id",
            "1000 rows": "select seq as n from seq_1_to_1000",
            "1001 rows": "select seq as n from seq_1_to_1001",
            "many rows": "select a.seq as n from seq_1_to_100000 a limit 100000",
            "a large cell": "select repeat('x', 2000000) as x",
            "a huge cell": "select repeat('x', 15000000) as x union all select repeat('y', 15000000)",
            "large in all": "select repeat('x', 2000) as x from seq_1_to_1000",
            "many columns": "select " + ", ".join(f"{n} as c{n}" for n in range(1600)),
            "no such table": "select * from nothing",
            "no such column": "select nothing from orders",
            "not allowed": "select * from steptrail_shop_secret.plans",
            "nonsense": "selec 1",
            "nothing": " -- nothing",
            "no rows": "set @x = 1",
            "the session": "select @@max_statement_time, @@sql_select_limit, @@time_zone, @@tx_read_only",
        },
        writes=[
            "select 1; drop table orders",
            "insert into orders values (3, 'new', '', now())",
            "insert into orders values (3, 'new', '', now()) returning id",
            "replace into orders values (1, 'new', '', now()) returning id",
            "delete from orders returning id",
            "update orders set order_no = 'x'",
            "delete from orders",
            "truncate orders",
            "drop table orders",
            "alter table orders add column x int",
            "create table stolen as select * from orders",
            "rename table orders to stolen",
            "select * from orders into outfile '/tmp/stolen'",
            "select order_no from orders limit 1 into dumpfile '/tmp/stolen'",
            "load data local infile '/etc/passwd' into table orders",
            "load data infile '/etc/passwd' into table orders",
            "call emptied()",
            "select sneaky()",
            "select nextval(numbers)",
            "lock tables orders write",
            "set global max_connections = 1",
            "start transaction",
            "commit",
            "analyze delete from orders",
            "execute immediate 'delete from orders'",
            "grant all on *.* to st_reader",
            "kill 1",
            "flush tables",
            "optimize table orders",
        ],
        endless=[
            "select count(*) from seq_1_to_1000000000 a, seq_1_to_1000000000 b",
            "select sleep(1000)",
            "select benchmark(1000000000000, md5('x'))",
        ],
        values=[
            ("cast(1e300 as double) * 1", 1e300),
            ("cast('1000000000000000000000000000000' as decimal(40))", 1e30),
            ("cast('12345678901234567890.123456789' as decimal(40, 9))", "12345678901234567890.123456789"),
            ("cast('19.90' as decimal(10, 2))", 19.9),
            ("9223372036854775807", "9223372036854775807"),
            ("18446744073709551615", "18446744073709551615"),
            ("x'00ff'", "base64:AP8="),
            ("b'101'", "base64:BQ=="),
            ("cast('26:00:00' as time)", 93600.0),
            ("cast('2026-11-01 12:00:00' as datetime)", "2026-11-01T12:00:00Z"),
            ("from_unixtime(1793530800)", "2026-11-01T11:00:00Z"),
            ("cast('2026-11-01' as date)", "2026-11-01"),
            ("json_array(1, null, 3)", "[1, null, 3]"),
            ("null", None),
            ("true", 1),
            ("'007'", "007"),
            ("'grün 🙂'", "grün 🙂"),
            ("cast('c0ffee00-0000-4000-8000-000000000000' as uuid)", "c0ffee00-0000-4000-8000-000000000000"),
            (":v", "4711"),
        ],
        count=counted,
        locked=locked,
        sessions=sessions,
        ca=public_part(server.pem) if hasattr(server, "pem") else None,
    )


# --- MongoDB ---------------------------------------------------------------------------------------------------------


def _aggregate(*stages: Any, **more: Any) -> dict[str, Any]:
    return {"operation": "aggregate", "collection": "orders", "pipeline": list(stages), **more}


def mongodb(server: Server) -> Target:
    """The shop in the session's MongoDB with accounts."""
    orders = [{"_id": n, "order_no": no, "iban": iban, "total": 19.9} for n, (no, iban) in enumerate(ORDERS)]
    with pymongo.MongoClient[dict[str, Any]](server.url) as client:
        shop = client[DATABASE]
        shop.orders.insert_many(orders)
        shop.large.insert_many({"_id": n, "x": "x" * 2000} for n in range(1001))
        shop.huge.insert_many({"_id": n, "x": "x" * 15_000_000} for n in range(2))
        shop.wide.insert_one({f"c{n}": n for n in range(600)})
        roles = {
            "reader": [{"role": "read", "db": DATABASE}],
            "writer": [{"role": "readWrite", "db": DATABASE}],
            "owner": [{"role": "root", "db": "admin"}],
        }
        for name, granted in roles.items():
            client.admin.command("createUser", f"st_{name}", pwd=SECRET, roles=granted)

    def counted() -> int:
        with pymongo.MongoClient[dict[str, Any]](server.url) as client:
            assert "stolen" not in client[DATABASE].list_collection_names()
            return client[DATABASE].orders.count_documents({})

    def sessions() -> int:
        with pymongo.MongoClient[dict[str, Any]](server.url) as client:
            found = client.admin.aggregate([{"$currentOp": {"allUsers": True}}, {"$match": {"active": True}}])
            return sum(1 for item in found if item.get("ns", "").startswith(DATABASE))

    parts = urlsplit(server.url)
    numbers = {"$range": [0, 1001]}
    rows_1001 = [{"$limit": 1}, {"$project": {"n": numbers, "_id": 0}}, {"$unwind": "$n"}]
    triple = {"$lookup": {"from": "large", "pipeline": [{"$match": {}}], "as": "more"}}
    slow: list[Any] = [{"$project": {"_id": 1}}]
    for at in range(4):
        slow += [{"$lookup": {"from": "large", "pipeline": [], "as": f"a{at}"}}, {"$unwind": f"$a{at}"}]
    return Target(
        name="mongodb",
        settings={
            "kind": "mongodb",
            "host": parts.hostname,
            "port": parts.port,
            "database": DATABASE,
            "tls": "disable",
        },
        ask={
            "by number": {
                "collection": "orders",
                "filter": {"order_no": ":order"},
                "projection": {"_id": 0, "order_no": 1, "iban": 1},
            },
            "all": {"collection": "orders", "projection": {"_id": 0, "order_no": 1, "iban": 1}, "sort": {"_id": 1}},
            "1000 rows": _aggregate(*rows_1001, {"$limit": 1000}),
            "1001 rows": _aggregate(*rows_1001),
            "many rows": {"collection": "large", "projection": {"_id": 1}},
            "a large cell": {"collection": "huge", "filter": {"_id": 0}},
            "a huge cell": {"collection": "huge"},
            "large in all": {"collection": "large", "limit": 1000},
            "many columns": {"collection": "wide"},
            "not allowed": {"collection": "orders.secret", "operation": "find"},
            "nonsense": {"collection": "orders", "filter": {"a": {"$nonsense": 1}}},
        },
        writes=[],
        endless=[
            _aggregate(*slow, {"$count": "n"}),
            _aggregate(triple, triple, {"$unwind": "$more"}, triple, {"$unwind": "$more"}, triple, {"$count": "n"}),
        ],
        values=[
            ({"$literal": 1e300}, 1e300),
            ({"$divide": [{"$literal": 1.0}, 3]}, 1 / 3),
            ({"$toDouble": "NaN"}, "nan"),
            ({"$toDouble": "-Infinity"}, "-inf"),
            ({"$toDecimal": "1E+30"}, 1e30),
            ({"$toDecimal": "12345678901234567890.123456789"}, "12345678901234567890.123456789"),
            ({"$toLong": "9223372036854775807"}, "9223372036854775807"),
            ({"$toDate": "2026-11-01T12:00:00+01:00"}, "2026-11-01T11:00:00Z"),
            ({"$toObjectId": "507f1f77bcf86cd799439011"}, "507f1f77bcf86cd799439011"),
            ({"$literal": [1, None, 3]}, [1, None, 3]),
            ({"$literal": {"a": [1, None]}}, {"a": [1, None]}),
            ({"$literal": None}, None),
            ({"$literal": True}, True),
            ({"$literal": "007"}, "007"),
            ({"$toDate": {"$toLong": "631139040000000"}}, "631139040000000 ms since 1970-01-01"),
            (":v", "4711"),
        ],
        count=counted,
        sessions=sessions,
        ca=public_part(server.pem) if hasattr(server, "pem") else None,
    )


def asked(target: Target, task: Any) -> dict[str, Any]:
    """The keys of a check that ask for this: a name out of `ask`, a statement or a document query."""
    found = target.ask.get(task, task) if isinstance(task, str) else task
    return {"documents": found} if isinstance(found, dict) else {"query": found}


def valued(target: Target, expression: Any) -> dict[str, Any]:
    """The keys of a check that returns one value in the column `value`."""
    if target.name == "mongodb":
        return {"documents": _aggregate({"$limit": 1}, {"$project": {"_id": 0, "value": expression}})}
    return {"query": f"select {expression} as value"}
