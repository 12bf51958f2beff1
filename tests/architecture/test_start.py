"""What a start of the embedded product does before it is ready, and what it leaves for later (target P9)."""

import json
import os
import subprocess
import sys
from pathlib import Path

LATER = ["aiohttp", "jsonpath", "cryptography.x509", "steptrail_common.cel_compiled"]
"""They take a tenth of a start to load, and nothing on the way to readiness needs them."""
COMPOSED = f"""
import json, sys
from pathlib import Path
from steptrail_embedded.paths import DataFolder
from steptrail_embedded.up import Options, compose

folder = DataFolder(Path(sys.argv[1]))
folder.prepare()
service = compose(Options(data=folder)).combined()
before = [name for name in {LATER} if name in sys.modules]
for work in service.ahead:
    work()
print(json.dumps([before, [name for name in {LATER} if name in sys.modules]]))
"""
LOOKED = """
import gc, json, sys
from pathlib import Path
from steptrail_embedded import up
from steptrail_embedded.cli import serving

up.run = lambda options, announce: print(json.dumps([len(gc.get_objects()), gc.get_freeze_count()]))
serving.up(data=Path(sys.argv[1]), port=0, demo_port=0)
"""


def _said(code: str, folder: Path) -> list[list[str]] | list[int]:
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    found: list[list[str]] | list[int] = json.loads(done.stdout)
    return found


def test_what_only_checks_need_is_loaded_once_the_product_is_ready(tmp_path: Path) -> None:
    """Neither before that, nor by the first check."""
    before, after = _said(COMPOSED, tmp_path)
    assert before == []
    assert after == [name for name in LATER if name != "cryptography.x509"], "a certificate is read where there is one"


def test_the_collector_leaves_out_what_was_imported(tmp_path: Path) -> None:
    """It looks once before readiness, and modules are nearly all there is: a fifth of a second."""
    looked_at, frozen = _said(LOOKED, tmp_path)
    assert isinstance(looked_at, int)
    assert isinstance(frozen, int)
    assert looked_at < frozen / 100


def test_every_verb_keeps_byte_code() -> None:
    """Otherwise each start compiles our own modules again."""
    verb = 'say-it:\n\t@echo "[$$PYTHONDONTWRITEBYTECODE]"'
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["make", "--no-print-directory", "--eval", verb, "say-it"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
