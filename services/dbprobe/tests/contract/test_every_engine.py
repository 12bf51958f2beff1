"""What `db_query` promises on every engine, against real servers: the same suite with each engine's own words."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass

from .. import engines
from ..conftest import PeakMemory, Probe, running_probe
from ..engines import Target, asked, valued

pytestmark = pytest.mark.req("FR-012")

ENGINES = {"mariadb": ("mariadb_server", engines.mariadb), "mongodb": ("sign_in_mongo_server", engines.mongodb)}


@pytest.fixture(scope="module", params=ENGINES)
def target(request: pytest.FixtureRequest) -> Target:
    """The database, made once for all tests: none of them can change it."""
    server, make = ENGINES[request.param]
    return make(request.getfixturevalue(server))


@pytest.fixture
async def probe(target: Target, tmp_path: Path) -> AsyncIterator[Probe]:
    async with running_probe(tmp_path, egress_exceptions=[target.exception]) as made:
        yield made


def assertion(subject: str, argument: str | None = None, **operators: Any) -> dict[str, Any]:
    return {"subject": subject, "argument": argument, "operators": operators}


async def no_sessions(target: Target, seconds: float = 5) -> None:
    """The server works for us no more."""
    async with asyncio.timeout(seconds):
        while target.sessions is not None and target.sessions():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.1)


async def test_rows_are_judged_and_kept_as_evidence(probe: Probe, target: Target) -> None:
    """Binds, assertions, captures, statement and rows."""
    result = await probe.ask(
        target.account("reader"),
        params={"order": "4711"},
        assertions=[assertion("rows", eq=1), assertion("column", "order_no", eq="4711")],
        captures={"iban": {"column": "iban", "row": "first"}},
        **asked(target, "by number"),
    )
    assert result.ok, result.message
    assert result.captures == {"iban": engines.ORDERS[0][1]}
    evidence = await probe.rows(result)
    assert evidence["params"] == {"order": "4711"}
    assert evidence["columns"] == ["order_no", "iban"]
    assert evidence["rows"] == [list(engines.ORDERS[0])]
    assert "orders" in evidence["statement"]
    assert {"dns", "connect", "query"} <= result.timings.keys()


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "value", ["' or '1'='1", "4711'; drop table orders; -- ", "?", ":order", "\\' or 1=1 -- ", "$order_no", "%s", "{}"]
)
async def test_a_value_never_becomes_part_of_the_statement(probe: Probe, target: Target, value: str) -> None:
    """Whatever a bind holds, it is compared as a value."""
    result = await probe.ask(
        target.account("writer"),
        params={"order": value},
        assertions=[assertion("rows", eq=0)],
        **asked(target, "by number"),
    )
    assert result.ok, result.message
    assert target.count() == 2


@pytest.mark.req("NFR-012")
async def test_nothing_is_written_even_by_an_account_that_could(probe: Probe, target: Target) -> None:
    """Each of the engine's ways to write or to leave the session is refused, and changed nothing."""
    for statement in target.writes:
        result = await probe.ask(target.account("writer"), **asked(target, statement))
        assert not result.ok, statement
        assert (result.ours, result.failure_class in (FailureClass.INVALID_DEFINITION, FailureClass.PERMISSION)) == (
            True,
            True,
        ), (statement, result.failure_class, result.message)
        assert target.count() == 2, statement


@pytest.mark.req("NFR-003")
async def test_a_query_without_end_is_ended(probe: Probe, target: Target) -> None:
    """By the time of the step, and the server does not work on."""
    for statement in target.endless:
        began = time.monotonic()
        result = await probe.ask(target.account("reader"), timeout=1.0, **asked(target, statement))
        assert time.monotonic() - began < 4, statement
        assert (result.failure_class, result.ours) == (FailureClass.TIMEOUT, False), (statement, result.message)
    await no_sessions(target)


@pytest.mark.req("NFR-008")
async def test_a_lock_of_someone_else_is_a_timeout_that_says_so(probe: Probe, target: Target) -> None:
    """The probe waits for a lock less long than for a result."""
    if target.locked is None:
        pytest.skip("its readers wait for nobody")
    with target.locked():
        result = await probe.ask(target.account("reader"), timeout=4.0, **asked(target, "all"))
    assert (result.failure_class, result.reason) == (FailureClass.TIMEOUT, "lock_timeout"), result.message


