"""The gateway's fixtures, as in its own tests: `door` is a running gateway, `open_door` one with other settings."""

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).resolve().parents[2] / "services" / "gateway" / "tests" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("steptrail_gateway_fixtures", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_fixtures = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _fixtures
_SPEC.loader.exec_module(_fixtures)

door = _fixtures.door
open_door = _fixtures.open_door
address = _fixtures.address
serve = _fixtures.serve
from_page = _fixtures.from_page
