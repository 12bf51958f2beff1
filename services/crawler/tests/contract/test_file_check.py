"""`file_check`: local folders and files behind HTTP, the same questions to both."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from steptrail_checks.attempt import Attempts
from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.connections import FilesSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import StepResult
from steptrail_common.sealing import SecretsKeyring

from ..conftest import KEYS, Checks, Site, answer, sealed


def put(folder: Path, name: str, content: str = "x", *, hours_old: float = 0.0) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    moment = time.time() - hours_old * 3600
    os.utime(path, (moment, moment))


def local(root: Path) -> SealedConnection:
    return sealed(FilesSettings(kind="files", root=str(root)))


async def look(checks: Checks, path: str, *, root: Path | None = None, **more: Any) -> StepResult:
    return await checks.run(
        {"type": "file_check", "connection": "conn", "path": path}, connection=local(root or checks.files), **more
    )


def of(subject: str, **operators: Any) -> dict[str, Any]:
    return {"subject": subject, "operators": operators}


@pytest.mark.req("FR-013")
async def test_files_are_counted_measured_dated_and_read(checks: Checks) -> None:
    """Newest first; content is that of the newest."""
    put(checks.files, "invoices/INV-1.xml", "<total>5</total>", hours_old=30)
    put(checks.files, "invoices/INV-2.xml", "<total>99</total>", hours_old=2)
    put(checks.files, "invoices/other.txt")
    result = await look(
        checks,
        "invoices/INV-*.xml",
        asserts=[
            of("count", eq=2), of("size", gt=0), of("age", lt="24h"), of("content", contains="99"),
            {"subject": "xpath", "argument": "//total", "operators": {"eq": 99}},
        ],
        captures={
            "name": {"file": "name"}, "path": {"file": "path"}, "size": {"file": "size"}, "at": {"file": "modified"},
        },
    )  # fmt: skip
    assert result.ok, result.message
    assert (result.captures["name"], result.captures["path"]) == ("INV-2.xml", "invoices/INV-2.xml")
    assert result.captures["size"] == len("<total>99</total>")
    assert result.capture_types == {"at": "datetime"}
    listing = await checks.shown(result, "listing")
    assert listing.index("INV-2.xml") < listing.index("INV-1.xml")
    assert "other.txt" not in listing


async def test_patterns_reach_over_folders(checks: Checks) -> None:
    """Each part of a path may be a pattern."""
    for name in ("2026-01/a.csv", "2026-02/b.csv", "2025-01/c.csv", "2026-01/x/d.csv"):
        put(checks.files, name)
    assert (await look(checks, "2026-*/*.csv", asserts=[of("count", eq=2)])).ok
    assert (await look(checks, "2026-01/a.csv")).ok


@pytest.mark.req("FR-020")
async def test_a_missing_file_shows_what_is_there_instead(checks: Checks) -> None:
    """Not found, with the nearest names of the nearest folder that exists."""
    put(checks.files, "out/invoice-4712.xml")
    put(checks.files, "out/unrelated.log")
    result = await look(checks, "out/invoice-4711.xml")
    assert result.failure_class == FailureClass.NOT_FOUND
    assert str(result.message).startswith("no file matches out/invoice-4711.xml")
    assert "invoice-4712.xml" in await checks.shown(result, "listing")
    deeper = await look(checks, "out/deep/er/*.xml", asserts=[of("count", eq=1)])
    assert deeper.failure_class == FailureClass.NOT_FOUND
    assert (await look(checks, "nowhere/*.xml", asserts=[of("count", eq=0)])).ok


async def test_an_old_file_is_stale(checks: Checks) -> None:
    """And says how old it is."""
    put(checks.files, "a.xml", hours_old=30)
    result = await look(checks, "*.xml", asserts=[of("age", lt="24h")])
    assert result.failure_class == FailureClass.STALE
    assert result.message == "age 1 d 6 h, expected below 24h"


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "path", ["../secret.txt", "a/../../secret.txt", "..%2fsecret.txt", "C:\\x", "\\\\server\\share", "a\x00b", "//x/y"]
)
async def test_paths_never_leave_the_folder(path: str, checks: Checks) -> None:
    """Refused as written."""
    put(checks.folder, "secret.txt")
    result = await look(checks, path)
    assert (result.failure_class, result.reason) == (FailureClass.BLOCKED_BY_POLICY, "path_denied")


@pytest.mark.req("NFR-012")
async def test_symbolic_links_never_leave_the_folder(checks: Checks) -> None:
    """A link to a file, a folder, a link inside; links that stay inside are fine."""
    put(checks.folder, "secret.txt", "top secret")
    put(checks.files, "real/a.txt", "fine")
    (checks.files / "file.txt").symlink_to(checks.folder / "secret.txt")
    (checks.files / "folder").symlink_to(checks.folder)
    (checks.files / "inside").symlink_to(checks.files / "real")
    for path in ("file.txt", "folder/secret.txt"):
        result = await look(checks, path, asserts=[of("content", contains="secret")])
        assert (result.failure_class, result.reason) == (FailureClass.BLOCKED_BY_POLICY, "path_denied")
        assert "top secret" not in result.model_dump_json()
    assert (await look(checks, "*.txt", asserts=[of("count", eq=0)])).ok
    assert (await look(checks, "inside/*.txt", asserts=[of("content", eq="fine")])).ok


@pytest.mark.parametrize("root", ["/etc", "/proc/self", "/", "relative", "{folder}", "{files}/../../", "{files}/link"])
async def test_connections_point_only_below_allowed_folders(root: str, checks: Checks) -> None:
    """The installation names them; the refusal says where."""
    (checks.files / "link").symlink_to("/etc")
    place = root.format(folder=checks.folder, files=checks.files)
    result = await look(checks, "passwd", root=Path(place))
    assert (result.failure_class, result.reason) == (FailureClass.BLOCKED_BY_POLICY, "path_denied")
    assert "STEPTRAIL_CRAWLER_FILE_ROOTS" in str(result.message)


async def test_pipes_and_devices_never_block(checks: Checks) -> None:
    """They are not files."""
    os.mkfifo(checks.files / "pipe.txt")
    result = await look(checks, "pipe.txt", asserts=[of("content", contains="x")], timeout_seconds=2.0)
    assert result.failure_class == FailureClass.NOT_FOUND
    assert (await look(checks, "*.txt", asserts=[of("count", eq=0)])).ok


async def test_hostile_file_names_are_shown_as_escapes(checks: Checks) -> None:
    """Newlines, terminal codes, formulas; captured as they are."""
    name = "=cmd()\n\x1b[31m😀.txt"
    put(checks.files, name)
    result = await look(checks, "*.txt", captures={"name": {"file": "name"}})
    assert result.ok, result.message
    assert result.captures["name"] == name
    listing = await checks.shown(result, "listing")
    assert "\\u000a\\u001b[31m😀.txt" in listing
    assert "\x1b" not in listing


async def test_a_file_too_large_to_read_says_so(checks: Checks) -> None:
    """Its size and age can still be checked."""
    with (checks.files / "big.bin").open("wb") as file:
        file.truncate(11 * 1024 * 1024)
    assert (await look(checks, "big.bin", asserts=[of("size", gt=10_000_000)])).ok
    result = await look(checks, "big.bin", asserts=[of("content", contains="x")])
    assert result.failure_class == FailureClass.TOO_LARGE


INDEX = answer(
    '<a href="../">up</a><a href="INV-1.xml">1</a><a href="/files/INV-2.xml">2</a><a href="sub/">s</a>'
    '<a href="http://evil.example/INV-9.xml">e</a><a href="?C=M">sort</a><a href="INV-3.xml?x=1">q</a>',
    content_type="text/html",
)


@pytest.mark.req("IR-3")
async def test_files_behind_http_answer_the_same_questions(site: Site, checks: Checks) -> None:
    """Sizes and times by HEAD, folders by their index page; links elsewhere are not files."""
    site.routes["/files/"] = INDEX
    for number in (1, 2):
        site.routes[f"/files/INV-{number}.xml"] = answer(
            f"<n>{number}</n>", last_modified=f"Sun, 0{number} Nov 2020 10:00:00 GMT"
        )
    connection = sealed(FilesSettings(kind="files", root=f"{site.url}/files"))
    check = {"type": "file_check", "connection": "conn", "path": "INV-*.xml"}
    result = await checks.run(
        check,
        connection=connection,
        asserts=[of("count", eq=2), of("size", eq=8), of("content", eq="<n>2</n>"), of("age", gt="300d")],
        captures={"name": {"file": "name"}},
    )
    assert result.ok, result.message
    assert result.captures == {"name": "INV-2.xml"}
    missing = await checks.run({**check, "path": "INV-7.xml"}, connection=connection)
    assert missing.failure_class == FailureClass.NOT_FOUND
    assert "INV-1.xml" in await checks.shown(missing, "listing")


async def test_one_file_is_named_by_its_address(site: Site, checks: Checks) -> None:
    """A url stands alone; a server without HEAD is asked with GET."""
    site.routes["/report.csv"] = answer("a;b", last_modified="Sun, 01 Nov 2020 10:00:00 GMT")
    check = {"type": "file_check", "url": f"{site.url}/report.csv"}
    result = await checks.run(check, asserts=[of("count", eq=1), of("size", eq=3), of("content", eq="a;b")])
    assert result.ok, result.message
    site.routes["/report.csv"] = answer("", "405 Method Not Allowed")
    assert (await checks.run(check)).failure_class == FailureClass.HTTP_STATUS
    site.routes["/report.csv"] = answer("", "403 Forbidden")
    assert (await checks.run(check)).failure_class == FailureClass.PERMISSION
    gone = await checks.run({"type": "file_check", "url": f"{site.url}/none.csv"})
    assert gone.failure_class == FailureClass.NOT_FOUND


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://169.254.169.254/x", "http://10.0.0.1/x", "s3://bucket/x", "zip::http://x/y"]
)
async def test_file_addresses_obey_the_egress_policy(url: str, checks: Checks) -> None:
    """The same policy as for pages."""
    result = await checks.run({"type": "file_check", "url": url})
    assert result.failure_class == FailureClass.BLOCKED_BY_POLICY, result.message


async def test_a_folder_is_tried_and_its_rights_told(checks: Checks) -> None:
    """Whether the worker could also write."""
    attempts = Attempts(
        checks.kinds["file_check"], checks.evidence, SecretsKeyring((KEYS.private,)), worker_id="crawler-1"
    )
    put(checks.files, "a.txt")
    tried = await attempts.test(local(checks.files))
    assert tried.ok, tried.message
    assert tried.rights is not None
    assert tried.rights.level == "can_write"
    assert not (await attempts.test(local(checks.files / "none"))).ok


def _zipped(**entries: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name.replace("_up_", "../"), text)
    return made.getvalue()


def _tarred() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../x"))
    return made.getvalue()


ARCHIVES = {
    "slip.zip": _zipped(_up_x="out"),
    "bomb.zip": _zipped(a="0" * 5_000_000),
    "table.xlsx": _zipped(**{"xl/vbaProject.bin": "macro", "xl/externalLinks/1.xml": "<a/>"}),
    "empty.zip": _zipped(),
    "bomb.gz": gzip.compress(b"0" * 5_000_000),
    "a.bz2": bz2.compress(b"0"),
    "a.xz": lzma.compress(b"0"),
    "a.tar": _tarred(),
    "encrypted.zip": b"PK\x03\x04\x14\x00\x09\x00\x08\x00" + b"\x00" * 100,
    "a.7z": b"7z\xbc\xaf\x27\x1c" + b"\x00" * 100,
    "renamed.csv": _zipped(a="id;amount"),
}


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("name", ARCHIVES)
async def test_archives_of_every_kind_are_never_opened(name: str, checks: Checks) -> None:
    """Told by their first bytes, whatever they are called; what lies outside can still be checked."""
    (checks.files / name).write_bytes(ARCHIVES[name])
    for subject in (of("content", contains="x"), of("rows", gt=0), of("jsonpath", exists=True) | {"argument": "$"}):
        result = await look(checks, name, asserts=[subject])
        assert (result.failure_class, result.reason) == (FailureClass.BLOCKED_BY_POLICY, "archive_denied")
    known = hashlib.sha256(ARCHIVES[name]).hexdigest()
    outside = await look(checks, name, asserts=[of("size", eq=len(ARCHIVES[name])), of("hash", eq=known)])
    assert outside.ok, outside.message
    assert sorted(path.name for path in checks.files.iterdir()) == [name]


TABLES = {
    "a million columns": ",".join("c" for _ in range(1_000_000)) + "\n",
    "an unclosed quote": 'id,amount\n"1,2\n3,4\n',
    "an endless cell": "id,amount\n" + "x" * 200_000 + ",1\n",
    "uneven lines": "id,amount\n1\n",
    "nothing": "",
    "nothing but NUL": "\x00" * 4096,
    "NUL behind its names": "id,amount\n" + "\x00" * 4096,
    "NUL between its rows": "id,amount\n1,2\n" + "\x00" * 10 + "\n3,4\n",
}


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize("name", TABLES)
async def test_hostile_tables_are_bad_files(name: str, checks: Checks) -> None:
    """The target's fault, by name; the worker goes on."""
    put(checks.files, "a.csv", TABLES[name])
    result = await look(checks, "a.csv", asserts=[of("rows", gt=100)])
    assert (result.failure_class, result.reason, result.ours) == (FailureClass.PROTOCOL, "bad_file", False), name
    assert (await look(checks, "a.csv", asserts=[of("count", eq=1)])).ok


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be"])
async def test_a_table_in_another_encoding_of_unicode_is_none(charset: str, checks: Checks) -> None:
    """Every other byte of it is NUL, no character is."""
    (checks.files / "a.csv").write_bytes("id,amount\n1,2\n".encode(charset))
    assert (await look(checks, "a.csv", asserts=[of("rows", eq=1), of("column", eq=2) | {"argument": "amount"}])).ok


async def test_where_a_folder_lies_on_the_machine_is_not_told(checks: Checks) -> None:
    """People see the folder's name and what lies below it."""
    put(checks.files, "out/a.csv", "id\n1\n")
    found = await look(checks, "out/*.csv")
    missing = await look(checks, "out/*.xml")
    assert found.target == "files/out/*.csv"
    for result in (found, missing):
        assert str(checks.folder) not in result.model_dump_json()
