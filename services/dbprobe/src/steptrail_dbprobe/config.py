"""The settings of the database probe: `STEPTRAIL_DBPROBE_…`, shared ones also as `STEPTRAIL_…`."""

import os
import socket
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from steptrail_checks.settings import CheckWorkerSettings


class Settings(CheckWorkerSettings):
    """Lists are JSON. `evidence` is a folder or any fsspec address that all workers and the orchestrator share.

    `private_keys`: newest first; `private_key_files`: files with one key per line. `file_roots`: folders below which
    SQLite files may be opened. `egress_…`: see the egress policy.
    """

    model_config = SettingsConfigDict(env_prefix="STEPTRAIL_DBPROBE_")

    port: int = 8087
    evidence: str
    private_keys: list[SecretStr] = []
    private_key_files: list[Path] = []
    file_roots: list[Path] = []
    egress_allow: list[str] = []
    egress_exceptions: list[str] = []
    egress_deny: list[str] = []
    allow_superuser: bool = False
    concurrency: int = Field(default=20, ge=1, le=1000)
    worker_id: str = Field(default_factory=lambda: f"dbprobe-{socket.gethostname()}-{os.getpid()}")
