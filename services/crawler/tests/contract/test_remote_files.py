"""`file_check` in buckets and on SFTP servers: real ones, started here."""

import asyncio
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.connections import AzureBlobSettings, GcsSettings, S3Settings, SftpSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.testing.process import free_port

from ..conftest import Checks, sealed
from .clouds import AZURITE_ACCOUNT, AZURITE_KEY, azure_server, gcs_server

RCLONE = Path(sys.executable).parent / "rclone"
CONTENT = "id;amount\n007;10\n008;20\n"


def fill(folder: Path) -> None:
    (folder / "in" / "2026").mkdir(parents=True)
    (folder / "in" / "2026" / "a.csv").write_text(CONTENT)
    digest = hashlib.sha256(CONTENT.encode()).hexdigest()
    (folder / "in" / "2026" / "a.csv.sha256").write_text(f"{digest}  a.csv\n")
    (folder / "in" / "empty.txt").write_text("")
    (folder / "outside.txt").write_text("secret")


async def listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        except OSError:
            assert process.poll() is None, process.stdout
            await asyncio.sleep(0.05)
    raise AssertionError("the server did not start")


def ended(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """rclone serving a folder as S3; it checks signatures."""
    if not RCLONE.exists():
        pytest.skip("no rclone: it is in a wheel of the test requirements for Linux on x86_64")
    folder = tmp_path_factory.mktemp("s3")
    (folder / "bank").mkdir()
    fill(folder / "bank")
    port = free_port()
    command = [
        str(RCLONE),
        "serve",
        "s3",
        str(folder),
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        "key-id,s3cret-s3cret",
    ]
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield port, process
    ended(process)


@pytest.fixture(scope="module")
def sftp(
    tmp_path_factory: pytest.TempPathFactory, sshd_path: str
) -> Iterator[tuple[int, Path, "subprocess.Popen[bytes]"]]:
    """OpenSSH's own server with keys of its own."""
    folder = tmp_path_factory.mktemp("sftp")
    fill(folder)
    (folder / "in" / "link.txt").symlink_to(folder / "outside.txt")
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/client.pub\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
        f"PidFile {folder}/pid\n"
    )
    command = [sshd_path, "-D", "-e", "-f", str(folder / "config")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield port, folder, process
    ended(process)


def names() -> dict[str, str]:
    """What `fill` puts into a folder, by name."""
    digest = hashlib.sha256(CONTENT.encode()).hexdigest()
    found = {"in/2026/a.csv": CONTENT, "in/2026/a.csv.sha256": f"{digest}  a.csv\n"}
    return found | {"in/empty.txt": "", "outside.txt": "secret"}


@pytest.fixture(scope="module")
def gcs() -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    server = gcs_server(names())
    yield server
    ended(server[1])


@pytest.fixture(scope="module")
def azure_blob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    server = azure_server(names(), tmp_path_factory.mktemp("azure"))
    yield server
    ended(server[1])


@pytest.fixture(params=["s3", "gcs", "azure_blob", "sftp"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Checks, SealedConnection]]:
    server = request.getfixturevalue(request.param)
    port = server[0]
    await listening(port, server[-1])
    checks = Checks(tmp_path, [f"127.0.0.1:{port}"])
    made = {"s3": bucket, "gcs": google_bucket, "azure_blob": container}.get(request.param)
    yield checks, made(port) if made else folder_of(port, server[1])
    await checks.close()


def bucket(port: int, **more: Any) -> SealedConnection:
    settings = {"kind": "s3", "bucket": "bank", "prefix": "in", "endpoint_url": f"http://127.0.0.1:{port}"}
    secret = more.pop("secret", "s3cret-s3cret")
    return sealed(S3Settings.model_validate({**settings, "access_key_id": "key-id", **more}), secret_access_key=secret)


def google_bucket(port: int) -> SealedConnection:
    settings = {"kind": "gcs", "bucket": "bank", "prefix": "in", "endpoint_url": f"http://127.0.0.1:{port}"}
    return sealed(GcsSettings.model_validate({**settings, "auth": "none"}))


def container(port: int, secret: str = AZURITE_KEY) -> SealedConnection:
    settings = {"kind": "azure_blob", "account": AZURITE_ACCOUNT, "container": "bank", "prefix": "in"}
    address = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
    known = AzureBlobSettings.model_validate({**settings, "endpoint_url": address, "auth": "account_key"})
    return sealed(known, account_key=secret)


def folder_of(port: int, folder: Path, **more: Any) -> SealedConnection:
    key = " ".join((folder / "host.pub").read_text().split()[:2])
    user = pwd.getpwuid(os.geteuid()).pw_name
    settings = {"kind": "sftp", "host": "127.0.0.1", "port": port, "username": user, "auth": "private_key"}
    private = more.pop("private_key", (folder / "client").read_text())
    known = SftpSettings.model_validate({**settings, "root": str(folder / "in"), "host_key": key, **more})
    return sealed(known, private_key=private)


@pytest.mark.req("IR-3")
async def test_files_are_found_and_looked_into(place: tuple[Checks, SealedConnection]) -> None:
    """Glob over folders, count, size, hash, checksum file beside it, columns and rows."""
    checks, connection = place
    digest = hashlib.sha256(CONTENT.encode()).hexdigest()
    result = await checks.run(
        {"type": "file_check", "connection": "conn", "path": "**/*.csv", "checksum": "sha256", "stable": "10ms"},
        connection=connection,
        asserts=[
            {"subject": "count", "operators": {"eq": 1}},
            {"subject": "size", "operators": {"eq": len(CONTENT)}},
            {"subject": "age", "operators": {"lt": 3600}},
            {"subject": "hash", "operators": {"eq": digest}},
            {"subject": "columns", "operators": {"eq": ["id", "amount"]}},
            {"subject": "rows", "operators": {"eq": 2}},
            {"subject": "column", "argument": "id", "row": "first", "operators": {"eq": "007"}},
        ],
    )
    assert result.ok, result.message


async def test_empty_and_missing_files_are_told_apart(place: tuple[Checks, SealedConnection]) -> None:
    checks, connection = place
    check = {"type": "file_check", "connection": "conn"}
    empty = await checks.run(
        {**check, "path": "empty.txt"},
        connection=connection,
        asserts=[{"subject": "size", "operators": {"eq": 0}}, {"subject": "content", "operators": {"eq": ""}}],
    )
    assert empty.ok, empty.message
    missing = await checks.run({**check, "path": "none.txt"}, connection=connection)
    assert missing.failure_class == FailureClass.NOT_FOUND
    for path in ("../outside.txt", "..%2foutside.txt", "link.txt/../../outside.txt"):
        refused = await checks.run({**check, "path": path}, connection=connection)
        assert refused.reason == "path_denied", refused.message


@pytest.mark.req("NFR-012")
async def test_the_policy_holds_when_they_connect(place: tuple[Checks, SealedConnection], tmp_path: Path) -> None:
    """Loopback is refused without an exception, whatever library connects."""
    _, connection = place
    strict = Checks(tmp_path, [])
    result = await strict.run({"type": "file_check", "connection": "conn", "path": "a.csv"}, connection=connection)
    assert (result.failure_class, result.ours) == (FailureClass.BLOCKED_BY_POLICY, True), result.message
    await strict.close()


@pytest.mark.req("FR-014")
async def test_wrong_secrets_are_our_error(s3: tuple[int, Any], sftp: tuple[int, Path, Any], tmp_path: Path) -> None:
    """Also a server that shows another key than the connection's."""
    await listening(s3[0], s3[-1])
    await listening(sftp[0], sftp[-1])
    checks = Checks(tmp_path, [f"127.0.0.1:{s3[0]}", f"127.0.0.1:{sftp[0]}"])
    check = {"type": "file_check", "connection": "conn", "path": "*.csv"}
    refused = await checks.run(check, connection=bucket(s3[0], secret="wr0ng-wr0ng"))
    assert (refused.failure_class, refused.ours) == (FailureClass.AUTH, True), refused.message
    shutil.copy(sftp[1] / "host", tmp_path / "other")
    stranger = await checks.run(
        check, connection=folder_of(sftp[0], sftp[1], private_key=(sftp[1] / "host").read_text())
    )
    assert (stranger.failure_class, stranger.ours) == (FailureClass.AUTH, True), stranger.message
    key = " ".join((sftp[1] / "client.pub").read_text().split()[:2])
    other = await checks.run(check, connection=folder_of(sftp[0], sftp[1], host_key=key))
    assert (other.failure_class, other.reason) == (FailureClass.TLS, "host_key"), other.message
    await checks.close()


@pytest.mark.req("NFR-012")
async def test_a_link_out_of_the_folder_is_refused(sftp: tuple[int, Path, Any], tmp_path: Path) -> None:
    await listening(sftp[0], sftp[-1])
    checks = Checks(tmp_path, [f"127.0.0.1:{sftp[0]}"])
    check = {"type": "file_check", "connection": "conn", "path": "link.txt"}
    result = await checks.run(check, connection=folder_of(sftp[0], sftp[1]))
    assert result.reason == "path_denied", result.message
    await checks.close()
