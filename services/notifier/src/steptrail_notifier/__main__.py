"""The notifier as a process: `python -m steptrail_notifier`."""

from steptrail_common.service import main

from steptrail_notifier.config import Settings
from steptrail_notifier.service import build


def run() -> None:
    main(Settings, build)


if __name__ == "__main__":
    run()
