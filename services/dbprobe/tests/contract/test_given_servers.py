"""`db_query` against servers that cannot be started here: their addresses come from the environment.

`STEPTRAIL_TEST_MYSQL_URL`, `STEPTRAIL_TEST_MSSQL_URL` and `STEPTRAIL_TEST_ORACLE_URL`, such as
`mssql://sa:secret@db.example:1433/master?tls=require`. Nothing is made or changed there; the account may be any.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import pytest
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.model import FailureClass
from steptrail_common.sealing import seal, target_host

from ..conftest import KEYS, Probe, running_probe

pytestmark = pytest.mark.req("IR-1")

ENGINES: dict[str, dict[str, Any]] = {
    "mysql": {
        "one row": "select :v as value",
        "numbers": "select cast(:v as signed) + 1 as value",
        "endless": "select count(*) from information_schema.columns a, information_schema.columns b, "
        "information_schema.columns c, information_schema.columns d",
        "writes": ["create table stolen (x int)", "select 1; select 2", "set global max_connections = 1"],
        "many rows": "select 1 as n from information_schema.columns a, information_schema.columns b limit 1001",
    },
    "mssql": {
        "one row": "select :v as value",
        "numbers": "select cast(:v as int) + 1 as value",
        "endless": "select count(*) as n from sys.all_columns a, sys.all_columns b, sys.all_columns c",
        "writes": ["create table stolen (x int)", "select 1; select 2", "select 1 as x into stolen"],
        "many rows": "select top 1001 1 as n from sys.all_columns a, sys.all_columns b",
    },
    "oracle": {
        "one row": "select :v as value from dual",
        "numbers": "select to_number(:v) + 1 as value from dual",
        "endless": "select count(*) as n from all_objects a, all_objects b, all_objects c",
        "writes": ["create table stolen (x int)", "select 1 from dual; select 2 from dual", "begin null; end;"],
        "many rows": "select 1 as n from dual connect by level <= 1001",
    },
}


class Given:
    """One server by its address."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.words = kind, ENGINES[kind]
        self._parts: SplitResult = urlsplit(url)
        self.address = socket.gethostbyname(self._parts.hostname or "")

    def connection(self, **more: Any) -> SealedConnection:
        place, tls = unquote(self._parts.path[1:]), parse_qs(self._parts.query).get("tls", ["disable"])[0]
        settings: dict[str, Any] = {
            "kind": self.kind,
            "host": self._parts.hostname,
            "port": self._parts.port,
            "username": unquote(self._parts.username or ""),
            "service_name" if self.kind == "oracle" else "database": place,
            "tls": tls,
        }
        plain = SealedConnection.model_validate({"connection_id": "given", "settings": {**settings, **more}})
        password = unquote(self._parts.password or "")
        if password:
            text = seal(
                KEYS.public, password, connection_id="given", field="password", host=target_host(plain.settings)
            )
            plain = plain.model_copy(update={"sealed": {"password": text}})
        return plain

    @property
    def exception(self) -> str:
        return f"{self.address}:{self._parts.port}"


@pytest.fixture(params=ENGINES)
def given(request: pytest.FixtureRequest) -> Given:
    url = os.environ.get(f"STEPTRAIL_TEST_{request.param.upper()}_URL")
    if not url:
        pytest.skip(f"no {request.param}: give its address in STEPTRAIL_TEST_{request.param.upper()}_URL")
    return Given(request.param, url)


@pytest.fixture
async def probe(given: Given, tmp_path: Path) -> AsyncIterator[Probe]:
    async with running_probe(tmp_path, egress_exceptions=[given.exception], allow_superuser=True) as made:
        yield made


async def test_values_go_there_and_back(given: Given, probe: Probe) -> None:
    """As binds, whatever they hold; numbers and moments in their own types."""
    for value in ("4711", "' or '1'='1", "grün 🙂", "x'; drop table x; --"):
        result = await probe.ask(given.connection(), given.words["one row"], {"v": value}, timeout=10)
        assert result.ok, result.message
        assert (await probe.rows(result))["rows"] == [[value]]
    result = await probe.ask(given.connection(), given.words["numbers"], {"v": "4710"}, timeout=10)
    assert result.ok, result.message
    assert [[int(cell) for cell in row] for row in (await probe.rows(result))["rows"]] == [[4711]]


async def test_the_rights_of_the_account_are_told(given: Given, probe: Probe) -> None:
    """The server understands the questions about them."""
    told = await probe.test(given.connection())
    assert told.ok, told.message
    assert told.rights is not None
    assert told.rights.level in ("read_only", "can_write", "superuser")
    assert told.rights.detail


@pytest.mark.req("NFR-012")
async def test_nothing_is_written(given: Given, probe: Probe) -> None:
    """By an account that may, too."""
    for statement in given.words["writes"]:
        result = await probe.ask(given.connection(), statement, timeout=10)
        assert not result.ok, statement
        assert result.failure_class in (FailureClass.INVALID_DEFINITION, FailureClass.PERMISSION), result.message


@pytest.mark.req("NFR-003")
async def test_a_query_without_end_is_ended(given: Given, probe: Probe) -> None:
    """In time, as the target's trouble; the next one works."""
    began = time.monotonic()
    result = await probe.ask(given.connection(), given.words["endless"], timeout=1.5)
    assert time.monotonic() - began < 8
    assert (result.failure_class, result.ours) == (FailureClass.TIMEOUT, False), result.message
    after = await probe.ask(given.connection(), given.words["one row"], {"v": "x"}, timeout=10)
    assert after.ok, after.message


async def test_faults_are_named(given: Given, probe: Probe) -> None:
    """Rows beyond the limit, a table that is not there, nonsense, a wrong account."""
    rows = await probe.ask(given.connection(), given.words["many rows"], timeout=20)
    assert rows.failure_class is FailureClass.TOO_MANY, rows.message
    missing = await probe.ask(given.connection(), "select a from steptrail_nothing_here", timeout=10)
    assert missing.failure_class in (FailureClass.SCHEMA_CHANGED, FailureClass.PERMISSION), missing.message
    nonsense = await probe.ask(given.connection(), "select from where", timeout=10)
    assert nonsense.failure_class is FailureClass.INVALID_DEFINITION, nonsense.message
    nobody = given.connection(username="steptrail_nobody")
    wrong = await probe.ask(nobody, given.words["one row"], {"v": "x"}, timeout=10)
    assert wrong.failure_class is FailureClass.AUTH, wrong.message


@pytest.mark.req("NFR-001")
async def test_many_at_once_have_connections_of_their_own(given: Given, probe: Probe) -> None:
    """Each gets its own answer."""
    asked = [probe.ask(given.connection(), given.words["one row"], {"v": str(n)}, timeout=20) for n in range(8)]
    results = await asyncio.gather(*asked)
    assert [(await probe.rows(result))["rows"] for result in results] == [[[str(n)]] for n in range(8)]
