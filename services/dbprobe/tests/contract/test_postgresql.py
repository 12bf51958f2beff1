"""`db_query` against a real PostgreSQL: what is asked, what is refused, what goes wrong, and how it is called."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass
from steptrail_dbprobe.adapters import postgresql

from ..conftest import PeakMemory

pytestmark = pytest.mark.req("FR-012")


def assertion(subject: str, argument: str | None = None, **operators: Any) -> dict[str, Any]:
    return {"subject": subject, "argument": argument, "operators": operators}


async def sessions(shop: Any) -> int:
    """How many sessions the probe has on the server."""
    admin = await shop.connect()
    count = await admin.fetchval(
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'steptrail'"
    )
    await admin.close()
    return int(count)


async def no_sessions(shop: Any, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while await sessions(shop):  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.05)


async def test_rows_are_judged_and_kept_as_evidence(probe: Any, shop: Any) -> None:
    """Assertions and captures see rows and columns; the evidence holds statement, binds and rows."""
    query = "select order_no, placed_at, total from orders where order_no = :order"
    result = await probe.ask(
        shop.account("reader"),
        query,
        {"order": "4711"},
        assertions=[assertion("rows", eq=1), assertion("column", "order_no", eq="4711")],
        captures={"placed": {"column": "placed_at", "type": "datetime"}},
    )
    assert result.ok, result.message
    assert result.captures == {"placed": "2026-11-01T11:00:00Z"}
    evidence = await probe.rows(result)
    assert evidence["statement"] == query
    assert evidence["params"] == {"order": "4711"}
    assert evidence["row_count"] == 1
    assert evidence["columns"] == ["order_no", "placed_at", "total"]
    assert evidence["rows"] == [["4711", "2026-11-01T11:00:00Z", 19.9]]
    assert {"query", "connect"} <= result.timings.keys()


async def test_an_unmet_assertion_fails_the_step_with_its_rows(probe: Any, shop: Any) -> None:
    """Expected against actual, and what was there."""
    result = await probe.ask(shop.account("reader"), "select * from orders", assertions=[assertion("rows", eq=1)])
    assert (result.ok, result.ours, result.failure_class) == (False, False, FailureClass.ASSERTION)
    assert result.assertions[0].actual == 2
    assert (await probe.rows(result))["row_count"] == 2


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("value", ["' or '1'='1", "4711'; drop table orders; --", "$1", ":order", "\\'", "4711\n--"])
async def test_a_value_never_becomes_sql(probe: Any, shop: Any, value: str) -> None:
    """Whatever a bind holds, it is compared as a value."""
    result = await probe.ask(
        shop.account("writer"),
        "select * from orders where order_no = :order",
        {"order": value},
        assertions=[assertion("rows", eq=0)],
    )
    assert result.ok, result.message
    await unchanged(shop)


async def unchanged(shop: Any) -> None:
    """The orders are as they were made."""
    admin = await shop.connect()
    assert await admin.fetchval("select count(*) from orders") == 2
    assert await admin.fetchval("select string_agg(order_no, ',' order by id) from orders") == "4711,4712"
    assert not await admin.fetchval("select is_called from numbers")
    assert await admin.fetchval("select count(*) from pg_class where relname like 'stolen%'") == 0
    await admin.close()


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "query",
    [
        "select 1; drop table orders",
        "select 1; commit; delete from orders",
        "insert into orders values (3, 'new')",
        "update orders set order_no = 'x'",
        "delete from orders",
        "truncate orders",
        "with gone as (delete from orders returning *) select * from gone",
        "select * into stolen from orders",
        "create table stolen as select * from orders",
        "select nextval('numbers')",
        "select sneaky()",
        "do $$ begin delete from orders; end $$",
        "do $$ begin commit; delete from orders; end $$",
        "set transaction read write",
        "select set_config('transaction_read_only', 'off', false)",
        "copy orders to program 'touch /tmp/stolen'",
        "copy orders from program 'echo 3'",
        "copy orders to '/tmp/stolen'",
        "lock table orders in access exclusive mode",
        "select pg_read_file('/etc/passwd')",
        "select lo_import('/etc/passwd')",
        "grant all on orders to public",
        "vacuum orders",
    ],
)
async def test_nothing_is_written_even_by_an_account_that_could(probe: Any, shop: Any, query: str) -> None:
    """One statement, in a transaction that cannot write; our definition is at fault, not the target."""
    result = await probe.ask(shop.account("writer"), query)
    assert not result.ok
    assert result.ours, (result.failure_class, result.message)
    assert result.failure_class in (FailureClass.INVALID_DEFINITION, FailureClass.PERMISSION), result.message
    await unchanged(shop)
    await no_sessions(shop)


@pytest.mark.parametrize("query", ["commit", "rollback", "begin", "set statement_timeout = 0", "copy orders to stdout"])
async def test_a_statement_that_returns_no_rows_is_refused(probe: Any, shop: Any, query: str) -> None:
    """And the worker is healthy afterwards: the next query works."""
    result = await probe.ask(shop.account("writer"), query)
    assert not result.ok
    assert result.failure_class in (FailureClass.INVALID_DEFINITION, FailureClass.PROTOCOL), result.message
    after = await probe.ask(shop.account("reader"), "select 1 as one", assertions=[assertion("column", "one", eq=1)])
    assert after.ok, after.message
    await unchanged(shop)


@pytest.mark.req("NFR-003")
@pytest.mark.parametrize(
    "query",
    [
        "select pg_sleep(1000000)",
        "select count(*) from generate_series(1, 1000000000000) a, generate_series(1, 1000000) b",
        "with recursive r(n) as (select 1 union all select n + 1 from r) select max(n) from r",
    ],
)
async def test_a_query_without_end_is_ended(probe: Any, shop: Any, query: str) -> None:
    """By the time of the step, as a timeout of the target, and the server does not work on."""
    began = time.monotonic()
    result = await probe.ask(shop.account("reader"), query, timeout=1.0)
    assert time.monotonic() - began < 3
    assert (result.failure_class, result.ours) == (FailureClass.TIMEOUT, False), result.message
    await no_sessions(shop)


@pytest.mark.req("NFR-008")
async def test_a_lock_of_someone_else_is_a_timeout_that_says_so(probe: Any, shop: Any) -> None:
    """The probe waits for a lock less long than for a result."""
    admin = await shop.connect()
    async with admin.transaction():
        await admin.execute("lock table orders in access exclusive mode")
        result = await probe.ask(shop.account("reader"), "select * from orders", timeout=3.0)
    await admin.close()
    assert (result.failure_class, result.reason) == (FailureClass.TIMEOUT, "lock_timeout"), result.message


@pytest.mark.parametrize(
    ("query", "failure_class"),
    [
        ("select generate_series(1, 1000000000000)", FailureClass.TOO_MANY),
        ("select n from generate_series(1, 1001) n", FailureClass.TOO_MANY),
        ("with recursive r(n) as (select 1 union all select n + 1 from r) select n from r", FailureClass.TOO_MANY),
        ("select repeat('x', 2000) from generate_series(1, 1000)", FailureClass.TOO_LARGE),
        ("select repeat('x', 2000000)", FailureClass.TOO_LARGE),
        ("select " + ", ".join(f"{n} as c{n}" for n in range(1600)), FailureClass.TOO_LARGE),
    ],
)
async def test_a_result_beyond_the_limits_is_not_cut_but_refused(
    probe: Any, shop: Any, query: str, failure_class: FailureClass
) -> None:
    """Half a result would be judged wrongly."""
    result = await probe.ask(shop.account("reader"), query)
    assert (result.ok, result.failure_class) == (False, failure_class), result.message
    await no_sessions(shop)


async def test_a_thousand_rows_are_taken(probe: Any, shop: Any) -> None:
    """The limit itself is allowed."""
    result = await probe.ask(
        shop.account("reader"), "select n from generate_series(1, 1000) n", assertions=[assertion("rows", eq=1000)]
    )
    assert result.ok, result.message


@pytest.mark.req("NFR-017")
async def test_a_huge_cell_is_never_held_in_memory(probe: Any, shop: Any) -> None:
    """A value of 300 MB ends the connection in the middle of it; the worker's memory does not grow with it."""
    peak = PeakMemory()
    result = await probe.ask(shop.account("reader"), "select repeat('x', 300000000)", timeout=20)
    assert (result.ok, result.failure_class) == (False, FailureClass.TOO_LARGE), result.message
    assert peak.grown_mib() < 60
    await no_sessions(shop)


