"""Reporting as a process: `python -m steptrail_reporting`."""

from steptrail_common.service import main

from steptrail_reporting.config import Settings
from steptrail_reporting.service import build


def run() -> None:
    main(Settings, build)


if __name__ == "__main__":
    run()
