"""Settings of the crawler: `STEPTRAIL_CRAWLER_…`, falling back to the shared `STEPTRAIL_…`."""

import os
import socket
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from steptrail_checks.settings import CheckWorkerSettings


class Settings(CheckWorkerSettings):
    """What the crawler is told."""

    model_config = SettingsConfigDict(
        env_prefix="STEPTRAIL_CRAWLER_", extra="forbid", frozen=True, env_ignore_empty=True
    )

    port: int = Field(default=8084, ge=0, le=65535)
    worker_id: str = Field(default_factory=lambda: f"crawler-{socket.gethostname()}-{os.getpid()}", max_length=200)
    concurrency: int = Field(default=20, ge=1, le=1000, description="Attempts under way at once")
    evidence: str = Field(default="./data/evidence", description="A folder or any fsspec address")
    private_keys: list[SecretStr] = Field(default=[], description="Keys that open secrets, newest first")
    private_key_files: list[Path] = Field(default=[], description="Files with one such key per line")
    egress_allow: list[str] = Field(default=[], description="Private networks that may be reached: CIDR or CIDR:port")
    egress_exceptions: list[str] = Field(default=[], description="ip:port that may be reached even on loopback")
    egress_deny: list[str] = Field(default=[], description="The installation's own services: CIDR or ip:port")
    kinds: list[str] = Field(
        default=[], description="The kinds of work this worker takes, such as web_crawl_rendered; all without it"
    )
    browser: Path | None = Field(default=None, description="Chromium's program; looked for on the PATH without it")
    browser_pages: int = Field(default=4, ge=1, le=50, description="Pages open in the browser at once")
    browser_memory_mb: int = Field(
        default=2048,
        ge=256,
        le=65536,
        description="Memory of the browser after which it is renewed; half of it per page",
    )
    browser_sandbox: bool | None = Field(
        default=None, description="Chromium's sandbox; without this on, but for root, whom Chromium denies it"
    )
    file_roots: list[Path] = Field(default=[], description="Local folders below which files may be looked for")
