"""The settings of the orchestrator: `STEPTRAIL_ORCHESTRATOR_…`, shared ones also as `STEPTRAIL_…`."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from steptrail_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """`store` is `postgresql+asyncpg://…` or `sqlite+aiosqlite:///path`; `evidence` a folder or fsspec address."""

    model_config = SettingsConfigDict(env_prefix="STEPTRAIL_ORCHESTRATOR_")

    store: str
    port: int = 8082
    catalog_url: str = "http://127.0.0.1:8081"
    evidence: str = "evidence"
    lease_seconds: float = Field(default=15.0, gt=0, le=600)
    heartbeat_seconds: float = Field(default=5.0, gt=0, le=200, description="A third of the lease")
    grace_seconds: float = Field(default=10.0, gt=0, le=600)
    notice_seconds: float = Field(default=2.0, gt=0, le=600)
    pickup_seconds: float = Field(default=60.0, gt=0, le=86400)
    republish_seconds: float = Field(default=20.0, gt=0, le=86400)
    worker_live_seconds: float = Field(default=25.0, gt=0, le=600)
    poll_seconds: float = Field(default=1.0, gt=0, le=60, description="How often the ticker looks without being told")
    schedule_poll_seconds: float = Field(default=5.0, gt=0, le=60, description="How often due schedules are looked for")
    schedule_resync_seconds: float = Field(default=600.0, gt=0, le=86400, description="Comparing all with the catalog")
    keep_runs_days: float = Field(
        default=0.0, ge=0, le=36500, description="Ended runs are forgotten after so many days; 0 keeps them for ever"
    )
    archive: str | None = Field(
        default=None, description="Folder or fsspec address for runs that are forgotten; without it they are gone"
    )
    orphan_scan_seconds: float = Field(default=30.0, gt=0, le=3600)
