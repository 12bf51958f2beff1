#!/usr/bin/env bash
# The whole test suite: the page's unit tests, then everything in Python against real servers. Extra words go to pytest.
set -uo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE  # the tests start dozens of Python processes; compiling every module each time doubles it
page=0
(cd services/gateway/ui && ../../../scripts/node.sh npm test --silent) || page=$?
if [ $page -ne 0 ]; then echo "The page's tests failed; the others follow." >&2; fi
.venv/bin/python -m steptrail_common.testing.programs || exit 1
# A process for each core: each starts the servers that its own tests ask for, and the product beside them, so that more
# only make each other late.
cores=$(nproc)
.venv/bin/python -m pytest -n $((cores < 4 ? cores : 4)) --dist loadscope --no-loadscope-reorder "$@"
rest=$?
if [ $page -ne 0 ]; then echo "FAILED: the page's tests (above)"; exit 1; fi
exit $rest
