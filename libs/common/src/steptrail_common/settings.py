"""Typed settings, read once at the edge from the environment.

`STEPTRAIL_<SERVICE>_<NAME>` wins over the shared `STEPTRAIL_<NAME>`; either can be given as `…_FILE`, the path of a
file that holds the value (a mounted secret). What is wrong is reported as one `ConfigurationError` naming variables.
"""

import difflib
import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from steptrail_common.errors import ConfigurationError

SHARED_PREFIX = "STEPTRAIL_"
MIN_TOKEN_CHARACTERS = 32
_PER_SERVICE = frozenset({"store", "port", "metrics_port"})
"""Never read from the shared prefix: two services with the same value would disturb each other."""
_SERVICE_LINK = re.compile(r"_(SERVICE_(HOST|PORT.*)|PORT(_\d+_(TCP|UDP).*)?)$")
"""Variables a Kubernetes cluster injects for a service that happens to be called like us."""
_WELL_KNOWN_SECRETS = ("changeme", "change-me", "secret", "password", "default", "example")


def _origin_only(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("write scheme and host only, such as https://steptrail.example.com")
    return f"{parts.scheme}://{parts.netloc}"


PublicUrl = Annotated[str, AfterValidator(_origin_only)]
"""The address people type, without a path."""


class _OwnThenShared(EnvSettingsSource):
    """Looks under the service's prefix first, then under the shared one; a file's content counts as the value."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        prefixes = [self.env_prefix] if field_name in _PER_SERVICE else [self.env_prefix, SHARED_PREFIX]
        fields = self.settings_cls.model_fields
        for prefix in prefixes:
            name = f"{prefix}{field_name}"
            if (value := self.env_vars.get(name.lower())) is not None:
                return value, field_name, False
            if f"{field_name}_file" not in fields and (path := self.env_vars.get(f"{name}_file".lower())):
                return _read_secret(f"{name}_FILE".upper(), Path(path)), field_name, False
        return None, field_name, False

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Lists may be written as JSON or with commas."""
        if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
            return [part.strip() for part in value.split(",") if part.strip()]
        return super().decode_complex_value(field_name, field, value)


def _read_secret(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{variable}: cannot read {path}: {reason}") from None


class WorkerSettings(BaseSettings):
    """What every process of Steptrail is told. Workers have no API of their own, hence no service token."""

    model_config = SettingsConfigDict(env_prefix=SHARED_PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)
    default_service: ClassVar[str] = "steptrail"

    bus: str = "amqp://guest:guest@127.0.0.1:5672/"
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = None
    environment: str = "production"
    trusted_proxies: list[str] = []
    drain_seconds: float = Field(default=20.0, gt=0, le=600)

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Read the environment; `values` win over it. Raises `ConfigurationError` naming each wrong variable."""
        _refuse_unknown(cls)
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigurationError(_explain(cls, error)) from None
        except SettingsError as error:
            if isinstance(error.__cause__, ConfigurationError):
                raise error.__cause__ from None
            raise ConfigurationError(f"{_prefix(cls)}…: {error}") from None

    @classmethod
    def service_name(cls) -> str:
        """`STEPTRAIL_CATALOG_` → `catalog`."""
        return _prefix(cls).removeprefix(SHARED_PREFIX).strip("_").lower() or cls.default_service

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _OwnThenShared(settings_cls)

    @field_validator("bus")
    @classmethod
    def _no_guest_abroad(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("amqp", "amqps", "memory"):
            raise ValueError("must start with amqp://, amqps:// or be memory:")
        if parts.username == "guest" and not _is_loopback(parts.hostname or ""):
            raise ValueError(f"the account guest is refused on {parts.hostname}: create an account for Steptrail there")
        return value


class ServiceSettings(WorkerSettings):
    """What every service with an API is told; `service_token` is the password between services."""

    service_token: SecretStr

    @field_validator("service_token")
    @classmethod
    def _strong_token(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if len(text) < MIN_TOKEN_CHARACTERS or text.lower().startswith(_WELL_KNOWN_SECRETS):
            raise ConfigurationError(
                f"service_token: must be a random value of at least {MIN_TOKEN_CHARACTERS} characters; "
                "make one with: openssl rand -hex 32"
            )
        return value


def _prefix(cls: type[BaseSettings]) -> str:
    return str(cls.model_config.get("env_prefix", ""))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_unknown(cls: type[BaseSettings]) -> None:
    """A misspelt variable must not silently leave a default in force."""
    prefix = _prefix(cls)
    if prefix == SHARED_PREFIX:
        return
    known = {f"{prefix}{name}".upper() for name in cls.model_fields}
    known |= {f"{name}_FILE" for name in known}
    for name in os.environ:
        if name.startswith(prefix) and name not in known and not _SERVICE_LINK.search(name):
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigurationError(f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))


def _explain(cls: type[BaseSettings], error: ValidationError) -> str:
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{_prefix(cls)}{name.upper()}: {message}")
    return "; ".join(lines)
