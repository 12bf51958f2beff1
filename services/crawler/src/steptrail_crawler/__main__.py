"""The crawler as a process: `python -m steptrail_crawler`."""

from steptrail_common.service import main

from steptrail_crawler.config import Settings
from steptrail_crawler.service import build


def run() -> None:
    main(Settings, build)


if __name__ == "__main__":
    run()
