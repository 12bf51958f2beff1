"""Sizes and rooms: what keeps the code easy to find one's way in."""

import pytest

from .tree import ROOT, SERVICES, code_lines, functions, project, projects, sources

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
README_LINES = 60
ROOMS = {
    "__init__",
    "__main__",
    "service",
    "config",
    "entrypoints",
    "handlers",
    "queries",
    "ports",
    "domain",
    "adapters",
}
EVERYWHERE = {"__init__", "__main__", "service", "config", "adapters"}

COMMON_BUDGETS = {
    "bus": 975,
    "guards": 605,
    "core": 1745,
}
"""Lines of code in common, without contracts and testing: the port of the bus with its two adapters; the guards of what
goes out (egress, sealing, evidence); everything else that each service starts from."""


def test_no_function_is_longer_than_60_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """About 30 is usual; those above 45 are printed. Migrations are lists of columns, not logic."""
    lengths = [
        (length, f"{path.relative_to(ROOT)}:{name}")
        for path in sources()
        if "migrations" not in path.parts
        for name, length in functions(path)
    ]
    with capsys.disabled():
        for length, name in sorted(lengths, reverse=True):
            if length > 45:
                print(f"\nlong function: {name} has {length} lines", end="")
    assert [entry for entry in lengths if entry[0] > MAX_FUNCTION_LINES] == []


def test_no_file_is_longer_than_400_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """About 250 is usual; those above 300 are printed."""
    lengths = [(len(path.read_text().splitlines()), str(path.relative_to(ROOT))) for path in sources()]
    with capsys.disabled():
        for length, name in sorted(lengths, reverse=True):
            if length > 300:
                print(f"\nlong file: {name} has {length} lines", end="")
    assert [entry for entry in lengths if entry[0] > MAX_FILE_LINES] == []


def test_common_stays_small() -> None:
    """It is what every service carries: each of its three parts has a budget."""
    folder = ROOT / "libs/common/src/steptrail_common"
    used = dict.fromkeys(COMMON_BUDGETS, 0)
    for path in sources():
        if not path.is_relative_to(folder):
            continue
        part = path.relative_to(folder).parts[0].removesuffix(".py")
        if part in ("contracts", "testing"):
            continue
        group = (
            "bus" if part == "bus" else "guards" if part in ("addresses", "egress", "sealing", "evidence") else "core"
        )
        used[group] += code_lines(path)
    assert {group: lines for group, lines in used.items() if lines > COMMON_BUDGETS[group]} == {}, used


@pytest.mark.req("NFR-016")
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_rooms_and_no_others(service: str) -> None:
    """Who knows one service finds everything in all of them."""
    package = ROOT / f"services/{service}/src/steptrail_{service}"
    found = {
        path.stem
        for path in package.iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
    }
    assert found <= ROOMS, f"no room of the plan: {sorted(found - ROOMS)}"
    assert found >= EVERYWHERE, f"missing: {sorted(EVERYWHERE - found)}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_readme_of_one_screen(service: str) -> None:
    """What it owns, consumes, emits, stores, and its settings."""
    text = (ROOT / f"services/{service}/README.md").read_text()
    assert len(text.splitlines()) <= README_LINES
    for word in ("own", "consume", "emit", "store", "setting"):
        assert word in text.lower(), f"it does not say what it {word}s"


@pytest.mark.parametrize("service", SERVICES)
def test_main_is_a_dozen_lines(service: str) -> None:
    """Everything else belongs into the composition root."""
    path = ROOT / f"services/{service}/src/steptrail_{service}/__main__.py"
    assert code_lines(path) <= 15


def test_every_package_says_what_it_is() -> None:
    """Name, licence, one sentence; and it is typed for those who import it."""
    for folder in projects():
        about = project(folder)["project"]
        assert about["license"] == "Apache-2.0", folder
        assert about["description"].endswith("."), folder
        package = folder / "src" / about["name"].replace("-", "_")
        assert (package / "py.typed").exists(), folder
        assert (package / "__init__.py").read_text().strip().startswith('"""'), folder


def test_modules_have_a_docstring() -> None:
    """One sentence on why it is there; migrations and empty package files aside."""
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if "versions" not in path.parts and path.read_text().strip() and not path.read_text().lstrip().startswith('"""')
    ]
    assert silent == []
