"""What the real driver for SQL Server says to a server, and what becomes of its answers: a server of the tests' own
speaks the sign-in of the protocol. Statements, types and rights are not judged by it: see `docs/howto/databases.md`.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass
from steptrail_common.testing.targets import public_part

from ..conftest import SECRET, connection, running_probe
from ..tds_server import NOT_SUPPORTED, OFF, ON, REQUIRED, Answer, done, error, sql_server, table
from .test_rogue_servers import rogue

pytestmark = [pytest.mark.req("IR-1"), pytest.mark.usefixtures("mssql_driver")]

READER = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
OWNER = (1, 1, 1, 1, 1, 1, 1, 1, 1, 3)


def told(rights: tuple[int, ...] = READER, result: Answer = b"") -> Any:
    """Answers of a server: what the account may do, then the result of the question."""

    def answer(text: str) -> Answer:
        if "is_srvrolemember" in text:
            return table([f"r{at}" for at in range(len(rights))], [rights])
        if "from orders" in text:
            return result or table(["order_no", "total"], [["4711", 19], ["4712", None]])
        return done()

    return answer


def at(port: int, **more: Any) -> Any:
    settings = {"kind": "mssql", "host": "localhost", "port": port, "database": "shop", "username": "reader"}
    return connection({**settings, "tls": "disable", **more})


async def ask(tmp_path: Path, port: int, query: str = "select * from orders", **more: Any) -> Any:
    timeout = more.pop("timeout", 8.0)
    params = more.pop("params", None)
    async with running_probe(tmp_path, egress_exceptions=[f"127.0.0.1:{port}"]) as probe:
        result = await probe.ask(at(port, **more), query, params, timeout=timeout)
        assert result.failure_class is not FailureClass.INTERNAL, result.message
        assert "127.0.0.1:" not in (result.message or "")
        return result


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize("encryption", [ON, REQUIRED])
@pytest.mark.parametrize("tls", ["require", "verify-full"])
async def test_all_is_encrypted_and_the_question_is_answered(tmp_path: Path, encryption: int, tls: str) -> None:
    """The worker asks for encryption; account, database and intent to read arrive, and none of it can be read on the
    way. Locks, errors and rows are limited, and the transaction is rolled back."""
    async with sql_server(tmp_path, encryption=encryption, answers=told()) as (server, port):
        authority = public_part(server.pem) if tls == "verify-full" else None  # type: ignore[arg-type]
        result = await ask(tmp_path, port, tls=tls, ca_certificate=authority)
    assert result.ok, (result.message, server.asked)
    assert server.asked_for_encryption == [ON]
    (login,) = server.logins
    assert (login.user, login.password, login.database, login.read_only) == ("reader", SECRET, "shop", True)
    for hidden in ("reader", "orders"):
        assert hidden.encode("utf-16-le") not in server.raw
    asked = "\n".join(server.asked)
    assert re.search(r"SET LOCK_TIMEOUT 2000; SET XACT_ABORT ON", asked)
    assert "SET ROWCOUNT 1001" in asked
    assert server.asked[-1] == "rollback" or "ROLLBACK" in server.asked[-1].upper(), server.asked


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize("fault", ["unknown issuer", "other name"])
async def test_a_wrong_certificate_ends_it_before_the_sign_in(tmp_path: Path, fault: str) -> None:
    """`tls`, in the words of the one library that judges certificates here; nobody was told a password."""
    async with sql_server(tmp_path, encryption=ON, answers=told()) as (server, port):
        own = {"ca_certificate": public_part(server.pem), "host": "127.0.0.1"} if fault == "other name" else {}  # type: ignore[arg-type]
        result = await ask(tmp_path, port, tls="verify-full", **own)
    assert (result.failure_class, result.ours) == (FailureClass.TLS, False), result.message
    assert "certificate" in (result.message or "").lower()
    assert server.logins == []


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize("tls", ["require", "verify-full"])
@pytest.mark.parametrize("encryption", [OFF, NOT_SUPPORTED])
async def test_a_server_without_tls_gets_no_sign_in(tmp_path: Path, tls: str, encryption: int) -> None:
    """No fall back: the server that says no ends it."""
    async with sql_server(tmp_path, encryption=encryption) as (server, port):
        result = await ask(tmp_path, port, tls=tls)
    assert (result.failure_class, result.reason) == (FailureClass.TLS, "not_offered"), result.message
    assert server.logins == []


@pytest.mark.parametrize("encryption", [OFF, NOT_SUPPORTED])
async def test_without_tls_the_sign_in_alone_is_encrypted_where_the_server_can(tmp_path: Path, encryption: int) -> None:
    """`tls: disable` is the user's word; the driver still hides the password if it can."""
    async with sql_server(tmp_path, encryption=encryption, answers=told()) as (server, port):
        result = await ask(tmp_path, port)
    assert result.ok, result.message
    assert ("reader".encode("utf-16-le") in server.raw) is (encryption == NOT_SUPPORTED)


