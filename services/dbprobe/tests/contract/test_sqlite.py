"""`db_query` against SQLite files: what is asked, what is refused, what goes wrong, and how it is called."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass

from ..conftest import Probe, connection, running_probe

pytestmark = pytest.mark.req("FR-012")


@pytest.fixture
def erp(folder: Path) -> Path:
    """A file with two invoices, one of them odd."""
    path = folder / "erp 100%?#.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table invoices (id integer primary key, no text, total real, raw blob)")
        database.execute("insert into invoices values (1, '4711', 19.9, x'00ff'), (2, '007', 9e999, null)")
    return path


@pytest.fixture
async def probe(folder: Path, tmp_path: Path) -> AsyncIterator[Probe]:
    """A probe that may open files below the folder."""
    async with running_probe(tmp_path, file_roots=[str(folder)]) as made:
        yield made


def sqlite(path: Path | str) -> Any:
    return connection({"kind": "sqlite", "path": str(path)})


def invoices(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("select count(*) from invoices").fetchone()[0])


async def test_rows_are_judged_and_kept_as_evidence(probe: Probe, erp: Path) -> None:
    """Named binds, typed cells, text stays text; the path may hold any character."""
    result = await probe.ask(
        sqlite(erp),
        "select no, total, raw from invoices where no = :no",
        {"no": "4711"},
        assertions=[{"subject": "rows", "operators": {"eq": 1}}],
    )
    assert result.ok, result.message
    evidence = await probe.rows(result)
    assert evidence["columns"] == ["no", "total", "raw"]
    assert evidence["rows"] == [["4711", 19.9, "base64:AP8="]]


async def test_odd_values_have_a_defined_form(probe: Probe, erp: Path) -> None:
    """Infinity, numbers beyond JSON's, broken text."""
    result = await probe.ask(
        sqlite(erp),
        "select total, 9223372036854775807 as big, cast(x'ff41' as text) as broken, null as empty "
        "from invoices where id = 2",
    )
    assert result.ok, result.message
    assert (await probe.rows(result))["rows"] == [["inf", "9223372036854775807", "�A", None]]


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "query",
    [
        "select 1; drop table invoices",
        "insert into invoices values (3, 'x', 1, null)",
        "update invoices set no = 'x'",
        "delete from invoices",
        "with a as (select 1) delete from invoices",
        "drop table invoices",
        "create table stolen (x)",
        "create temp table stolen (x)",
        "attach database '/etc/passwd' as p",
        "attach database '{folder}/new.sqlite' as p",
        "vacuum",
        "vacuum into '{folder}/copy.sqlite'",
        "pragma query_only = off",
        "pragma writable_schema = on",
        "pragma database_list",
        "select load_extension('/tmp/evil.so')",
        "begin immediate",
        "reindex",
        "savepoint s",
    ],
)
async def test_nothing_is_written_and_nothing_else_is_opened(probe: Probe, erp: Path, folder: Path, query: str) -> None:
    """Our definition is at fault; the file and the folder are as they were."""
    before = sorted(os.listdir(folder))
    result = await probe.ask(sqlite(erp), query.format(folder=folder))
    assert (result.ok, result.ours) == (False, True), (result.failure_class, result.message)
    assert result.failure_class in (FailureClass.INVALID_DEFINITION, FailureClass.PERMISSION), result.message
    assert invoices(erp) == 2
    assert sorted(os.listdir(folder)) == before


@pytest.mark.req("NFR-003")
@pytest.mark.parametrize(
    "query",
    [
        "with recursive r(n) as (select 1 union all select n + 1 from r) select max(n) from r",
        "with recursive r(n) as (select 1 union all select n + 1 from r limit 100000) "
        "select count(*) from r a, r b, r c",
    ],
)
async def test_a_query_without_end_is_ended(probe: Probe, erp: Path, query: str) -> None:
    """In time, and the worker goes on."""
    began = time.monotonic()
    result = await probe.ask(sqlite(erp), query, timeout=1.0)
    assert time.monotonic() - began < 4
    assert (result.failure_class, result.ours) == (FailureClass.TIMEOUT, False), result.message
    assert (await probe.ask(sqlite(erp), "select 1 as one")).ok


