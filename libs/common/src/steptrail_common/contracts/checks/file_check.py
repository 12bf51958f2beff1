"""Configuration of `file_check`."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from steptrail_common.contracts.checks.configuration import CheckConfiguration, Touch, address_touch, below
from steptrail_common.contracts.checks.text import FilePath, Url
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.model import Duration, Slug


class FileCheck(CheckConfiguration):
    """Look for files below a folder or at an HTTP address: `path` may hold `*` and `?`."""

    subjects: ClassVar[tuple[str, ...]] = (
        "count", "name", "size", "age", "hash", "content", "text", "body", "regex", "jsonpath", "xpath", "selector",
        "rows", "column", "columns", "elapsed",
    )  # fmt: skip
    captures: ClassVar[tuple[str, ...]] = ("file", "jsonpath", "selector", "xpath", "regex")
    connections: ClassVar[tuple[str, ...]] = ("files", "http", "s3", "gcs", "azure_blob", "sftp")

    type: Literal["file_check"]
    connection: Slug | None = Field(default=None, description="The place: a folder, bucket, server or address")
    url: Url | None = Field(default=None, description="The whole address of one file, instead of a connection")
    path: FilePath | None = Field(
        default=None, description="Below the connection's folder: invoices/2026-*/INV-??.xml; ** stands for any folders"
    )
    stable: Duration | None = Field(
        default=None, description="Look twice, so far apart: size and time of the files must not change, such as 2s"
    )
    checksum: Literal["sha256", "sha512", "sha1", "md5"] | None = Field(
        default=None, description="The newest file must fit the checksum file beside it: INV.xml and INV.xml.sha256"
    )
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        default=None, description="Between the columns of a CSV file; found by itself without this"
    )

    def touches(self, settings: ConnectionSettings | None) -> Iterator[Touch]:
        names = ("base_url", "root", "bucket", "container")
        base: str | None = next((found for name in names if (found := getattr(settings, name, None))), None)
        if self.url is not None:
            yield address_touch("GET", self.url)
        elif base is None:
            yield Touch("file", f"connection {self.connection}", self.path or None)
        elif base.lower().startswith(("http://", "https://")):
            yield address_touch("GET", below(base, self.path))
        else:
            yield Touch("file", f"{base.rstrip('/')}/{self.path or ''}", f"connection {self.connection}")

    def shares_answer(self) -> bool:
        return True