async def test_a_server_that_demands_encryption_is_named(tmp_path: Path) -> None:
    """It would hide what it answers from the eyes that look for routes."""
    async with sql_server(tmp_path, encryption=REQUIRED, answers=told()) as (server, port):
        result = await ask(tmp_path, port)
    assert (result.failure_class, result.reason, result.ours) == (FailureClass.TLS, "demanded", True), result.message
    assert server.logins == []


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("tls", ["disable", "require"])
async def test_a_server_that_sends_us_elsewhere_is_not_followed(tmp_path: Path, tls: str) -> None:
    """Read-only routing, or a rogue: the driver never learns of the other address."""
    elsewhere: list[str] = []

    async def notes(reader: Any, writer: Any) -> None:
        elsewhere.append("!")

    async with rogue(notes) as other:
        encryption = OFF if tls == "disable" else ON
        how = {"encryption": encryption, "routes_to": ("127.0.0.1", other), "answers": told()}
        async with sql_server(tmp_path, **how) as (_, port):
            result = await ask(tmp_path, port, tls=tls)
    assert (result.failure_class, result.reason) == (FailureClass.BLOCKED_BY_POLICY, "redirected"), result.message
    assert elsewhere == []


@pytest.mark.parametrize(
    ("number", "message", "failure_class", "ours"),
    [
        (18456, "Login failed for user 'reader'.", FailureClass.AUTH, True),
        (18487, "Login failed. Reason: The password of the account has expired.", FailureClass.AUTH, True),
        (4060, 'Cannot open database "shop" requested by the login. The login failed.', FailureClass.NOT_FOUND, True),
    ],
)
async def test_a_refused_sign_in_is_named(
    tmp_path: Path, number: int, message: str, failure_class: FailureClass, ours: bool
) -> None:
    """By the words of the server."""
    async with sql_server(tmp_path, encryption=ON, refuses=(number, message)) as (_, port):
        result = await ask(tmp_path, port, tls="require")
    assert (result.failure_class, result.ours) == (failure_class, ours), result.message


@pytest.mark.parametrize(
    ("number", "message", "failure_class", "ours"),
    [
        (208, "Invalid object name 'orders'.", FailureClass.SCHEMA_CHANGED, False),
        (207, "Invalid column name 'nothing'.", FailureClass.SCHEMA_CHANGED, False),
        (229, "The SELECT permission was denied on the object 'orders'.", FailureClass.PERMISSION, True),
        (1222, "Lock request time out period exceeded.", FailureClass.TIMEOUT, False),
        (102, "Incorrect syntax near 'x'.", FailureClass.INVALID_DEFINITION, True),
    ],
)
async def test_a_refused_statement_is_named(
    tmp_path: Path, number: int, message: str, failure_class: FailureClass, ours: bool
) -> None:
    """Ours or the target's, in words."""
    refused = error(number, message) + done(status=2)
    async with sql_server(tmp_path, encryption=ON, answers=told(result=refused)) as (_, port):
        result = await ask(tmp_path, port, tls="require")
    assert (result.failure_class, result.ours) == (failure_class, ours), result.message


async def test_an_account_that_may_everything_is_refused_before_the_question(tmp_path: Path) -> None:
    """Its rights are asked for first; the statement is never sent."""
    async with sql_server(tmp_path, encryption=ON, answers=told(OWNER)) as (server, port):
        result = await ask(tmp_path, port, tls="require")
    assert (result.failure_class, result.reason) == (FailureClass.PERMISSION, "superuser_refused"), result.message
    assert not any("from orders" in text for text in server.asked)


@pytest.mark.req("NFR-012")
async def test_a_value_travels_beside_the_statement(tmp_path: Path) -> None:
    """As a parameter of the protocol, whatever it holds."""
    value = "4711'; drop table orders; --"
    async with sql_server(tmp_path, encryption=ON, answers=told()) as (server, port):
        query = "select * from orders where order_no = :order"
        result = await ask(tmp_path, port, query, params={"order": value}, tls="require")
    assert result.ok, (result.message, server.asked)
    (sent,) = [text for text in server.asked if "from orders" in text]
    assert "select * from orders where order_no = @P1" in sent
    assert value in sent
    assert f"order_no = {value}" not in sent


@pytest.mark.req("NFR-003")
async def test_a_question_that_is_not_answered_ends_in_time(tmp_path: Path) -> None:
    """And the server is left alone: its connection is cut."""

    def silent(text: str) -> Answer:
        return None if "from orders" in text else told()(text)

    async with sql_server(tmp_path, encryption=ON, answers=silent) as (_, port):
        result = await ask(tmp_path, port, tls="require", timeout=1.5)
    assert (result.failure_class, result.ours) == (FailureClass.TIMEOUT, False), result.message


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "query",
    [
        "select 1; drop table orders",
        "select 1 drop table orders",
        "exec xp_cmdshell 'dir'",
        "select * into stolen from orders",
        "select * from openrowset('SQLNCLI', 'x', 'select 1')",
        "with x as (select 1 as a) delete from orders",
        "waitfor delay '1:00'",
        "select 1 /* ' */; shutdown -- '",
    ],
)
async def test_what_does_more_than_one_select_is_never_sent(tmp_path: Path, query: str) -> None:
    """The protocol would take several statements at once: they end before a connection is made."""
    async with sql_server(tmp_path, encryption=ON, answers=told()) as (server, port):
        result = await ask(tmp_path, port, query, tls="require")
    assert (result.failure_class, result.ours) == (FailureClass.INVALID_DEFINITION, True), result.message
    assert server.asked == []


def test_the_password_never_becomes_a_keyword() -> None:
    """Quoted for the driver's connection string."""
    from steptrail_common.contracts.connections import MssqlSettings
    from steptrail_dbprobe.adapters.mssql import _connection_words

    settings = MssqlSettings(kind="mssql", host="db", database="a};Trusted_Connection=yes;", username="u")
    words = _connection_words(settings, "x};Encrypt=no;Server=evil", 1433)
    assert "Database={a}};Trusted_Connection=yes;};" in words
    assert "PWD={x}};Encrypt=no;Server=evil};" in words
