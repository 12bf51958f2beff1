"""The settings of reporting: `STEPTRAIL_REPORTING_…`, shared ones also as `STEPTRAIL_…`."""

from pydantic_settings import SettingsConfigDict
from steptrail_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """`store` is `postgresql+asyncpg://…` or `sqlite+aiosqlite:///path`."""

    model_config = SettingsConfigDict(env_prefix="STEPTRAIL_REPORTING_")

    store: str
    port: int = 8083
