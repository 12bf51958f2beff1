"""Settings of connections to databases: typed fields, never a free address."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from steptrail_common.contracts.connections.base import Connected
from steptrail_common.contracts.connections.certificates import MAX_CERTIFICATE_CHARACTERS, certificate_pem

Host = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[A-Za-z0-9._:-]+$",
        description="Name or address of the server, without a port",
    ),
]
Tls = Annotated[
    Literal["disable", "require", "verify-full"],
    Field(
        description="disable: not encrypted; require: encrypted, any certificate is taken; verify-full: encrypted, and "
        "the certificate must be valid for this host"
    ),
]
Username = Annotated[
    str,
    Field(min_length=1, max_length=128, description="The account to sign in with: one that can only read"),
]


class _Server(Connected):
    """What all database servers have. Secret: `password`."""

    host: Host
    tls: Tls = "require"
    ca_certificate: str | None = Field(
        default=None,
        max_length=MAX_CERTIFICATE_CHARACTERS,
        description="With verify-full: the certificate (PEM) of the authority that signed the server's, if it is none "
        "that this machine trusts",
    )

    @field_validator("ca_certificate")
    @classmethod
    def _is_pem(cls, value: str | None) -> str | None:
        return certificate_pem(value)


class _Identified(_Server):
    """Servers that may ask for a certificate of ours. Its key is the secret `client_key`."""

    client_certificate: str | None = Field(
        default=None,
        max_length=MAX_CERTIFICATE_CHARACTERS,
        description="The certificate (PEM) to identify with in TLS; its key is the secret `client_key`",
    )

    @field_validator("client_certificate")
    @classmethod
    def _client_is_pem(cls, value: str | None) -> str | None:
        return certificate_pem(value)

    @model_validator(mode="after")
    def _identifies_in_tls(self) -> Self:
        if self.client_certificate and self.tls == "disable":
            raise ValueError("a client certificate is shown in TLS only: set tls to require or verify-full")
        return self


class PostgresqlSettings(_Identified):
    """A PostgreSQL database. Secrets: `password`, `client_key`."""

    kind: Literal["postgresql"]
    port: int = Field(default=5432, ge=1, le=65535, description="Port of the server")
    database: Annotated[str, Field(min_length=1, max_length=63, description="Name of the database")]
    username: Annotated[Username, Field(max_length=63)]


class MysqlSettings(_Identified):
    """A MySQL or MariaDB database. Secrets: `password`, `client_key`."""

    kind: Literal["mysql"]
    port: int = Field(default=3306, ge=1, le=65535, description="Port of the server")
    database: Annotated[str, Field(min_length=1, max_length=64, description="Name of the database")]
    username: Username


class MssqlSettings(_Server):
    """A Microsoft SQL Server database. Secret: `password`."""

    kind: Literal["mssql"]
    port: int = Field(default=1433, ge=1, le=65535, description="Port of the server; named instances have one as well")
    database: Annotated[str, Field(min_length=1, max_length=128, description="Name of the database")]
    username: Username


class OracleSettings(_Server):
    """An Oracle database, reached in thin mode. Secret: `password`."""

    kind: Literal["oracle"]
    port: int = Field(default=1521, ge=1, le=65535, description="Port of the listener; with TLS mostly 2484")
    service_name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=r"^[A-Za-z0-9_.$#-]+$",
            description="The service to connect to, such as erp.example.com",
        ),
    ]
    username: Username


class MongodbSettings(_Identified):
    """One member of a MongoDB deployment, or a router (mongos). Secrets: `password`, `client_key`."""

    kind: Literal["mongodb"]
    port: int = Field(default=27017, ge=1, le=65535, description="Port of the server")
    database: Annotated[
        str,
        Field(
            min_length=1, max_length=63, pattern=r'^[^/\\. "$*<>:|?\x00]+$', description="The database that is asked"
        ),
    ]
    username: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=128,
            description="The account to sign in with: one that can only read; empty for a server without sign-in",
        ),
    ] = None
    auth_database: Annotated[
        str,
        Field(min_length=1, max_length=63, pattern=r'^[^/\\. "$*<>:|?\x00]+$', description="Where the account is kept"),
    ] = "admin"


class SqliteSettings(Connected):
    """A SQLite file below a folder the installation allows. No secrets."""

    kind: Literal["sqlite"]
    path: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2000,
            description="Absolute path of the file, below a folder that the installation allows (STEPTRAIL_FILE_ROOTS)",
        ),
    ]


DatabaseServer = PostgresqlSettings | MysqlSettings | MssqlSettings | OracleSettings | MongodbSettings
"""The settings that have `host` and `port`."""
