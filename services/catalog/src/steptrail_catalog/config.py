"""The settings of the catalog: `STEPTRAIL_CATALOG_…`, shared ones also as `STEPTRAIL_…`."""

from pydantic_settings import SettingsConfigDict
from steptrail_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """`store` is `mongodb://…/database` or `sqlite+aiosqlite:///path`; `public_key` seals secrets (base64)."""

    model_config = SettingsConfigDict(env_prefix="STEPTRAIL_CATALOG_")

    store: str
    public_key: str
    port: int = 8081
