"""Settings of connections to places that hold files: typed fields, never a free address."""

from typing import Annotated, Literal

from pydantic import Field

from steptrail_common.contracts.connections.base import Connected

Endpoint = Annotated[str, Field(pattern=r"^https?://", max_length=2000)]
Prefix = Annotated[
    str, Field(max_length=1000, description="Paths of steps stand below this beginning of names, such as out/invoices")
]


class FilesSettings(Connected):
    """A folder the installation allows, or an HTTP base address."""

    kind: Literal["files"]
    root: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        description="A folder of the workers' machine, or an address that begins with http:// or https://"
    )


class S3Settings(Connected):
    """A bucket of Amazon S3 or of a store that speaks its language. Secrets: `secret_access_key`, `session_token`."""

    kind: Literal["s3"]
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$")] = Field(
        description="Name of the bucket"
    )
    prefix: Prefix = ""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{2,40}$")] = Field(
        default="us-east-1", description="Region of the bucket"
    )
    endpoint_url: Endpoint | None = Field(
        default=None, description="Address of a store that is not Amazon's, such as https://minio.example.com:9000"
    )
    access_key_id: str | None = Field(
        default=None, min_length=1, max_length=200, description="Without it the bucket is read as anybody may"
    )
    verify_tls: bool = Field(default=True, description="Accept valid certificates only")


class GcsSettings(Connected):
    """A bucket of Google Cloud Storage. Secret: `service_account_key` (the JSON file of a service account's key)."""

    kind: Literal["gcs"]
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,221}$")] = Field(description="Name of the bucket")
    prefix: Prefix = ""
    endpoint_url: Endpoint | None = Field(
        default=None, description="Address of the storage, if it is not https://storage.googleapis.com"
    )
    auth: Literal["service_account", "none"] = Field(
        default="service_account", description="How to sign in; none reads what anybody may read"
    )


class AzureBlobSettings(Connected):
    """A container of Azure Blob Storage. Secrets: `account_key` or `sas_token`, as `auth` says."""

    kind: Literal["azure_blob"]
    account: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}$")] = Field(description="Name of the storage account")
    container: Annotated[str, Field(pattern=r"^(\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62})$")] = Field(
        description="Name of the container"
    )
    prefix: Prefix = ""
    endpoint_url: Endpoint | None = Field(
        default=None, description="Address of the account, if it is not https://ACCOUNT.blob.core.windows.net"
    )
    auth: Literal["sas", "account_key", "none"] = Field(
        default="sas",
        description="How to sign in: a shared access signature can be limited to reading, an account key may do "
        "everything; none reads what anybody may read",
    )


class SftpSettings(Connected):
    """A folder of an SFTP server. Secrets: `password` or `private_key` (with `passphrase`), as `auth` says."""

    kind: Literal["sftp"]
    host: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._:-]+$")] = Field(
        description="Name or address of the server, without a port"
    )
    port: int = Field(default=22, ge=1, le=65535, description="Port of the server")
    username: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="The account to sign in with")
    auth: Literal["password", "private_key"] = Field(default="password", description="How to sign in")
    root: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^/")] = Field(
        default="/", description="The folder that the paths of steps stand below"
    )
    host_key: Annotated[
        str,
        Field(
            max_length=2000,
            pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,3}$",
        ),
    ] = Field(description="The server's public key, as `ssh-keyscan` prints it behind the name: `ssh-ed25519 AAAA…`")
