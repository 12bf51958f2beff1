"""What every worker is told about politeness, beside its own settings."""

from pydantic import Field, field_validator
from steptrail_common.settings import WorkerSettings

from steptrail_checks.politeness import Politeness, parse_rate
from steptrail_checks.shared_counts import MEMORY


class CheckWorkerSettings(WorkerSettings):
    """`STEPTRAIL_TARGET_RATE`, `STEPTRAIL_TARGET_CONCURRENCY`, `STEPTRAIL_LIMITS`, or with the worker's own prefix."""

    target_rate: str = Field(
        default="20/second", description="How often one target is asked: 20/second, 100/minute; off for no limit"
    )
    target_concurrency: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Checks of one target under way at once, in all workers with the same store",
    )
    limits: str = Field(
        default=MEMORY,
        description="Where workers count together: memory: (each worker for itself), redis://…, mongodb://…/database",
    )

    @field_validator("target_rate")
    @classmethod
    def _is_a_rate(cls, value: str) -> str:
        parse_rate(value)
        return value

    def politeness(self) -> Politeness:
        """As these settings say. Raises `ConfigurationError`."""
        return Politeness(rate=self.target_rate, concurrency=self.target_concurrency, store=self.limits)
