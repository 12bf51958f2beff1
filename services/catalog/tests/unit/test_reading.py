"""Definitions as text: what is read, what is refused, and that nothing hostile costs time."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from steptrail_catalog.domain.json_text import read_json
from steptrail_catalog.domain.source import MAX_BYTES, Unreadable
from steptrail_catalog.domain.validation import read_text, to_yaml
from steptrail_catalog.domain.yaml_text import read_yaml
from steptrail_common.errors import InvalidInput

WRITTEN = st.characters().filter(lambda char: char.isprintable() or char in "\n\t")
"""What YAML can write: no control characters, no half characters."""
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(WRITTEN)
)
DOCUMENTS = st.dictionaries(
    st.text(WRITTEN, min_size=1),
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(WRITTEN), inner, max_size=3)
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS)
def test_written_yaml_reads_back_as_the_same_document(document: dict[str, Any]) -> None:
    """Types, order and odd texts such as `on`, `007`, `1e3`, `2026-01-01` included."""
    assert read_yaml(to_yaml(document)).document == document
    assert list(read_yaml(to_yaml(document)).document) == list(document)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("2026-01-01", "2026-01-01"),
        ("12:30", "12:30"),
        ("0047", "0047"),
        ("47", 47),
        ("0", 0),
        ("-1.5e3", -1500.0),
        ("0x1F", 31),
        ("~", None),
        ("", None),
        ("True", True),
        ('"47"', "47"),
        ("!!str 47", "47"),
        ("=cmd()", "=cmd()"),
        ("{{7*7}}", {"{7*7}": None}),
    ],
)
def test_plain_words_are_read_as_yaml_1_2(text: str, value: Any) -> None:
    """`on` is no truth value and a date is text; digits behind a zero keep their zero."""
    if text == "{{7*7}}":
        with pytest.raises(Unreadable):
            read_yaml(f"key: {text}")
        return
    assert read_yaml(f"key: {text}").document == {"key": value}


def test_every_value_knows_its_line() -> None:
    """Keys where they stand, entries of lists where they begin."""
    lines = read_yaml("a: 1\nb:\n  - x\n  - c: 2\n    d: {e: 3,\n      f: 4}\n").lines
    assert lines["a",] == 1
    assert lines["b", 1] == 4
    assert lines["b", 1, "d", "f"] == 6


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "aliases written out"),
        ("[" * 200_000, "nested deeper"),
        ("- " * 200_000, "nested deeper"),
        ("a: " + '{"b":' * 5000, "nested deeper"),
        ("a: !!python/object/apply:os.system [id]", "tags"),
        ("a: !include /etc/passwd", "tags"),
        ("a: 1\nb: 2\na: 3", "twice"),
        ("a: &x [*x]", "points at nothing"),
        ("1: 2", "a key must be text"),
        ("? [a]\n: 2", "a key must be text"),
        ("a: .nan", "not a number"),
        ("a: 1e999", "too large"),
        ("a: 1\n---\nb: 2", "one definition"),
        ("- 1", "is a mapping"),
        ("", "is a mapping"),
        ("a: {b: ${{ x }}}", "needs quotes"),
        ("a: b: c", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ('a: "\\ud800"', "not valid YAML"),
        ("%YAML 9.9\n---\na: 1", "not valid YAML"),
    ],
)
def test_hostile_yaml_is_refused_at_once(text: str, told: str) -> None:
    """Bombs, tags, duplicate keys, depth: one clear sentence within half a second."""
    began = time.perf_counter()
    with pytest.raises(Unreadable) as refused:
        read_yaml(text)
    assert told in refused.value.message
    assert time.perf_counter() - began < 0.5


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 200_000, "nested deeper"),
        ('{"a":' * 100_000, "nested deeper"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "not a JSON number"),
        ('{"a": -Infinity}', "not a JSON number"),
        ('{"a": 1e400}', "too large"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ("[1]", "JSON object"),
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_hostile_json_is_refused_at_once(text: str, told: str) -> None:
    """Depth, duplicate keys, numbers that JSON does not know."""
    began = time.perf_counter()
    with pytest.raises(Unreadable) as refused:
        read_json(text)
    assert told in refused.value.message
    assert time.perf_counter() - began < 0.5


def test_a_text_above_a_mebibyte_is_refused() -> None:
    """Before anything of it is read; a byte order mark is passed over."""
    with pytest.raises(InvalidInput, match="1024 KiB"):
        read_text("a: " + "x" * MAX_BYTES, "application/yaml")
    assert read_text("\ufeffa: 1", "application/yaml").document == {"a": 1}
    assert read_text('{"a": 1}', "application/json; charset=utf-8").document == {"a": 1}
