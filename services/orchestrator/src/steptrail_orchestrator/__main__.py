"""The orchestrator as a process: `python -m steptrail_orchestrator`."""

from steptrail_common.service import main

from steptrail_orchestrator.config import Settings
from steptrail_orchestrator.service import build


def run() -> None:
    main(Settings, build)


if __name__ == "__main__":
    run()
