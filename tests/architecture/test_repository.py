"""What is committed: nothing of a workplace, nothing unfinished, requirements that anyone can install and check."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .tree import ROOT, committed, project, projects, texts

REGISTRIES = ("py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "deb." + "debian.org")
UNFINISHED = re.compile(
    r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b|Not" + "ImplementedError|@pytest.mark.x" + "fail"
)
HOMES = re.compile(r"(?<![\w.])/(?:" + "ro" + r"ot|ho" + r"me/\w+|wo" + r"rk)/(?!.*\bdocker\b)\w")
LOCKS = ("runtime", "dev", "node")


def test_no_registry_is_named() -> None:
    """A lock or script that names one works only for who can reach it."""
    found = [str(path.relative_to(ROOT)) for path, text in texts() for host in REGISTRIES if host in text]
    assert found == []


def test_no_path_of_somebodys_machine_is_named() -> None:
    """Home folders and workplaces do not exist elsewhere."""
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path, text in texts() if (match := HOMES.search(text))]
    assert found == []


def test_nothing_unfinished_is_marked_in_the_code() -> None:
    """What is not done is not shown; plans live in issues."""
    kinds = {".py", ".ts", ".tsx", ".sh"}
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in texts()
        if path.suffix in kinds and (match := UNFINISHED.search(text))
    ]
    assert found == []


def test_no_key_or_secret_is_committed() -> None:
    """Private keys, environment files and data folders stay outside."""
    key = re.compile("-----BEGIN [A-Z ]*PRIVATE " + "KEY-----")
    named = [path for path in committed() if path.suffix in {".pem", ".key", ".sqlite"} or path.name == ".env"]
    assert named + [path for path, text in texts() if key.search(text)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_requirements_are_pinned_hashed_and_without_addresses(name: str) -> None:
    """The same packages for everybody, from wherever they are fetched."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==\S+", block), block[:80]
        assert "--hash=sha256:" in block, block[:80]
    for forbidden in ("://", "--index", "--find-links", "-e ", "file:"):
        assert forbidden not in text


def locked(name: str) -> dict[str, str]:
    pairs = re.findall(
        r"^([a-z0-9._-]+)(?:\[[a-z,-]+\])?==([^\s;]+)", (ROOT / f"requirements/{name}.txt").read_text(), re.M
    )
    return {canonicalize_name(package): version for package, version in pairs}


def test_the_lock_covers_what_the_packages_ask_for() -> None:
    """A dependency that was added without `make lock` would be missing in a fresh clone."""
    runtime, dev = locked("runtime"), locked("dev")
    assert runtime.items() <= dev.items(), "dev.txt must hold runtime.txt's versions"
    missing = []
    for folder in projects():
        about = project(folder)["project"]
        groups = about.get("optional-dependencies", {})
        asked = [(text, runtime) for text in about["dependencies"]]
        asked += [(text, dev) for texts_ in groups.values() for text in texts_]
        for text, lock in asked:
            wanted = Requirement(text)
            version = lock.get(canonicalize_name(wanted.name))
            if wanted.name.startswith("steptrail-"):
                continue
            if version is None or not wanted.specifier.contains(version, prereleases=True):
                missing.append(f"{about['name']}: {text} (locked: {version}); run make lock")
    assert missing == []


def test_every_import_of_another_distribution_is_declared() -> None:
    """A package's dependency list is honest: its services import nothing that only another one brings."""
    assert undeclared() == []


def undeclared() -> list[str]:
    """Imports of third-party modules that neither the package's pyproject names nor that of common, our platform."""
    import ast
    import importlib.metadata

    owners = importlib.metadata.packages_distributions()
    platform = project(ROOT / "libs/common")["project"]["dependencies"]
    found = set()
    for folder in projects():
        about = project(folder)["project"]
        groups = about.get("optional-dependencies", {})
        texts_ = [*platform, *about["dependencies"], *(text for group in groups.values() for text in group)]
        declared = {canonicalize_name(Requirement(text).name) for text in texts_}
        declared.add(canonicalize_name(about["name"]))
        for path in (folder / "src").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
                for top in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names):
                    providers = {canonicalize_name(owner) for owner in owners.get(top, [])}
                    if providers and not providers & declared:
                        found.add(f"{about['name']}: {top} of {'/'.join(sorted(providers))}")
    return sorted(found)


def test_shell_scripts_are_executable_and_parse() -> None:
    """A script that cannot start is no script."""
    for path in committed():
        if path.suffix == ".sh" or path == ROOT / ".ci/run":
            assert path.stat().st_mode & 0o111, path
            assert subprocess.run(["bash", "-n", path], capture_output=True).returncode == 0, path


def test_continuous_integration_runs_make_test() -> None:
    """The same command as everybody's, with real servers required."""
    text = (ROOT / ".ci/run").read_text()
    assert "STEPTRAIL_REQUIRE_SERVERS=1" in text
    assert "make test" in text


def test_links_between_documents_lead_somewhere() -> None:
    """A document that was moved must not leave its readers behind."""
    broken = []
    for path, text in texts():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" not in target and not target.startswith("mailto:") and not Path(path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)} → {target}")
    assert broken == []


def test_the_table_of_requirements_is_fresh() -> None:
    """Which requirement is proven by which tests: a mark that names none is an error, a stale table misleads."""
    done = subprocess.run([sys.executable, "scripts/requirements_table.py", "--check"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
