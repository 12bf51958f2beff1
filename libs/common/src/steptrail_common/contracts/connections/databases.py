"""Settings of connections to databases: typed fields, never a free address."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from steptrail_common.contracts.connections.base import Connected

MAX_CERTIFICATE_CHARACTERS = 65_536
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"

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
        if value is None or not value.strip():
            return None
        if "PRIVATE KEY" in value:
            raise ValueError("holds a private key: paste the certificate only")
        if _BEGIN not in value or _END not in value:
            raise ValueError(f"must be a certificate in PEM form, from {_BEGIN} to {_END}")
        return value.strip() + "\n"


class PostgresqlSettings(_Server):
    """A PostgreSQL database. Secret: `password`."""

    kind: Literal["postgresql"]
    port: int = Field(default=5432, ge=1, le=65535, description="Port of the server")
    database: Annotated[str, Field(min_length=1, max_length=63, description="Name of the database")]
    username: Annotated[Username, Field(max_length=63)]


class MysqlSettings(_Server):
    """A MySQL or MariaDB database. Secret: `password`."""

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

    @field_validator("ca_certificate")
    @classmethod
    def _not_taken(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("its driver trusts what the worker's machine trusts: install the authority there")
        return value


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


class MongodbSettings(_Server):
    """One member of a MongoDB deployment, or a router (mongos). Secret: `password`."""

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
