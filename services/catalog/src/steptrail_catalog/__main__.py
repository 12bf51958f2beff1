"""The catalog as a process: `python -m steptrail_catalog`."""

from steptrail_common.service import main

from steptrail_catalog.config import Settings
from steptrail_catalog.service import build


def run() -> None:
    main(Settings, build)


if __name__ == "__main__":
    run()
