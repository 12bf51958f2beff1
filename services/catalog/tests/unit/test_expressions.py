"""What is known of expressions without running them."""

import time

import pytest
from steptrail_catalog.domain.expressions import Expression, Malformed, Reference, fill, parse, split


@pytest.mark.parametrize(
    ("source", "references"),
    [
        ("inputs.order_id", ["inputs.order_id"]),
        ('steps["order_api"].placed_at', ["steps.order_api.placed_at"]),
        ("steps.a.b.c[0].d", ["steps.a.b.c"]),
        ("has(steps.a.b) && inputs.x == 'inputs.y'", ["steps.a.b", "inputs.x"]),
        ("inputs.x.startsWith(vars.prefix)", ["inputs.x", "vars.prefix"]),
        ("steps.a.list.exists(item, item.id == inputs.x)", ["steps.a.list", "inputs.x"]),
        ("size(steps.a.list) > 1 ? 'a' : string(run.id)", ["steps.a.list", "run.id"]),
        ("timestamp(steps.a.at) + duration('1h')", ["steps.a.at"]),
        ('{"inputs": 1}.inputs', []),
        ("true", []),
        ("other", ["other"]),
    ],
)
def test_references_are_found(source: str, references: list[str]) -> None:
    """Not inside quotes, not names bound by a macro, not functions."""
    assert [str(found) for found in parse(source).references] == references


def test_a_text_is_split_at_its_expressions() -> None:
    """Quotes and braces inside an expression may hold `}}`; other templates are plain text."""
    parts = split("a ${{ inputs.x }} b ${{ '}}' + {'k': {'l': 'm'}}.k.l }}{{7*7}} {% x %} #{y} ${jndi:z}")
    assert [part.source if isinstance(part, Expression) else part for part in parts] == [
        "a ",
        "inputs.x",
        " b ",
        "'}}' + {'k': {'l': 'm'}}.k.l",
        "{{7*7}} {% x %} #{y} ${jndi:z}",
    ]


def test_a_plain_reference_is_told_from_an_expression() -> None:
    """Only the first can be filled in without running anything."""
    assert parse("inputs.x").plain_reference == Reference("inputs", ("x",))
    assert parse("inputs.x + 'a'").plain_reference is None
    assert parse('inputs["x"]').plain_reference is None
    known = {"inputs": {"x": "a b", "n": 5, "flag": True}}
    text = "${{ inputs.x }}/${{ inputs.n }}/${{ inputs.flag }}/${{inputs.y}}/${{ inputs.x + 'c' }}"
    filled = fill(text, known, lambda value, _at: value.replace(" ", "%20"))
    assert filled == "a%20b/5/${{ inputs.flag }}/${{ inputs.y }}/${{ inputs.x + 'c' }}"


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${{ inputs.x", "closing }}"),
        ("${{ '", "closing }}"),
        ("${{ }}", "empty"),
        ("${{ 1 + }}", "cannot be read"),
        ("${{ ''.__class__.__mro__[1].__subclasses__( }}", "cannot be read"),
        ("${{ " + "(" * 2000 + "1" + ")" * 1000 + " }}", "cannot be read"),
        ("${{ " + "a" * 5000 + " }}", "longer than 4000"),
        ("${{ a.map(b, c.map(d, e.map(f, g.map(h, 1)))) }}", "at most 3 of map"),
    ],
)
def test_what_cannot_be_read_is_told_at_once(text: str, told: str) -> None:
    """Unclosed, empty, wrong, too long, too deep."""
    began = time.perf_counter()
    with pytest.raises(Malformed, match=told):
        split(text)
    assert time.perf_counter() - began < 0.5
