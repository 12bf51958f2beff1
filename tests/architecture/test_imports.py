"""The direction of imports, as import-linter's contracts in `pyproject.toml` say it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .tree import ROOT, SERVICES, projects, sources


@pytest.mark.req("NFR-016")
@pytest.mark.timeout(300)
def test_the_import_contracts_are_kept() -> None:
    """Services apart, rooms inward, domain without I/O, common at the bottom: the report names what breaks a rule."""
    program = shutil.which("lint-imports") or Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.req("NFR-016")
def test_the_contracts_speak_of_every_package() -> None:
    """A new package that no contract names would be free of all rules. Examples are other people's packages."""
    rules = (ROOT / "pyproject.toml").read_text().split("[tool.importlinter]")[1]
    root_packages = rules.split("]")[0]
    for folder in projects():
        if ROOT / "examples" in folder.parents:
            continue
        package = next((folder / "src").glob("steptrail_*")).name
        assert f'"{package}"' in root_packages, f"{package} is not among root_packages"


@pytest.mark.req("NFR-016")
def test_the_contracts_protect_every_inner_room() -> None:
    """`pure` names every domain and every ports, `front-door` every room behind the service module."""
    rules = (ROOT / "pyproject.toml").read_text()
    pure, door = (rules.split(f'id = "{name}"')[1].split("[[tool")[0] for name in ("pure", "front-door"))
    modules = {path.relative_to(ROOT).with_suffix("").as_posix() for path in sources()}
    for service in SERVICES:
        package = f"services/{service}/src/steptrail_{service}"
        for room in ("domain", "ports", "handlers", "queries", "adapters", "entrypoints"):
            if {f"{package}/{room}", f"{package}/{room}/__init__"} & modules:
                name = f'"steptrail_{service}.{room}"'
                assert name in door, f"{name} is missing in the contract front-door"
                assert room not in ("domain", "ports") or name in pure, f"{name} is missing in the contract pure"
