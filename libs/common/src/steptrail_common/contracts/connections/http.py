"""Settings of connections to web pages and APIs."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from steptrail_common.contracts.connections.base import Connected
from steptrail_common.contracts.connections.certificates import MAX_CERTIFICATE_CHARACTERS, certificate_pem
from steptrail_common.contracts.model import Contract


class FormLogin(Contract):
    """A page with a login form. Hidden fields are sent along; cookies it sets belong to the check that signed in."""

    path: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        description="The page with the form, below the base address"
    )
    username_field: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default="username", description="The `name` of the field for the user name"
    )
    password_field: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default="password", description="The `name` of the field for the password"
    )
    fields: dict[str, str] = Field(default={}, max_length=20, description="Further fields and what goes into them")


class OAuth2Client(Contract):
    """OAuth 2 client credentials: an access token is fetched with `client_id` and the secret `client_secret`."""

    token_url: Annotated[str, Field(pattern=r"^https?://", max_length=2000)] = Field(
        description="Where access tokens are issued"
    )
    client_id: Annotated[str, Field(min_length=1, max_length=500)] = Field(description="The public name of the client")
    scope: str | None = Field(default=None, max_length=2000, description="Scopes to ask for, separated by blanks")
    audience: str | None = Field(default=None, max_length=2000, description="For issuers that want an `audience`")
    send_credentials: Literal["header", "body"] = Field(
        default="header", description="How the issuer takes them: as basic authentication, or as fields of the form"
    )


class HttpSettings(Connected):
    """An API or site.

    Secrets: `password` (basic, form), `token` (bearer), `api_key` (api_key), `client_secret` (oauth2), `client_key`
    (with a client certificate).
    """

    kind: Literal["http"]
    base_url: Annotated[str, Field(pattern=r"^https?://", max_length=2000)] = Field(
        description="The address that the paths of steps stand below"
    )
    auth: Literal["none", "basic", "bearer", "api_key", "oauth2", "form"] = Field(
        default="none", description="How to sign in"
    )
    login: FormLogin | None = Field(default=None, description="For auth: form, which pages use (web_crawl)")
    oauth2: OAuth2Client | None = Field(default=None, description="For auth: oauth2")
    username: str | None = Field(default=None, description="For auth: basic and form")
    api_key_header: str = Field(default="X-API-Key", description="For auth: api_key, the header that carries the key")
    api_key_query: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.~-]{1,100}$",
        description="For auth: api_key, the query parameter that carries the key instead of a header",
    )
    headers: dict[str, str] = Field(default={}, max_length=50, description="Sent with every request to this host")
    verify_tls: bool = Field(default=True, description="Accept valid certificates only")
    ca_certificate: str | None = Field(
        default=None,
        max_length=MAX_CERTIFICATE_CHARACTERS,
        description="The certificate (PEM) of the authority that signed the server's, unless this machine trusts it; "
        "with its revocation list (PEM) behind it, revoked certificates are refused",
    )
    client_certificate: str | None = Field(
        default=None,
        max_length=MAX_CERTIFICATE_CHARACTERS,
        description="The certificate (PEM) to identify with; its key is the secret `client_key`",
    )

    @field_validator("ca_certificate", "client_certificate")
    @classmethod
    def _is_pem(cls, value: str | None) -> str | None:
        return certificate_pem(value)

    @model_validator(mode="after")
    def _sign_in_is_complete(self) -> "HttpSettings":
        if (self.auth == "form") != (self.login is not None):
            raise ValueError("auth: form and login belong together: write both or none")
        if (self.auth == "oauth2") != (self.oauth2 is not None):
            raise ValueError("auth: oauth2 and the fields of oauth2 belong together: write both or none")
        if self.auth == "form" and not self.username:
            raise ValueError("auth: form needs a username")
        if self.client_certificate and not self.base_url.lower().startswith("https://"):
            raise ValueError("a client certificate needs a base address that begins with https://")
        return self