@pytest.mark.req("NFR-009")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'NaN'::float8", "nan"),
        ("'Infinity'::float8", "inf"),
        ("'-Infinity'::float4", "-inf"),
        ("'NaN'::numeric", "NaN"),
        ("1e30::numeric", 1e30),
        ("12345678901234567890.123456789::numeric", "12345678901234567890.123456789"),
        ("19.90::numeric", 19.9),
        ("9223372036854775807", "9223372036854775807"),
        ("'\\x00ff'::bytea", "base64:AP8="),
        ("'1 day 2 hours'::interval", 93600.0),
        ("'2026-11-01 12:00+01'::timestamptz", "2026-11-01T11:00:00Z"),
        ("'2026-11-01 12:00'::timestamp", "2026-11-01T12:00:00Z"),
        ("'2026-11-01'::date", "2026-11-01"),
        ("array[1, null, 3]", [1, None, 3]),
        ("array['a', 'b']", ["a", "b"]),
        ("null::text", None),
        ("true", True),
        ("'007'", "007"),
        ("'c0ffee00-0000-4000-8000-000000000000'::uuid", "c0ffee00-0000-4000-8000-000000000000"),
        ("'192.168.0.1'::inet", "192.168.0.1"),
        ("""'{"a": [1, null]}'::jsonb""", '{"a": [1, null]}'),
    ],
)
async def test_values_have_a_defined_json_form(probe: Any, shop: Any, expression: str, expected: Any) -> None:
    """Nothing a database holds breaks the result or the evidence."""
    result = await probe.ask(shop.account("reader"), f"select {expression} as value")
    assert result.ok, result.message
    assert (await probe.rows(result))["rows"] == [[expected]]