@pytest.mark.req("NFR-001")
async def test_many_endless_queries_do_not_stop_the_others(probe: Probe, erp: Path) -> None:
    """More of them than threads of a small machine."""
    endless = "with recursive r(n) as (select 1 union all select n + 1 from r) select max(n) from r"
    results = await asyncio.gather(*(probe.ask(sqlite(erp), endless, timeout=1.0) for _ in range(15)))
    assert {result.failure_class for result in results} == {FailureClass.TIMEOUT}
    assert (await probe.ask(sqlite(erp), "select 1 as one")).ok


@pytest.mark.parametrize(
    ("query", "failure_class"),
    [
        ("with recursive r(n) as (select 1 union all select n + 1 from r) select n from r", FailureClass.TOO_MANY),
        ("select hex(zeroblob(1000000))", FailureClass.TOO_LARGE),
        ("select zeroblob(1000000000)", FailureClass.TOO_LARGE),
        (
            "select hex(zeroblob(1000)) from (values (1),(2),(3),(4),(5),(6),(7),(8),(9)) a, "
            "(values (1),(2),(3),(4),(5),(6),(7),(8),(9)) b, (values (1),(2),(3),(4),(5),(6),(7),(8),(9)) c",
            FailureClass.TOO_LARGE,
        ),
    ],
)
async def test_a_result_beyond_the_limits_is_refused(
    probe: Probe, erp: Path, query: str, failure_class: FailureClass
) -> None:
    """Half a result would be judged wrongly."""
    result = await probe.ask(sqlite(erp), query)
    assert (result.ok, result.failure_class) == (False, failure_class), result.message


async def test_a_value_that_takes_one_endless_step_holds_up_nobody(probe: Probe, erp: Path) -> None:
    """The engine looks at the clock between steps only; the step of a run ends all the same, and others go on."""
    endless = "select instr(printf('%.*c', 1000000, 'a'), printf('%.*c', 500000, 'a') || 'b')"
    result = await probe.ask(sqlite(erp), endless, timeout=1)
    assert result.failure_class is FailureClass.TIMEOUT, result.message
    assert (await probe.ask(sqlite(erp), "select 1 as one")).ok


async def test_a_very_wide_table_does_not_spoil_the_others(probe: Probe, folder: Path) -> None:
    """Its own columns are too many; the other tables of the file can be asked."""
    path = folder / "wide.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table wide (" + ", ".join(f"c{n}" for n in range(600)) + ")")
        database.execute("create table narrow (x)")
    result = await probe.ask(sqlite(path), "select * from wide")
    assert (result.ok, result.failure_class) == (False, FailureClass.TOO_LARGE), result.message
    assert (await probe.ask(sqlite(path), "select * from narrow")).ok


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{folder}/../outside.sqlite",
        "{folder}/link.sqlite",
        "{folder}",
        "{folder}/",
        "{folder}2/other.sqlite",
        "relative.sqlite",
        ":memory:",
        "",
        "file:{folder}/erp.sqlite?mode=rwc",
        "/proc/self/environ",
        "{folder}/a\x00b",
    ],
)
async def test_files_elsewhere_are_not_opened(probe: Probe, erp: Path, folder: Path, path: str) -> None:
    """Neither by dots, links, look-alike folders, nor by SQLite's own spellings."""
    outside = folder.parent / "outside.sqlite"
    beside = Path(f"{folder}2")
    beside.mkdir()  # noqa: ASYNC240 - a test has time
    for place in (outside, beside / "other.sqlite"):
        with closing(sqlite3.connect(place)) as database, database:
            database.execute("create table t (x)")
    (folder / "link.sqlite").symlink_to(outside)
    if not path:
        with pytest.raises(ValueError, match="at least 1 character"):
            sqlite(path)
        return
    result = await probe.ask(sqlite(path.format(folder=folder)), "select 1")
    assert not result.ok
    assert result.failure_class in (
        FailureClass.BLOCKED_BY_POLICY,
        FailureClass.NOT_FOUND,
        FailureClass.INVALID_DEFINITION,
    ), result.message


