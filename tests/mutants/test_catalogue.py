"""Every entry of the catalogue really switches a safety off, and the documentation names it."""

import ast
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.safety for mutant in MUTANTS])
def test_a_mutant_changes_one_place_of_the_sources(mutant: Mutant) -> None:
    """What it replaces stands there exactly once, the change is one, and what comes out can be compiled."""
    source = (ROOT / mutant.file).read_text()
    assert source.count(mutant.old) == 1
    changed = source.replace(mutant.old, mutant.new)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.safety for mutant in MUTANTS])
def test_a_mutant_names_tests_that_exist(mutant: Mutant) -> None:
    """A test that was renamed would be noticed here and not only when the mutants are run."""
    for named in mutant.tests:
        file, _, path = named.partition("::")
        text = (ROOT / file).read_text()
        for part in filter(None, path.split("::")):
            name = part.partition("[")[0]
            inherited = (ROOT / "libs/common/src/steptrail_common/testing/bus_contract.py").read_text()
            assert f"def {name}(" in text + inherited or f"class {name}(" in text, named


def test_a_safety_is_switched_off_once() -> None:
    """Two entries that say the same would make the table longer than the proof."""
    assert len({mutant.safety for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
