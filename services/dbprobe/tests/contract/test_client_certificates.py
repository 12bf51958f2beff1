"""Databases that want to see a certificate of ours: PostgreSQL, MariaDB, MongoDB."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import pymongo
import pytest
from pydantic import ValidationError
from steptrail_checks.port import OpenedConnection
from steptrail_common.contracts.connections import PostgresqlSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.testing import programs
from steptrail_common.testing.process import Server
from steptrail_common.testing.targets import MariadbServer, SignInMongoServer, certificate, public_part
from steptrail_dbprobe.adapters.encryption import context_of

from ..conftest import SECRET, Probe, connection, running_probe
from .test_postgresql import assertion

pytestmark = [pytest.mark.req("FR-012"), pytest.mark.req("NFR-011")]


def key_of(pem: Path) -> str:
    text = pem.read_text()
    return text[: text.index("-----BEGIN CERTIFICATE")]


@pytest.fixture
async def identified(shop: Any, tmp_path: Path) -> AsyncIterator[Path]:
    """The shop's server speaks TLS and asks for a certificate; this one it knows (with its key)."""
    pem = certificate(tmp_path, "localhost")
    admin = await shop.connect()
    place = Path(await admin.fetchval("show data_directory")) / "identity.pem"
    if not _given_to_the_server(pem, place):
        pytest.skip("the files of the given PostgreSQL cannot be changed from here")
    names = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file")
    for name in names:
        await admin.execute(f"alter system set {name} = '{place}'")
    await admin.execute("alter system set ssl = on")
    await admin.execute("select pg_reload_conf()")
    yield pem
    for name in ("ssl", *names):
        await admin.execute(f"alter system reset {name}")
    await admin.execute("select pg_reload_conf()")
    await admin.close()
    os.unlink(place)


def _given_to_the_server(pem: Path, place: Path) -> bool:
    try:
        shutil.copy(pem, place)
        owner = place.parent.stat()
        shutil.chown(place, owner.st_uid, owner.st_gid)
        place.chmod(0o600)
    except OSError:
        return False
    return True


async def test_postgresql_sees_who_asks(shop: Any, probe: Probe, identified: Path) -> None:
    """The server names the certificate of the session; without one there is none."""
    account = shop.account("reader").settings.username
    query = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()"
    place = {"kind": "postgresql", "host": "localhost", "port": urlsplit(shop.url).port, "username": account}
    place |= {"database": urlsplit(shop.url).path[1:], "tls": "verify-full", "ca_certificate": public_part(identified)}
    known = connection({**place, "client_certificate": public_part(identified)}, "shop", client_key=key_of(identified))
    seen = await probe.ask(known, query, assertions=[assertion("column", "client_dn", eq="/CN=localhost")])
    assert seen.ok, seen.message
    nobody = await probe.ask(connection(place, "shop"), query, assertions=[assertion("column", "client_dn", eq=None)])
    assert nobody.ok, nobody.message


@pytest.fixture
async def mariadb_probe(mariadb_server: Server, tmp_path: Path) -> AsyncIterator[Probe]:
    exception = f"127.0.0.1:{urlsplit(mariadb_server.url).port}"
    async with running_probe(tmp_path, egress_exceptions=[exception]) as made:
        yield made


async def test_mariadb_lets_in_who_shows_a_certificate(mariadb_server: Server, mariadb_probe: Probe) -> None:
    """An account that requires one is refused without it, and with a key that does not belong to it."""
    if not isinstance(mariadb_server, MariadbServer):
        pytest.skip("the given server's certificate is not known")
    parts = urlsplit(mariadb_server.url)
    admin = await asyncmy.connect(host=parts.hostname or "", port=parts.port or 0, user="root", autocommit=True)
    async with admin.cursor() as cursor:
        await cursor.execute("create or replace user st_x509 identified by %s require x509", (SECRET,))
    await admin.ensure_closed()
    pem = mariadb_server.pem
    place = {"kind": "mysql", "host": "localhost", "port": parts.port, "database": "mysql", "username": "st_x509"}
    place |= {"tls": "verify-full", "ca_certificate": public_part(pem), "database": "information_schema"}
    shown = {**place, "client_certificate": public_part(pem)}
    seen = await mariadb_probe.ask(connection(shown, "m", client_key=key_of(pem)), "select 1 as one")
    assert seen.ok, seen.message
    nobody = await mariadb_probe.ask(connection(place, "m"), "select 1 as one")
    assert (nobody.failure_class, nobody.ours) == (FailureClass.AUTH, True), nobody.message
    for key in ("nonsense", key_of(certificate(mariadb_server.folder, "other"))):
        wrong = await mariadb_probe.ask(connection(shown, "m", client_key=key), "select 1 as one")
        assert (wrong.failure_class, wrong.reason, wrong.ours) == (FailureClass.TLS, "bad_client_certificate", True)
        assert key not in (wrong.message or "")


@pytest.fixture(scope="module")
def strict_mongo() -> Iterator[SignInMongoServer]:
    """Over TLS it serves nobody without a certificate."""
    program = programs.mongod()
    if program is None:
        pytest.skip("there is no mongod on this machine")
    server = SignInMongoServer(program, identified=True)
    server.start()
    with pymongo.MongoClient[dict[str, Any]](server.url) as client:
        roles = [{"role": "read", "db": "shop"}]
        client.admin.command("createUser", "st_reader", pwd=SECRET, roles=roles)
        client["shop"]["orders"].insert_one({"order_no": "4711"})
    yield server
    server.discard()


async def test_mongodb_speaks_to_who_shows_a_certificate(strict_mongo: SignInMongoServer, tmp_path: Path) -> None:
    """Without one the server ends the handshake; the name and the authority of its own are judged as ever."""
    pem, port = strict_mongo.pem, urlsplit(strict_mongo.url).port
    place = {"kind": "mongodb", "host": "localhost", "port": port, "database": "shop", "username": "st_reader"}
    place |= {"tls": "verify-full", "ca_certificate": public_part(pem)}
    shown = {**place, "client_certificate": public_part(pem)}
    documents = {"operation": "count", "collection": "orders", "filter": {}}
    async with running_probe(tmp_path, egress_exceptions=[f"127.0.0.1:{port}"]) as probe:
        seen = await probe.ask(connection(shown, "m", client_key=key_of(pem)), documents=documents)
        assert seen.ok, seen.message
        nobody = await probe.ask(connection(place, "m"), documents=documents)
    assert not nobody.ok
    assert nobody.failure_class in (FailureClass.TLS, FailureClass.CONNECT), nobody.message


def test_a_context_with_a_certificate_is_nobody_elses(tmp_path: Path) -> None:
    """Connections without one share a context; one that identifies has its own."""
    plain = PostgresqlSettings(kind="postgresql", host="db", database="d", username="u")
    shared = [context_of(OpenedConnection(name, plain)) for name in ("a", "b")]
    assert shared[0] is shared[1] is not None
    pem = certificate(tmp_path, "us")
    identified = plain.model_copy(update={"client_certificate": public_part(pem)})
    opened = [OpenedConnection(name, identified, {"client_key": key_of(pem)}) for name in ("a", "b")]
    assert len({id(context) for context in (*shared, *map(context_of, opened))}) == 3


def test_a_client_certificate_is_shown_in_tls_only() -> None:
    """Told where the connection is saved."""
    pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----"
    with pytest.raises(ValidationError, match="shown in TLS only"):
        PostgresqlSettings(
            kind="postgresql", host="db", database="d", username="u", tls="disable", client_certificate=pem
        )
