"""Connections through the API of the whole catalog, on MongoDB and SQLite: secrets go in, never out."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymongo
import pytest
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.sealing import SealRefused, open_sealed, target_host

CANARY = "canary-8f1d2c"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----"
HTTP: dict[str, Any] = {"kind": "http", "base_url": "https://shop.example.com/api", "auth": "bearer"}


def _bytes_of(address: str) -> Iterator[bytes]:
    """Everything the store holds, as bytes."""
    if address.startswith("mongodb"):
        with pymongo.MongoClient[dict[str, Any]](address) as client:
            database = client.get_default_database()
            for name in database.list_collection_names():
                yield from (repr(document).encode() for document in database[name].find())
    else:
        folder = Path(urlsplit(address).path).parent
        yield from (file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.req("NFR-014")
async def test_a_secret_goes_in_and_never_out(
    catalog: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its text is in no answer, no event, no log, and nowhere in the store; only the private key opens it."""
    caplog.set_level(logging.DEBUG)
    answers = [
        await catalog.connect(secrets={"password": CANARY}),
        await catalog.connect(secrets={"password": CANARY}),
        await catalog.connect("shop", settings=HTTP, secrets={"token": f"{CANARY}\r\nX: y"}),
        await catalog.connect("shop", settings=HTTP, secrets={"tokn": CANARY}),
        await catalog.connect("shop", settings=HTTP, secrets={"token": [CANARY]}),
        await catalog.connect("shop", settings=HTTP | {"headers": {"Authorization": CANARY}}),
        await catalog.api.get("/connections"),
        await catalog.api.get("/connections/erp"),
        await catalog.api.get("/connections/erp/sealed"),
    ]
    assert [answer.status_code for answer in answers] == [201, 409, 422, 422, 422, 422, 200, 200, 200]
    await catalog.told_of("connection.saved")
    told = "".join(event.model_dump_json() for event in catalog.told)
    written = "".join((*capfd.readouterr(), caplog.text, told, *(answer.text for answer in answers)))
    assert CANARY not in written
    assert not any(CANARY.encode() in stored for stored in _bytes_of(catalog.address))
    sealed = SealedConnection.model_validate_json(answers[-1].content)
    place = {"connection_id": "erp", "field": "password", "host": target_host(sealed.settings)}
    assert open_sealed([catalog.keys.private], sealed.sealed["password"], **place) == CANARY
    with pytest.raises(SealRefused):
        open_sealed([catalog.keys.private], sealed.sealed["password"], **(place | {"connection_id": "other"}))
    assert answers[0].json()["secrets"]["password"]["set"] is True