@pytest.mark.parametrize(
    ("task", "failure_class"),
    [
        ("1001 rows", FailureClass.TOO_MANY),
        ("many rows", FailureClass.TOO_MANY),
        ("a large cell", FailureClass.TOO_LARGE),
        ("large in all", FailureClass.TOO_LARGE),
        ("many columns", FailureClass.TOO_LARGE),
    ],
)
async def test_a_result_beyond_the_limits_is_not_cut_but_refused(
    probe: Probe, target: Target, task: str, failure_class: FailureClass
) -> None:
    """Half a result would be judged wrongly."""
    result = await probe.ask(target.account("reader"), **asked(target, task))
    assert (result.ok, result.failure_class) == (False, failure_class), result.message
    await no_sessions(target)


async def test_a_thousand_rows_are_taken(probe: Probe, target: Target) -> None:
    """The limit itself is allowed."""
    result = await probe.ask(
        target.account("reader"), assertions=[assertion("rows", eq=1000)], **asked(target, "1000 rows")
    )
    assert result.ok, result.message


@pytest.mark.req("NFR-017")
async def test_a_huge_cell_is_never_held_in_memory(probe: Probe, target: Target) -> None:
    """30 MB end the connection in the middle of them."""
    peak = PeakMemory()
    result = await probe.ask(target.account("reader"), timeout=10, **asked(target, "a huge cell"))
    assert (result.ok, result.failure_class) == (False, FailureClass.TOO_LARGE), result.message
    assert peak.grown_mib() < 25


@pytest.mark.req("NFR-009")
async def test_values_have_a_defined_json_form(probe: Probe, target: Target) -> None:
    """Nothing a database holds breaks the result or the evidence."""
    for expression, expected in target.values:
        result = await probe.ask(target.account("reader"), params={"v": "4711"}, **valued(target, expression))
        assert result.ok, (expression, result.message)
        assert (await probe.rows(result))["rows"] == [[expected]], expression


@pytest.mark.req("NFR-014")
async def test_masked_columns_and_secrets_are_nowhere(probe: Probe, target: Target) -> None:
    """Neither in evidence nor in findings, messages or assertions."""
    result = await probe.ask(
        target.account("reader"),
        params={"order": "canary-7f3a-geheim"},
        mask=["IBAN"],
        assertions=[assertion("column", "iban", eq="DE00")],
        **asked(target, "all"),
    )
    assert not result.ok
    evidence = json.dumps(await probe.rows(result))
    for hidden in ("DE0212", "DE0250", "canary-7f3a-geheim"):
        assert hidden not in evidence
        assert hidden not in result.model_dump_json()


@pytest.mark.parametrize(
    ("task", "failure_class", "ours"),
    [
        ("no such table", FailureClass.SCHEMA_CHANGED, False),
        ("no such column", FailureClass.SCHEMA_CHANGED, False),
        ("not allowed", FailureClass.PERMISSION, True),
        ("nonsense", FailureClass.INVALID_DEFINITION, True),
        ("nothing", FailureClass.INVALID_DEFINITION, True),
        ("no rows", FailureClass.INVALID_DEFINITION, True),
    ],
)
async def test_faults_are_named(
    probe: Probe, target: Target, task: str, failure_class: FailureClass, ours: bool
) -> None:
    """Ours or the target's, in words, never a stack."""
    if task not in target.ask or (target.name, task) == ("mongodb", "not allowed"):
        pytest.skip("has no such fault")
    result = await probe.ask(target.account("reader"), **asked(target, task))
    assert (result.failure_class, result.ours) == (failure_class, ours), result.message
    assert "Traceback" not in (result.message or "")


@pytest.mark.parametrize("value", [[1, 2], {"$gt": ""}, 2**70, "a\x00b"])
async def test_a_value_that_is_no_bind_is_refused_by_its_name(probe: Probe, target: Target, value: Any) -> None:
    """An operator inside a value would change the question."""
    result = await probe.ask(target.account("reader"), params={"order": value}, **asked(target, "by number"))
    if not result.ok:
        assert (result.failure_class, result.ours) == (FailureClass.INVALID_DEFINITION, True), result.message
        assert "params.order" in (result.message or "")
    else:
        assert (await probe.rows(result))["row_count"] == 0
        assert value != {"$gt": ""}


async def test_a_bind_without_a_value_is_named(probe: Probe, target: Target) -> None:
    """Before anything is connected to."""
    result = await probe.ask(target.account("reader"), **asked(target, "by number"))
    assert (result.failure_class, result.ours) == (FailureClass.INVALID_DEFINITION, True), result.message
    assert ":order" in (result.message or "")


