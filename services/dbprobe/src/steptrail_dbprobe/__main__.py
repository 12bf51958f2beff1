"""The database probe as a process: `python -m steptrail_dbprobe`."""

from steptrail_common.service import main

from steptrail_dbprobe.config import Settings
from steptrail_dbprobe.service import build


def run() -> None:
    main(Settings, build)


if __name__ == "__main__":
    run()