@pytest.mark.req("NFR-009")
@pytest.mark.parametrize(
    "expression",
    [
        "'infinity'::timestamptz",
        "'-infinity'::date",
        "'0044-03-15 BC'::date",
        "'12000-01-01'::timestamp",
        "int4range(1, 5)",
        "tstzrange(now(), null)",
        "B'101'",
        "'<a/>'::xml",
        "12.5::money",
        "row(1, 'two')",
        "o",
        "point(1, 2)",
        "'a b'::tsvector",
        "'24:00'::time",
        "'10 years 3 mons'::interval",
        "array[[1, 2], [3, 4]]",
        "'{\"a\": [1, 2.5, null]}'::jsonb",
        "repeat('[', 3000)::text",
        "U&'\\FFFE'",
    ],
)
async def test_odd_values_end_in_a_result_not_in_a_crash(probe: Any, shop: Any, expression: str) -> None:
    """Readable, or a named failure; never `internal`."""
    query = f"select {expression} as value from orders o limit 1"  # noqa: S608 - from the list above
    result = await probe.ask(shop.account("reader"), query)
    assert result.failure_class is not FailureClass.INTERNAL, result.message
    if result.ok:
        assert len((await probe.rows(result))["rows"]) == 1


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        (":v::int", "4711", 4711),
        (":v::bigint", 4711, 4711),
        (":v::text", 4711, "4711"),
        (":v::text", "007", "007"),
        (":v::numeric", "19.90", 19.9),
        (":v::bool", "true", True),
        (":v::date", "2026-11-01", "2026-11-01"),
        (":v::timestamptz", "2026-11-01T12:00:00+01:00", "2026-11-01T11:00:00Z"),
        (":v::timestamptz", "2026-11-01T11:00:00Z", "2026-11-01T11:00:00Z"),
        (":v::uuid", "c0ffee00-0000-4000-8000-000000000000", "c0ffee00-0000-4000-8000-000000000000"),
        (":v::int[]", [1, 2], [1, 2]),
        (":v::text", None, None),
        ("(:v::int) + :v", "2", 4),
    ],
)
async def test_a_bind_takes_the_type_the_statement_needs(
    probe: Any, shop: Any, expression: str, value: Any, expected: Any
) -> None:
    """Inputs of a run are mostly text; a column may be a number, a moment, a list."""
    result = await probe.ask(shop.account("reader"), f"select {expression} as value", {"v": value})
    assert result.ok, result.message
    assert (await probe.rows(result))["rows"] == [[expected]]


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("select :v::int", {"v": "abc"}),
        ("select :v::int", {"v": 10**12}),
        ("select :v::int", {"v": {"a": 1}}),
        ("select :v::date", {"v": "yesterday"}),
        ("select :v::numeric", {"v": [1]}),
        ("select :v::uuid", {"v": "no"}),
        ("select :missing", {}),
        ("select :v::text", {"v": "a\x00b"}),
        ("selec 1", {}),
        ("select 1 from", {}),
        ("", {}),
        ("   -- nothing", {}),
        ("select 1/0", {}),
        ("select 'x'::int", {}),
        ("select $1", {}),
    ],
)
async def test_a_query_that_cannot_work_is_a_fault_of_the_definition(
    probe: Any, shop: Any, query: str, params: dict[str, Any]
) -> None:
    """We could not check: `invalid_definition`, ours, with a text that can be acted on and no stack."""
    if not query:
        return await _empty_query_is_refused_when_saved()
    result = await probe.ask(shop.account("reader"), query, params)
    assert (result.failure_class, result.ours) == (FailureClass.INVALID_DEFINITION, True), result.message
    assert "Traceback" not in (result.message or "")
    if params and "v" in params:
        assert "v" in (result.message or "")
    return None