@pytest.mark.req("NFR-014")
async def test_a_changed_host_asks_for_the_secrets_again(catalog: Any) -> None:
    """Otherwise whoever may edit a connection could have its secret sent to a host of theirs."""
    created = await catalog.connect("shop", name="Shop", settings=HTTP, secrets={"token": CANARY})
    body = {"connection_id": "shop", "name": "Shop", "settings": HTTP | {"base_url": "https://evil.example.com"}}
    refused = await catalog.api.put("/connections/shop", json=body, headers={"If-Match": created.headers["etag"]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == "body.secrets.token"
    assert "enter this secret again" in refused.json()["errors"][0]["message"]
    downgraded = body | {"settings": HTTP | {"base_url": "http://shop.example.com/api"}}
    assert (await catalog.api.put("/connections/shop", json=downgraded)).status_code == 422
    other_path = body | {"settings": HTTP | {"base_url": "https://shop.example.com/v2"}}
    kept = await catalog.api.put("/connections/shop", json=other_path)
    assert (kept.status_code, kept.json()["secrets"]["token"]["set"], kept.json()["version"]) == (200, True, 2)
    given = await catalog.api.put("/connections/shop", json=body | {"secrets": {"token": "another"}})
    assert given.status_code == 200
    other_kind = {"connection_id": "shop", "name": "Shop", "settings": {"kind": "files", "root": "/data"}}
    moved = await catalog.api.put("/connections/shop", json=other_kind)
    assert (moved.status_code, moved.json()["secrets"]) == (200, {})
    sealed = (await catalog.api.get("/connections/shop/sealed")).json()
    assert sealed["sealed"] == {}


async def test_null_removes_a_secret_and_silence_keeps_it(catalog: Any) -> None:
    """A database may do without a password."""
    await catalog.connect(secrets={"password": CANARY})
    settings = {"kind": "postgresql", "host": "db.example.com", "database": "erp", "username": "probe"}
    body = {"connection_id": "erp", "name": "Renamed", "settings": settings}
    assert (await catalog.api.put("/connections/erp", json=body)).json()["secrets"]["password"]["set"] is True
    removed = await catalog.api.put("/connections/erp", json=body | {"secrets": {"password": None}})
    assert removed.json()["secrets"]["password"] == {"set": False, "updated_at": None}


async def test_a_connection_in_use_cannot_be_deleted(catalog: Any) -> None:
    """409 names the processes; when none uses it, it goes."""
    await catalog.connect()
    step = "{id: a, name: A, check: {type: db_query, connection: erp, query: select 1}}"
    text = f"version: 1\nprocess: orders\nname: O\nsteps: [{step}]\n"
    await catalog.create(text)
    refused = await catalog.api.delete("/connections/erp")
    assert refused.status_code == 409
    assert "orders" in refused.json()["detail"]
    await catalog.api.delete("/processes/orders")
    assert (await catalog.api.delete("/connections/erp")).status_code == 204
    assert (await catalog.api.get("/connections/erp")).status_code == 404
    again = await catalog.connect()
    assert again.json()["version"] == 2
    assert len({event.id for event in await catalog.told_of("connection.saved", 2)}) == 2
    assert catalog.topics.count("connection.deleted.erp") == 1


async def test_a_connection_of_a_stuck_board_is_in_use(catalog: Any) -> None:
    """Its queries name connections that no check has to name."""
    await catalog.connect()
    board = "population: {connection: erp, query: select order_no from orders}"
    step = "{id: a, name: A, check: {type: api_call, url: 'https://a.example.com/'}, set: {query: select 1}}"
    await catalog.create(f"version: 1\nprocess: orders\nname: O\n{board}\nsteps: [{step}]\n")
    refused = await catalog.api.delete("/connections/erp")
    assert refused.status_code == 409
    assert "orders" in refused.json()["detail"]


async def test_a_stale_connection_is_not_overwritten(catalog: Any) -> None:
    """412 with an old ETag; without one the newest is meant."""
    created = await catalog.connect()
    body = {"connection_id": "erp", "name": "New", "settings": created.json()["settings"]}
    headers = {"If-Match": created.headers["etag"]}
    assert (await catalog.api.put("/connections/erp", json=body, headers=headers)).status_code == 200
    assert (await catalog.api.put("/connections/erp", json=body, headers=headers)).status_code == 412
    assert (await catalog.api.put("/connections/other", json=body)).status_code == 422
    assert (await catalog.api.put("/connections/other", json=body | {"connection_id": "other"})).status_code == 404


async def test_found_rights_are_shown_until_the_connection_changes(catalog: Any) -> None:
    """What a worker found belongs to the settings it tried."""
    created = await catalog.connect()
    rights = {"level": "read_only", "detail": "may select", "checked_at": "2026-11-20T12:00:00Z"}
    rights |= {"accepted_by": None, "accepted_at": None, "failure": None, "failed_at": None}
    assert (await catalog.api.put("/connections/erp/rights", json=rights)).status_code == 204
    view = (await catalog.api.get("/connections/erp")).json()
    assert (view["rights"], view["version"]) == (rights, 1)
    body = {"connection_id": "erp", "name": "New", "settings": created.json()["settings"]}
    assert (await catalog.api.put("/connections/erp", json=body)).json()["rights"]["level"] == "unknown"


@pytest.mark.req("FR-012")
async def test_a_failed_test_is_kept_beside_what_was_found_before(catalog: Any) -> None:
    """Until one works; an account that was accepted stays accepted."""
    await catalog.connect()
    path = "/connections/erp/rights"
    found = {"level": "can_write", "detail": "may insert", "checked_at": "2026-11-20T12:00:00Z"}
    assert (await catalog.api.put(path, json=found)).status_code == 204
    assert (await catalog.api.post(f"{path}/accept")).status_code == 200
    failed = {"level": "unknown", "detail": "", "failure": "refused", "failed_at": "2026-11-21T12:00:00Z"}
    assert (await catalog.api.put(path, json=failed)).status_code == 204
    kept = (await catalog.api.get("/connections/erp")).json()["rights"]
    assert (kept["level"], kept["accepted_by"], kept["failure"]) == ("can_write", "ada", "refused")
    assert kept["failed_at"] == "2026-11-21T12:00:00Z"
    assert (await catalog.api.put(path, json=found)).status_code == 204
    kept = (await catalog.api.get("/connections/erp")).json()["rights"]
    assert (kept["accepted_by"], kept["failure"], kept["failed_at"]) == ("ada", None, None)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("catalog", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"base_url": "https://user:pass@shop.example.com"}, "body.settings.base_url"),
        ({"base_url": "https://shop.example.com/\r\nHost: x"}, "body.settings.base_url"),
        ({"base_url": "file:///etc/passwd"}, "body.settings.http.base_url"),
        ({"base_url": "https://shop.example.com/?a=1"}, "body.settings.base_url"),
        ({"headers": {"Cookie": "a=b"}}, "body.settings.headers.Cookie"),
        ({"headers": {"X-A": "a\r\nB: c"}}, "body.settings.headers.X-A"),
        ({"headers": {"bad name": "a"}}, "body.settings.headers.bad name"),
        ({"auth": "basic"}, "body.settings.username"),
        ({"auth": "api_key"}, "body.secrets.api_key"),
        ({"auth": "none", "secrets": {"token": "x"}}, "body.secrets.token"),
        (
            {"kind": "postgresql", "host": "/var/run/postgresql", "database": "d", "username": "u"},
            "body.settings.postgresql.host",
        ),
        ({"kind": "sqlite", "path": "../catalog.db"}, "body.settings.path"),
        ({"kind": "files", "root": "zip::s3://x"}, "body.settings.root"),
        ({"kind": "files", "root": "/data/../etc"}, "body.settings.root"),
        ({"kind": "gopher"}, "body.settings"),
        ({"kind": "gcs", "bucket": "out"}, "body.secrets.service_account_key"),
        (
            {"kind": "gcs", "bucket": "out", "secrets": {"service_account_key": '{"type": "service_account"}'}},
            "body.secrets.service_account_key",
        ),
        (
            {"kind": "gcs", "bucket": "out", "auth": "none", "secrets": {"service_account_key": "{}"}},
            "body.secrets.service_account_key",
        ),
        ({"kind": "gcs", "bucket": "out", "auth": "none", "prefix": "in/*"}, "body.settings.prefix"),
        ({"kind": "azure_blob", "account": "Bank", "container": "out"}, "body.settings.azure_blob.account"),
        ({"kind": "azure_blob", "account": "bank", "container": "out"}, "body.secrets.sas_token"),
        (
            {
                "kind": "azure_blob",
                "account": "bank",
                "container": "out",
                "auth": "account_key",
                "secrets": {"account_key": "not base64!"},
            },
            "body.secrets.account_key",
        ),
    ],
)
async def test_settings_that_cannot_be_right_are_refused(catalog: Any, settings: dict[str, Any], path: str) -> None:
    """422 that names the field."""
    secrets = settings.pop("secrets", {})
    given = settings if settings.get("kind", "http") != "http" else HTTP | settings
    answer = await catalog.connect("shop", name="Shop", settings=given, secrets=secrets)
    assert answer.status_code == 422
    assert path in [error["path"] for error in answer.json()["errors"]]


