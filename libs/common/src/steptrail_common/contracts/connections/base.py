"""What connections of every kind have."""

from pydantic import Field

from steptrail_common.contracts.model import Contract


class Connected(Contract):
    """Settings of any kind of connection."""

    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Checks through this connection under way at once, over all processes; further ones wait for "
        "their turn. Without a number there is no such limit",
    )