async def _empty_query_is_refused_when_saved() -> None:
    from pydantic import ValidationError
    from steptrail_common.contracts.checks import DbQuery

    with pytest.raises(ValidationError):
        DbQuery(type="db_query", connection="erp", query="")


@pytest.mark.parametrize(
    ("query", "reason"),
    [("select * from invoices", "table_missing"), ("select nothing from orders", "column_missing")],
)
async def test_a_missing_table_or_column_is_a_changed_schema(probe: Any, shop: Any, query: str, reason: str) -> None:
    """The target is not what it was."""
    result = await probe.ask(shop.account("reader"), query)
    assert (result.failure_class, result.reason) == (FailureClass.SCHEMA_CHANGED, reason), result.message


@pytest.mark.req("NFR-014")
async def test_masked_columns_and_secrets_are_nowhere(probe: Any, shop: Any) -> None:
    """Neither in evidence nor in findings, messages or assertions."""
    result = await probe.ask(
        shop.account("reader"),
        "select order_no, iban, :token::text as echoed from orders",
        {"token": "canary-7f3a-geheim"},
        mask=["IBAN"],
        assertions=[assertion("column", "iban", eq="DE00")],
    )
    assert not result.ok
    evidence = json.dumps(await probe.rows(result))
    for hidden in ("DE0212", "DE0250", "canary-7f3a-geheim"):
        assert hidden not in evidence
        assert hidden not in result.model_dump_json()


async def test_a_table_the_account_may_not_read_is_ours_to_fix(probe: Any, shop: Any) -> None:
    """`permission`, ours."""
    result = await probe.ask(shop.account("reader"), "select * from secret_plans")
    assert (result.failure_class, result.ours) == (FailureClass.PERMISSION, True), result.message


async def test_an_account_that_is_not_there_is_ours_to_fix(probe: Any, shop: Any) -> None:
    """`auth`, ours: the credentials of the connection are wrong."""
    result = await probe.ask(shop.account("nobody"), "select 1")
    assert (result.failure_class, result.ours) == (FailureClass.AUTH, True), result.message


@pytest.mark.parametrize(
    "database", ["nothere", "postgres?options=-c default_transaction_read_only=off", "a'b\"c", "ü"]
)
async def test_a_database_that_is_not_there_is_named(probe: Any, shop: Any, database: str) -> None:
    """The name is a name: nothing can be smuggled behind it."""
    result = await probe.ask(shop.account("reader", database=database), "select 1")
    assert (result.failure_class, result.ours) == (FailureClass.NOT_FOUND, True), result.message


