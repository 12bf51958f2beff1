"""The typed form of every kind of connection; `ConnectionSettings` is their union, told apart by `kind`."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from steptrail_common.contracts.connections.databases import (
    DatabaseServer,
    MongodbSettings,
    MssqlSettings,
    MysqlSettings,
    OracleSettings,
    PostgresqlSettings,
    SqliteSettings,
)
from steptrail_common.contracts.connections.files import (
    AzureBlobSettings,
    FilesSettings,
    GcsSettings,
    S3Settings,
    SftpSettings,
)
from steptrail_common.contracts.connections.http import HttpSettings

__all__ = [
    "TRIED_BY",
    "AzureBlobSettings",
    "ConnectionSettings",
    "DatabaseServer",
    "FilesSettings",
    "GcsSettings",
    "HttpSettings",
    "MongodbSettings",
    "MssqlSettings",
    "MysqlSettings",
    "OracleSettings",
    "PostgresqlSettings",
    "S3Settings",
    "SftpSettings",
    "SqliteSettings",
]

ConnectionSettings = Annotated[
    HttpSettings
    | PostgresqlSettings
    | MysqlSettings
    | MssqlSettings
    | OracleSettings
    | MongodbSettings
    | SqliteSettings
    | FilesSettings
    | S3Settings
    | GcsSettings
    | AzureBlobSettings
    | SftpSettings,
    Field(discriminator="kind"),
]

TRIED_BY: Mapping[str, str] = {
    "http": "api_call",
    **dict.fromkeys(("files", "s3", "gcs", "azure_blob", "sftp"), "file_check"),
}
"""Which kind of check tries a connection of each kind; the others are databases and tried by `db_query`."""
