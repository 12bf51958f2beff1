"""`dblink`, PostgreSQL's way to other databases: no read-only transaction reaches that far, so rights must."""

from typing import Any

import pytest
from steptrail_common.contracts.model import FailureClass

from .test_postgresql import unchanged

pytestmark = [pytest.mark.req("FR-012"), pytest.mark.req("NFR-012")]
ELSEWHERE = "select * from dblink('dbname=' || current_database(), 'delete from orders returning id') as gone(id int)"


@pytest.fixture
async def linked(shop: Any) -> Any:
    """The shop with the extension, as PostgreSQL installs it: everybody may call its functions."""
    admin = await shop.connect()
    if not await admin.fetchval("select count(*) from pg_available_extensions where name = 'dblink'"):
        pytest.skip("this PostgreSQL comes without its contrib modules")
    await admin.execute("create extension dblink")
    await admin.close()
    return shop


async def test_it_is_denied_by_rights(probe: Any, linked: Any) -> None:
    """An account from which its functions were revoked can only read, and reaches nothing through them."""
    admin = await linked.connect()
    for function in await admin.fetch("select oid::regprocedure as name from pg_proc where proname like 'dblink%'"):
        await admin.execute(f"revoke execute on function {function['name']} from public")
    await admin.close()
    told = await probe.test(linked.account("reader"))
    assert told.rights.level == "read_only", told.rights.detail
    result = await probe.ask(linked.account("reader"), ELSEWHERE)
    assert (result.failure_class, result.ours) == (FailureClass.PERMISSION, True), result.message
    await unchanged(linked)


async def test_an_account_that_may_call_it_is_amber(probe: Any, linked: Any) -> None:
    """Whoever knows a password may write with it elsewhere; without one the server itself refuses."""
    told = await probe.test(linked.account("reader"))
    assert (told.rights.level, "through dblink" in told.rights.detail) == ("can_write", True), told.rights.detail
    result = await probe.ask(linked.account("reader"), ELSEWHERE)
    assert not result.ok
    assert "password" in str(result.message).lower()
    await unchanged(linked)


async def test_an_account_that_signs_in_as_the_server_is_red(probe: Any, linked: Any) -> None:
    """`dblink_connect_u` needs no password: such an account is asked nothing."""
    admin = await linked.connect()
    reader = linked.account("reader").settings.username
    await admin.execute(f"grant execute on function dblink_connect_u(text) to {reader}")
    await admin.close()
    told = await probe.test(linked.account("reader"))
    assert told.rights.level == "superuser", told.rights.detail
    result = await probe.ask(linked.account("reader"), "select 1 as one")
    assert (result.failure_class, result.reason) == (FailureClass.PERMISSION, "superuser_refused"), result.message