async def test_a_link_inside_the_folder_is_followed(probe: Probe, erp: Path, folder: Path) -> None:
    """Only where it leads is judged."""
    (folder / "current.sqlite").symlink_to(erp)
    assert (await probe.ask(sqlite(folder / "current.sqlite"), "select 1 as one")).ok


async def test_a_pipe_is_not_opened(probe: Probe, folder: Path) -> None:
    """Opening it would wait for ever."""
    os.mkfifo(folder / "pipe.sqlite")
    result = await probe.ask(sqlite(folder / "pipe.sqlite"), "select 1", timeout=2)
    assert result.failure_class is FailureClass.NOT_FOUND, result.message


async def test_a_missing_file_is_not_made(probe: Probe, folder: Path) -> None:
    """`not_found`, and still not there."""
    result = await probe.ask(sqlite(folder / "later.sqlite"), "select 1")
    assert result.failure_class is FailureClass.NOT_FOUND, result.message
    assert not (folder / "later.sqlite").exists()


async def test_something_else_than_a_database_is_a_protocol_failure(probe: Probe, folder: Path) -> None:
    """Text, or a database cut in half."""
    (folder / "text.sqlite").write_text("no database at all, but long enough to have a header" * 40)
    result = await probe.ask(sqlite(folder / "text.sqlite"), "select * from invoices")
    assert result.failure_class is FailureClass.PROTOCOL, result.message


@pytest.mark.req("NFR-008")
async def test_a_lock_of_someone_else_is_a_timeout(probe: Probe, erp: Path) -> None:
    """The other program holds it; we wait no longer than our time."""
    with closing(sqlite3.connect(erp, isolation_level=None)) as other:
        other.execute("begin exclusive")
        result = await probe.ask(sqlite(erp), "select * from invoices", timeout=2.0)
        other.execute("rollback")
    assert (result.failure_class, result.ours) == (FailureClass.TIMEOUT, False), result.message


async def test_a_database_being_written_can_be_read(probe: Probe, folder: Path) -> None:
    """A live WAL database of another program."""
    path = folder / "live.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("pragma journal_mode = wal")
        other.execute("create table t (x)")
        other.execute("insert into t values (1)")
        other.execute("begin immediate")
        other.execute("insert into t values (2)")
        result = await probe.ask(sqlite(path), "select count(*) as n from t")
        other.execute("rollback")
    assert result.ok, result.message
    assert (await probe.rows(result))["rows"] == [[1]]


@pytest.mark.parametrize(
    ("query", "params", "failure_class", "ours"),
    [
        ("select * from missing", {}, FailureClass.SCHEMA_CHANGED, False),
        ("select missing from invoices", {}, FailureClass.SCHEMA_CHANGED, False),
        ("selec 1", {}, FailureClass.INVALID_DEFINITION, True),
        ("select :missing", {}, FailureClass.INVALID_DEFINITION, True),
        ("select :v", {"v": [1]}, FailureClass.INVALID_DEFINITION, True),
        ("select :v", {"v": {"a": 1}}, FailureClass.INVALID_DEFINITION, True),
        ("select :v", {"v": 2**70}, FailureClass.INVALID_DEFINITION, True),
        ("-- nothing", {}, FailureClass.INVALID_DEFINITION, True),
    ],
)
async def test_faults_are_named(
    probe: Probe, erp: Path, query: str, params: dict[str, Any], failure_class: FailureClass, ours: bool
) -> None:
    """Ours or the file's, never `internal`, never a stack."""
    result = await probe.ask(sqlite(erp), query, params)
    assert (result.failure_class, result.ours) == (failure_class, ours), result.message
    assert "Traceback" not in (result.message or "")


async def test_the_rights_of_a_file_are_read_only(probe: Probe, erp: Path, folder: Path) -> None:
    """It is opened read-only; a missing one fails the test of the connection."""
    told = await probe.test(sqlite(erp))
    assert told.ok, told.message
    assert told.rights is not None
    assert told.rights.level == "read_only"
    assert not (await probe.test(sqlite(folder / "missing.sqlite"))).ok