async def test_connections_are_listed_in_pages(catalog: Any) -> None:
    """In order of id."""
    for number in range(3):
        await catalog.connect(f"c{number}")
    page = (await catalog.api.get("/connections", params={"limit": 2})).json()
    rest = (await catalog.api.get("/connections", params={"cursor": page["next_cursor"]})).json()
    assert [item["connection_id"] for item in page["items"] + rest["items"]] == ["c0", "c1", "c2"]
    assert rest["next_cursor"] is None


async def test_the_schema_of_connections_tells_a_form_all_it_needs(catalog: Any) -> None:
    """Every kind with its settings, and which secrets it can hold."""
    schema = (await catalog.api.get("/schemas/connection")).json()
    kinds = {part["properties"]["kind"]["const"]: part for part in schema["$defs"].values() if "x-secrets" in part}
    offered = schema["properties"]["settings"]["discriminator"]["mapping"]
    assert set(kinds) == set(offered)
    signs_in = {"basic": "password", "bearer": "token", "api_key": "api_key"}
    assert kinds["http"]["x-secret-of"] == signs_in | {"form": "password", "oauth2": "client_secret"}
    assert kinds["sftp"]["x-secret-of"] == {"password": "password", "private_key": "private_key"}
    assert kinds["azure_blob"]["x-secret-of"] == {"sas": "sas_token", "account_key": "account_key"}
    assert kinds["postgresql"]["x-secrets"] == ["password", "client_key"]


