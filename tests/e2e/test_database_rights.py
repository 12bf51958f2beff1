"""A real PostgreSQL through the front door: what an account may do is found out unasked, shown and acted upon."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

import asyncpg
import pytest
from playwright.sync_api import Browser, expect

from .browsing import browsing
from .product import Product, eventually, step
from .topologies import embedded

LOOKED_SECONDS = 90
"""The look after a saved connection comes within half a minute; machines are busy."""
LEVELS = {"reader": "read_only", "writer": "can_write", "owner": "superuser"}


def _told(url: str, *statements: str) -> None:
    """Beside the loop that the browser's driver keeps in this thread."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _execute(url, statements)).result()


async def _execute(url: str, statements: Sequence[str]) -> None:
    admin = await asyncpg.connect(url.replace("+asyncpg", ""))
    for statement in statements:
        await admin.execute(statement)
    await admin.close()


@pytest.fixture
def accounts(fresh_postgres: str) -> Iterator[tuple[str, SplitResult]]:
    """A table and three accounts that may read it, change it, and do everything."""
    prefix = f"e{uuid4().hex[:8]}"
    made = [
        f"create role {prefix}_{name} login {more}; grant select on orders to {prefix}_{name}"
        for name, more in (("reader", ""), ("writer", ""), ("owner", "superuser"))
    ]
    table = "create table orders (no text, state text); insert into orders values ('4711', 'PAID')"
    closed = f"revoke create on schema public from public; grant insert on orders to {prefix}_writer"
    _told(fresh_postgres, table, *made, closed)
    yield prefix, urlsplit(fresh_postgres)
    _told(fresh_postgres, *(f"drop owned by {prefix}_{n}; drop role {prefix}_{n}" for n in LEVELS))


@pytest.fixture
def installation(accounts: tuple[str, SplitResult], tmp_path: Path) -> Iterator[Product]:
    prefix, place = accounts
    (tmp_path / "files" / "out").mkdir(parents=True)
    (tmp_path / "files" / "out" / "4711.csv").write_text("no;total\n4711;30\n")
    settings = {"STEPTRAIL_FILE_ROOTS": f'["{tmp_path / "files"}"]'}
    with embedded(tmp_path, exceptions=[f"{place.hostname}:{place.port}"], settings=settings) as made:
        with made.client() as client:
            for name in LEVELS:
                server = {"host": place.hostname, "port": place.port, "database": place.path[1:], "tls": "disable"}
                saved = {"kind": "postgresql", **server, "username": f"{prefix}_{name}"}
                body = {"connection_id": f"erp-{name}", "name": f"ERP as {name}", "settings": saved}
                assert (answer := client.post("/connections", json=body)).status_code == 201, answer.text
            folder = {"kind": "files", "root": str(tmp_path / "files")}
            body = {"connection_id": "exchange", "name": "Exchange", "settings": folder}
            assert (answer := client.post("/connections", json=body)).status_code == 201, answer.text
        yield made


def definition(account: str) -> dict[str, Any]:
    asked = {"query": "select state from orders where no = :no", "params": {"no": "4711"}}
    return {
        "version": 1,
        "process": f"invoice-{account}",
        "name": "Invoice was written and sent",
        "steps": [
            {
                "id": "row",
                "name": "Row",
                "check": {"type": "db_query", "connection": f"erp-{account}", **asked},
                "assert": [{"column": "state", "eq": "PAID"}],
            },
            {
                "id": "file",
                "name": "File",
                "check": {"type": "file_check", "connection": "exchange", "path": "out/*.csv"},
                "assert": [{"count": 1}, {"column": "no", "eq": "4711"}],
            },
        ],
    }


@pytest.mark.req("FR-012")
@pytest.mark.req("FR-013")
@pytest.mark.timeout(240)
def test_accounts_are_looked_at_shown_and_held_to_what_they_may(
    installation: Product, browser: Browser, tmp_path: Path
) -> None:
    """Green, amber and red without anybody pressing *Test*; amber is accepted by name, red refuses the check."""
    with installation.client() as client:

        def rights(name: str) -> dict[str, Any]:
            return dict(client.get(f"/connections/erp-{name}").json()["rights"])

        for name, level in LEVELS.items():
            eventually(lambda one=name: rights(one)["checked_at"], LOOKED_SECONDS)
            assert rights(name)["level"] == level
        for name in LEVELS:
            made = client.post("/processes", json=definition(name))
            assert made.status_code == 201, made.text
        warned = client.post("/processes/plan", json={"document": definition("writer")}).json()
        assert any("erp-writer can write" in text for text in warned["warnings"]), warned
        start = {"process_id": "invoice-writer", "inputs": {}}
        unconfirmed = client.post("/runs", json=start)
        assert unconfirmed.status_code == 409, unconfirmed.text
        assert "erp-writer can write" in unconfirmed.json()["detail"]
        assert client.post("/connections/erp-writer/rights/accept").status_code == 200
    written = installation.check("invoice-writer")
    assert written["status"] == "success", written
    run = installation.check("invoice-reader")
    assert run["status"] == "success", run
    assert step(run, "file")["target"] == "files/out/*.csv"
    refused = installation.check("invoice-owner")
    assert step(refused, "row")["failure_class"] == "permission", refused
    for scheme in ("light", "dark"):
        with browsing(installation, browser, color_scheme=scheme) as page:
            page.goto("/connections")
            for name, words in (("reader", "can only read"), ("writer", "can write"), ("owner", "may do everything")):
                expect(page.get_by_role("row").filter(has_text=f"erp-{name}")).to_contain_text(words)
            page.screenshot(path=tmp_path / f"connections-{scheme}.png")
            page.goto("/connections/erp-writer")
            expect(page.get_by_text("The account can change a table").first).to_be_visible()
            page.screenshot(path=tmp_path / f"connection-{scheme}.png")
            page.goto("/connections/erp-owner")
            account = page.get_by_role("region", name="Account and test")
            expect(account).to_contain_text("may do everything")
            expect(account).to_contain_text("Checks through it are refused")
            expect(account.get_by_role("button", name="Accept that it can write")).to_have_count(0)
            page.screenshot(path=tmp_path / f"connection-red-{scheme}.png")
