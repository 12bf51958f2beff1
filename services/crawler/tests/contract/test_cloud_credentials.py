"""How `file_check` signs in to Google's and Microsoft's stores, and what becomes of refusals."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.connections import AzureBlobSettings, GcsSettings
from steptrail_common.contracts.model import FailureClass

from ..conftest import Checks, Site, answer, sealed
from .clouds import AZURITE_ACCOUNT, AZURITE_KEY, azure_server

CHECK = {"type": "file_check", "connection": "conn", "path": "a.csv"}
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
LISTED = {"kind": "storage#object", "name": "a.csv", "bucket": "bank", "size": "3", "updated": "2026-11-20T10:00:00Z"}


def google(site: Site, token_uri: str | None = None) -> SealedConnection:
    key = {
        "type": "service_account",
        "client_email": "steptrail@example.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": PRIVATE.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        "token_uri": token_uri or f"{site.url}/token",
    }
    settings = GcsSettings(kind="gcs", bucket="bank", endpoint_url=site.url)
    return sealed(settings, service_account_key=json.dumps(key))


@pytest.fixture
def storage(site: Site) -> Site:
    """The two answers of the storage that a check of one file needs, and the issuer of tokens."""
    site.routes["/token"] = answer('{"access_token": "ya29.t", "expires_in": 3600}', content_type="application/json")
    site.routes["/storage/v1/b/bank/o/a.csv"] = answer(json.dumps(LISTED), content_type="application/json")
    listing = answer(json.dumps({"kind": "storage#objects", "items": [LISTED]}), content_type="application/json")
    site.routes["/storage/v1/b/bank/o"] = listing
    return site


@pytest.fixture
async def checks(storage: Site, tmp_path: Path) -> Any:
    made = Checks(tmp_path, [f"127.0.0.1:{storage.port}"])
    yield made
    await made.close()


@pytest.mark.req("FR-014")
async def test_a_service_account_signs_for_a_token_that_may_only_read(checks: Checks, storage: Site) -> None:
    """RFC 7523: signed with the key, for the issuer, the scope that reads; the token goes along and is kept."""
    for _ in range(2):
        result = await checks.run(CHECK, connection=google(storage))
        assert result.ok, result.message
    asked = [request for request in storage.asked if request.path == "/token"]
    form = parse_qs(asked[0].body.decode())
    public = PRIVATE.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = jwt.decode(form["assertion"][0], certs=public, audience=f"{storage.url}/token")  # type: ignore[no-untyped-call]
    assert (len(asked), form["grant_type"]) == (1, ["urn:ietf:params:oauth:grant-type:jwt-bearer"])
    assert claims["scope"] == "https://www.googleapis.com/auth/devstorage.read_only"
    assert storage.last("/storage/v1/b/bank/o").headers["authorization"] == "Bearer ya29.t"


@pytest.mark.req("NFR-012")
async def test_the_issuer_in_the_key_is_judged_like_any_address(checks: Checks, storage: Site) -> None:
    """The key's file comes from a user: its `token_uri` must not lead inside."""
    result = await checks.run(CHECK, connection=google(storage, "http://169.254.169.254/token"))
    assert (result.failure_class, result.ours) == (FailureClass.BLOCKED_BY_POLICY, True), result.message


async def test_refusals_of_google_are_told_by_class(checks: Checks, storage: Site) -> None:
    refused = '{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'
    storage.routes["/token"] = answer(refused, "400 Bad Request", content_type="application/json")
    no_token = await checks.run(CHECK, connection=google(storage))
    assert (no_token.failure_class, no_token.ours) == (FailureClass.AUTH, True), no_token.message
    assert "Invalid JWT Signature" in (no_token.message or "")
    storage.routes["/token"] = answer('{"access_token": "t"}', content_type="application/json")
    for status, expected in (("401 Unauthorized", FailureClass.AUTH), ("403 Forbidden", FailureClass.PERMISSION)):
        body = json.dumps({"error": {"code": int(status[:3]), "message": "no access"}})
        for path in ("/storage/v1/b/bank/o/a.csv", "/storage/v1/b/bank/o"):
            storage.routes[path] = answer(body, status, content_type="application/json")
        result = await checks.run(CHECK, connection=google(storage))
        assert (result.failure_class, result.ours) == (expected, True), (status, result.message)


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, process = azure_server({"in/a.csv": "1;2"}, tmp_path_factory.mktemp("azure"))
    yield port
    process.terminate()
    process.wait(timeout=10)


def azure_container(port: int, auth: str, **secrets: str) -> SealedConnection:
    settings = {"kind": "azure_blob", "account": AZURITE_ACCOUNT, "container": "bank", "prefix": "in", "auth": auth}
    address = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
    return sealed(AzureBlobSettings.model_validate({**settings, "endpoint_url": address}), **secrets)


@pytest.mark.req("FR-014")
async def test_signatures_and_keys_open_a_container_and_nothing_else_does(azure: int, tmp_path: Path) -> None:
    """A signature that may read and list is enough; a wrong key and nobody are told apart from a missing file."""
    checks = Checks(tmp_path, [f"127.0.0.1:{azure}"])
    until = datetime.now(UTC) + timedelta(hours=1)
    allowed = ContainerSasPermissions(read=True, list=True)
    signature = generate_container_sas(
        AZURITE_ACCOUNT, "bank", account_key=AZURITE_KEY, permission=allowed, expiry=until
    )
    for secret in (signature, f"?{signature}"):
        opened = await checks.run(CHECK, connection=azure_container(azure, "sas", sas_token=secret))
        assert opened.ok, opened.message
    other = base64.b64encode(b"x" * 64).decode()
    refused = await checks.run(CHECK, connection=azure_container(azure, "account_key", account_key=other))
    assert (refused.failure_class, refused.ours) == (FailureClass.AUTH, True), refused.message
    nobody = await checks.run(CHECK, connection=azure_container(azure, "none"))
    assert nobody.failure_class in (FailureClass.AUTH, FailureClass.PERMISSION, FailureClass.NOT_FOUND), nobody.message
    assert not nobody.ok
    await checks.close()