@pytest.mark.req("NFR-014")
@pytest.mark.parametrize("account", ["owner", "files"])
async def test_an_account_no_transaction_holds_back_is_refused(probe: Any, shop: Any, account: str) -> None:
    """A superuser, or one that reads the server's files: read-only would be an empty word."""
    result = await probe.ask(shop.account(account), "select 1 as one")
    assert (result.failure_class, result.reason, result.ours) == (
        FailureClass.PERMISSION,
        "superuser_refused",
        True,
    ), result.message


@pytest.mark.parametrize(
    ("account", "level"),
    [("reader", "read_only"), ("writer", "can_write"), ("files", "superuser"), ("owner", "superuser")],
)
async def test_the_rights_of_an_account_are_told(probe: Any, shop: Any, account: str, level: str) -> None:
    """Green, amber, red."""
    told = await probe.test(shop.account(account))
    assert told.ok, told.message
    assert told.rights is not None
    assert told.rights.level == level, told.rights.detail


async def test_an_untested_connection_says_why(probe: Any, shop: Any) -> None:
    """The answer to a test that fails is a sentence."""
    told = await probe.test(shop.account("nobody"))
    assert not told.ok
    assert shop.prefix in told.message


async def test_a_session_ended_by_the_server_is_a_lost_connection(probe: Any, shop: Any) -> None:
    """`connect`, the target's."""
    asking = asyncio.create_task(probe.ask(shop.account("reader"), "select pg_sleep(20)", timeout=10))
    admin = await shop.connect()
    async with asyncio.timeout(5):
        while not await admin.fetchval(  # noqa: ASYNC110 - the server has no event for it
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like 'select pg_sleep(20)%'"
        ):
            await asyncio.sleep(0.02)
    await admin.close()
    result = await asking
    assert (result.failure_class, result.ours) == (FailureClass.CONNECT, False), result.message


@pytest.mark.req("NFR-001")
async def test_many_probes_at_once_do_not_disturb_each_other(probe: Any, shop: Any) -> None:
    """Slow, wrong and good ones side by side."""
    good = [
        probe.ask(shop.account("reader"), "select :n::int as n", {"n": n}, assertions=[assertion("column", "n", eq=n)])
        for n in range(15)
    ]
    bad = [probe.ask(shop.account("reader"), "select pg_sleep(30)", timeout=1) for _ in range(3)]
    results = await asyncio.gather(*good, *bad)
    assert [result.ok for result in results] == [True] * 15 + [False] * 3
    await no_sessions(shop)


async def test_the_connection_is_read_only_and_named(probe: Any, shop: Any, tmp_path: Path) -> None:
    """What an administrator of the target sees of us."""
    result = await probe.ask(
        shop.account("writer"),
        "select current_setting('transaction_read_only') as ro, current_setting('application_name') as app, "
        "current_setting('default_transaction_read_only') as d, current_setting('statement_timeout') as t",
        timeout=4,
    )
    assert (await probe.rows(result))["rows"] == [["on", "steptrail", "on", "4s"]]


async def test_a_session_ended_between_two_statements_is_a_lost_connection(
    probe: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver then speaks of its own state, as if the server had broken the protocol."""
    fetch = postgresql._fetch

    async def after_the_end(database: Any, *rest: Any) -> Any:
        admin = await shop.connect()
        await admin.fetchval("select pg_terminate_backend($1)", database.get_server_pid())
        await admin.close()
        async with asyncio.timeout(5):
            while not database.is_closed():  # noqa: ASYNC110 - the driver has no event for it
                await asyncio.sleep(0.01)
        return await fetch(database, *rest)

    monkeypatch.setattr(postgresql, "_fetch", after_the_end)
    result = await probe.ask(shop.account("reader"), "select 1 as one")
    assert (result.failure_class, result.ours) == (FailureClass.CONNECT, False), result.message
    assert "the server ended the session" in result.message
