"""Named binds in the SQL of every engine."""

import pytest
from steptrail_dbprobe.domain.binds import MSSQL, MYSQL, ORACLE, POSTGRESQL, Dialect, UnknownBind, positional
from steptrail_dbprobe.domain.statements import asks

pytestmark = pytest.mark.req("FR-012")


@pytest.mark.parametrize(
    ("dialect", "statement", "expected", "names"),
    [
        (POSTGRESQL, "select :a, :b, :a", "select $1, $2, $1", ["a", "b"]),
        (POSTGRESQL, "select ':a', E'it\\':a', $$:a$$, $x$:a$x$, x::a, :a", None, ["a"]),
        (MYSQL, "select :a, :b, :a", "select ?, ?, ?", ["a", "b", "a"]),
        (MYSQL, "select 'it\\':a', \"\\\":a\", `:a`, :a # :a\n", "select 'it\\':a', \"\\\":a\", `:a`, ? # :a\n", ["a"]),
        (MSSQL, "select [a:b], [x]]:a], ':a', :a -- :a", "select [a:b], [x]]:a], ':a', ? -- :a", ["a"]),
        (ORACLE, "select :order from dual where x = :order", "select :b1 from dual where x = :b1", ["order"]),
        (ORACLE, "select q'[it's :a]', nq'!it's :a!', :a", "select q'[it's :a]', nq'!it's :a!', :b1", ["a"]),
        (MYSQL, "select /* :a */ @x := :a", "select /* :a */ @x := ?", ["a"]),
    ],
)
def test_a_bind_becomes_the_drivers_placeholder(
    dialect: Dialect, statement: str, expected: str | None, names: list[str]
) -> None:
    """Outside of texts, comments and quoted names only."""
    text, found = positional(statement, frozenset({"a", "b", "order"}), dialect)
    assert found == names
    if expected is not None:
        assert text == expected


@pytest.mark.parametrize("dialect", [POSTGRESQL, MYSQL, MSSQL, ORACLE])
def test_a_bind_nobody_gave_is_named(dialect: Dialect) -> None:
    """Better than a syntax error of the server."""
    with pytest.raises(UnknownBind, match=":missing"):
        positional("select :missing", frozenset({"a"}), dialect)


@pytest.mark.parametrize(
    ("statement", "does"),
    [
        ("select 1", True),
        ("  -- why\n /* what */ ((SELECT 1))", True),
        ("with a as (select 1) select * from a", True),
        ("show tables", True),
        ("optimize table orders", False),
        ("/*! optimize table orders */", False),
        ("/*M! optimize table orders */", False),
        ("", False),
        ("-- nothing", False),
        ("selecting", False),
    ],
)
def test_what_does_not_begin_like_a_question_is_told_apart(statement: str, does: bool) -> None:
    """A belt over the account, whatever comments stand before it."""
    assert asks(statement) is does
