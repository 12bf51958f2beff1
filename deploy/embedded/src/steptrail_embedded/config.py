"""What the environment may say to an embedded installation, besides the settings of its services."""

from steptrail_common.settings import WorkerSettings


class Settings(WorkerSettings):
    """Lists are JSON. `egress_…` open the egress policy, `file_roots` add folders that file checks may read."""

    egress_allow: list[str] = []
    egress_exceptions: list[str] = []
    file_roots: list[str] = []
