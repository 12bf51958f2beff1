"""Settings of the gateway, prefix `STEPTRAIL_GATEWAY_`."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from steptrail_common.settings import PublicUrl, ServiceSettings

MIN_PASSWORD_CHARACTERS = 12


class Settings(ServiceSettings):
    """What the gateway is told. `public_url` is the address people type, needed behind a proxy that ends TLS."""

    model_config = SettingsConfigDict(env_prefix="STEPTRAIL_GATEWAY_")

    store: str
    catalog_url: str = "http://127.0.0.1:8081"
    orchestrator_url: str = "http://127.0.0.1:8082"
    reporting_url: str = "http://127.0.0.1:8083"
    notifier_url: str = "http://127.0.0.1:8084"
    public_url: PublicUrl | None = None
    admin_password: SecretStr | None = None
    topology: Literal["embedded", "distributed"] = "distributed"
    demo: bool = False
    static: Path = Path(__file__).parent / "static"
    session_idle_hours: float = Field(default=12, gt=0, le=24 * 30)
    session_days: float = Field(default=14, gt=0, le=365)
    streams_per_user: int = Field(default=50, ge=1, le=100_000)
    max_streams: int = Field(default=10_000, ge=1, le=100_000)

    @field_validator("admin_password")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_PASSWORD_CHARACTERS:
            raise ValueError(f"must have at least {MIN_PASSWORD_CHARACTERS} characters")
        return value

    @property
    def idle(self) -> timedelta:
        return timedelta(hours=self.session_idle_hours)

    @property
    def absolute(self) -> timedelta:
        return timedelta(days=self.session_days)
