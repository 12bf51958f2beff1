"""The settings of the notifier: `STEPTRAIL_NOTIFIER_…`, shared ones also as `STEPTRAIL_…`."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from steptrail_common.settings import PublicUrl, ServiceSettings


class Settings(ServiceSettings):
    """`store` is `postgresql+asyncpg://…` or `sqlite+aiosqlite:///path`; keys are 32 bytes in base64.

    `private_keys`: newest first; `private_key_files`: files with one key per line. Lists are written as JSON.
    `egress_…`: see the egress policy; `egress_deny` names the installation's own services.
    `public_url`: the address people type; messages link to runs and incidents below it, and to nothing without it.
    """

    model_config = SettingsConfigDict(env_prefix="STEPTRAIL_NOTIFIER_")

    store: str
    port: int = 8084
    public_key: str
    public_url: PublicUrl | None = None
    private_keys: list[SecretStr] = []
    private_key_files: list[Path] = []
    egress_allow: list[str] = []
    egress_exceptions: list[str] = []
    egress_deny: list[str] = []
