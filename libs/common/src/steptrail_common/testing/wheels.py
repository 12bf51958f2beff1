"""Packages as their users have them: built as wheels."""

import subprocess
import sys
import zipfile
from pathlib import Path


def installed(project: Path, folder: Path) -> Path:
    """A folder for `PYTHONPATH` with the package and its metadata: a wheel of pure Python is installed by unpacking."""
    wheels, unpacked = folder / "wheels", folder / "installed"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=60)
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extractall(unpacked)
    return unpacked