@pytest.mark.req("NFR-014")
@pytest.mark.parametrize(
    ("settings", "secrets", "fault"),
    [
        ({"client_certificate": CERTIFICATE}, {"client_key": "k"}, None),
        ({"client_certificate": CERTIFICATE}, {}, "body.secrets.client_key: is required with a client certificate"),
        ({}, {"client_key": "k"}, "body.secrets.client_key: is not used without a client_certificate"),
        ({}, {}, None),
    ],
)
async def test_a_database_may_be_shown_a_certificate(
    catalog: Any, settings: dict[str, str], secrets: dict[str, str], fault: str | None
) -> None:
    """Its key goes in like every secret, and belongs to a certificate."""
    server = {"kind": "postgresql", "host": "db.example", "database": "erp", "username": "steptrail", **settings}
    body = {"connection_id": "shown", "name": "Shown", "settings": server, "secrets": {"password": "p", **secrets}}
    answer = await catalog.api.post("/connections", json=body)
    if fault is None:
        assert answer.status_code == 201, answer.text
        assert answer.json()["secrets"]["client_key"]["set"] is bool(secrets)
    else:
        assert f"{answer.json()['errors'][0]['path']}: {answer.json()['errors'][0]['message']}" == fault


@pytest.mark.req("FR-012")
async def test_a_database_account_that_can_write_is_not_asked_until_that_was_accepted(catalog: Any) -> None:
    """Neither by a run nor by a trial; what nobody looked at yet, and a folder that can be written to, is."""
    await catalog.connect()
    definition = {
        "version": 1,
        "process": "orders",
        "name": "Orders",
        "steps": [{"id": "a", "name": "A", "check": {"type": "db_query", "connection": "erp", "query": "select 1"}}],
    }

    async def refused() -> list[str]:
        answers = [
            await catalog.api.post("/snapshots/draft", json=definition),
            await catalog.api.post("/snapshots", json={"process_id": "orders"}),
        ]
        return [answer.json()["detail"] for answer in answers if answer.status_code == 409]

    assert (await catalog.api.post("/processes", json=definition)).status_code == 201
    assert await refused() == []
    found = {"level": "can_write", "detail": "may insert", "checked_at": "2026-11-20T12:00:00Z"}
    assert (await catalog.api.put("/connections/erp/rights", json=found)).status_code == 204
    why = (
        "orders cannot be checked: the account of connection erp can write: use one that can only read, or accept it "
        "on the page of the connection"
    )
    assert await refused() == [why, why]
    assert (await catalog.api.post("/connections/erp/rights/accept")).status_code == 200
    assert await refused() == []


@pytest.mark.req("FR-012")
async def test_an_account_that_can_write_is_accepted_by_name(catalog: Any) -> None:
    """It can be accepted only where it was found, stays accepted while it is found again, and not after a change."""
    await catalog.connect()
    path = "/connections/erp/rights"
    assert (await catalog.api.post(f"{path}/accept")).status_code == 409
    found = {"level": "can_write", "detail": "may insert", "checked_at": "2026-11-20T12:00:00Z"}
    assert (await catalog.api.put(path, json=found)).status_code == 204
    accepted = (await catalog.api.post(f"{path}/accept")).json()["rights"]
    assert (accepted["accepted_by"], accepted["detail"]) == ("ada", "may insert")
    assert (await catalog.api.put(path, json=found | {"detail": "may update"})).status_code == 204
    again = (await catalog.api.get("/connections/erp")).json()["rights"]
    assert (again["accepted_by"], again["detail"]) == ("ada", "may update")
    assert (await catalog.api.put(path, json=found | {"level": "read_only"})).status_code == 204
    assert (await catalog.api.get("/connections/erp")).json()["rights"]["accepted_at"] is None
