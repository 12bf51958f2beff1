"""Serves; with arguments it runs a command beside a running installation instead."""

import sys

from steptrail_common.service import main

from steptrail_gateway.config import Settings
from steptrail_gateway.service import build, command

if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(command(sys.argv[1:]))
    main(Settings, build)
