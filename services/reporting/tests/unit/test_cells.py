"""CSV cells."""

import pytest
from steptrail_reporting.domain.cells import LONGEST_CELL, cell


@pytest.mark.req("FR-023")
@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", '"\r=1', "a;=1+1", 'a\n"=1"', " =1", "＝1"]
)
def test_no_cell_starts_a_formula(text: str) -> None:
    """Neither in the cell nor behind what another program takes for a separator."""
    shown = str(cell(text))
    for part in shown.replace("\r", ";").replace("\n", ";").replace("\t", ";").split(";"):
        assert not part.lstrip(" \"'\t").startswith(("=", "+", "-", "@", "＝")) or "'" in part


def test_ordinary_text_and_numbers_stay() -> None:
    """Only what is dangerous is touched."""
    assert cell("Passed 1–4, stuck at 5") == "Passed 1–4, stuck at 5"
    assert cell("4711") == "4711"
    assert cell(-2.5) == -2.5
    assert cell(None) == ""


def test_an_overlong_cell_is_cut_visibly() -> None:
    """Spreadsheets refuse cells above 32,767 characters."""
    shown = str(cell("x" * 40_000))
    assert len(shown) == LONGEST_CELL
    assert shown.endswith("…")