async def test_an_account_that_is_not_there_is_ours_to_fix(probe: Probe, target: Target) -> None:
    """`auth`, ours: the credentials of the connection are wrong."""
    result = await probe.ask(target.account("nobody"), **asked(target, "all"))
    assert (result.failure_class, result.ours) == (FailureClass.AUTH, True), result.message
    told = await probe.test(target.account("nobody"))
    assert not told.ok
    assert told.message


@pytest.mark.req("NFR-014")
async def test_an_account_no_transaction_holds_back_is_refused(probe: Probe, target: Target) -> None:
    """Read-only would be an empty word."""
    result = await probe.ask(target.account("owner"), **asked(target, "all"))
    assert (result.failure_class, result.reason, result.ours) == (
        FailureClass.PERMISSION,
        "superuser_refused",
        True,
    ), result.message


async def test_an_administrator_can_allow_it(target: Target, tmp_path: Path) -> None:
    """By a setting of the installation, not of the connection."""
    async with running_probe(tmp_path, egress_exceptions=[target.exception], allow_superuser=True) as probe:
        result = await probe.ask(target.account("owner"), **asked(target, "all"))
    assert result.ok, result.message


@pytest.mark.parametrize(
    ("account", "level"), [("reader", "read_only"), ("writer", "can_write"), ("owner", "superuser")]
)
async def test_the_rights_of_an_account_are_told(probe: Probe, target: Target, account: str, level: str) -> None:
    """Green, amber, red."""
    told = await probe.test(target.account(account))
    assert told.ok, told.message
    assert told.rights is not None
    assert told.rights.level == level, told.rights.detail


@pytest.mark.req("NFR-001")
async def test_many_probes_at_once_do_not_disturb_each_other(probe: Probe, target: Target) -> None:
    """Slow, wrong and good ones side by side; each has its own connection."""
    good = [
        probe.ask(
            target.account("reader"),
            params={"order": number},
            assertions=[assertion("column", "order_no", eq=number)],
            timeout=10,
            **asked(target, "by number"),
        )
        for number in ("4711", "4712") * 4
    ]
    bad = [probe.ask(target.account("reader"), timeout=1, **asked(target, target.endless[0])) for _ in range(2)]
    results = await asyncio.gather(*good, *bad)
    assert [result.ok for result in results] == [True] * 8 + [False] * 2, [result.message for result in results]
    await no_sessions(target)


@pytest.mark.req("NFR-011")
@pytest.mark.parametrize(
    ("host", "tls", "authority", "ok"),
    [
        ("127.0.0.1", "require", None, True),
        ("localhost", "verify-full", "own", True),
        ("localhost", "verify-full", None, False),
        ("127.0.0.1", "verify-full", "own", False),
    ],
    ids=["any certificate", "own authority", "unknown authority", "other name"],
)
async def test_tls_is_what_the_connection_says(
    probe: Probe, target: Target, host: str, tls: str, authority: str | None, ok: bool
) -> None:
    """The name of the connection is verified, although a checked address is connected to."""
    if target.ca is None:
        pytest.skip("the given server's certificate is not known")
    more = {"host": host, "tls": tls, "ca_certificate": target.ca if authority else None}
    result = await probe.ask(target.account("reader", **more), timeout=10, **asked(target, "all"))
    assert result.ok is ok, result.message
    if not ok:
        assert (result.failure_class, result.ours) == (FailureClass.TLS, False), result.message


@pytest.mark.req("NFR-011")
async def test_a_certificate_that_cannot_be_read_is_named(probe: Probe, target: Target) -> None:
    """Ours to fix: it is a field of the connection."""
    broken = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----"
    more = {"host": "localhost", "tls": "verify-full", "ca_certificate": broken}
    result = await probe.ask(target.account("reader", **more), **asked(target, "all"))
    assert (result.failure_class, result.ours) == (FailureClass.TLS, True), result.message
    assert "ca_certificate" in (result.message or "")


async def test_nothing_is_left_behind(probe: Probe, target: Target) -> None:
    """No open file stays after a check, a refused one and one that was cut."""

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    await probe.ask(target.account("reader"), **asked(target, "all"))
    before = open_files()
    for task in ("all", "a huge cell", "nonsense", "all"):
        await probe.ask(target.account("reader"), **asked(target, task))
    await asyncio.sleep(0.05)
    assert open_files() <= before + 1
