"""YAML as values that know their lines."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from varflow.language import documents
from varflow.language.complaints import InvalidYamlError


def value_of(text: str) -> Any:
    (document,) = documents.parse(text)
    return document.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("true", True, id="true"),
        pytest.param("False", False, id="False"),
        pytest.param("on", "on", id="on is a string"),
        pytest.param("yes", "yes", id="yes is a string"),
        pytest.param("~", None, id="tilde is null"),
        pytest.param("", None, id="nothing is null"),
        pytest.param("12", 12, id="an integer"),
        pytest.param("-0", 0, id="minus zero"),
        pytest.param("18446744073709551615", 2**64 - 1, id="the largest integer"),
        pytest.param("0755", "0755", id="leading zeros make a string"),
        pytest.param("0o17", "0o17", id="octal is a string"),
        pytest.param("0x1f", "0x1f", id="hexadecimal is a string"),
        pytest.param("1_000", "1_000", id="underscores make a string"),
        pytest.param("1:30", "1:30", id="sexagesimal is a string"),
        pytest.param("2021-01-01", "2021-01-01", id="a date is a string"),
        pytest.param("1.50", 1.5, id="a fraction"),
        pytest.param("1e3", 1000.0, id="an exponent"),
        pytest.param(".inf", ".inf", id="infinity is a string"),
        pytest.param(".nan", ".nan", id="not a number is a string"),
        pytest.param("=", "=", id="an equals sign is a string"),
        pytest.param("'5'", "5", id="quotes make a string"),
        pytest.param("!!str 5", "5", id="a tag makes a string"),
        pytest.param("!!int '5'", 5, id="a tag makes a number"),
        pytest.param("!!float 5", 5.0, id="a tag makes a fraction"),
        pytest.param("|\n  a\n  b\n", "a\nb\n", id="a block is a string"),
    ],
)
def test_scalars_are_those_of_json(text: str, value: Any) -> None:
    found = value_of(f"x: {text}")["x"]

    assert found == value
    assert type(found) is type(value)


def test_keys_are_strings_whatever_they_look_like() -> None:
    assert value_of("1: a\ntrue: b\n'x y': c") == {"1": "a", "true": "b", "x y": "c"}


def test_positions_are_those_of_keys_and_items() -> None:
    text = "a: 1\nb:\n- x\n-   c: 2\n    d: {e: 3}\n"
    (document,) = documents.parse(text)

    assert document.find_position(()) == (1, 1)
    assert document.find_position(("b",)) == (2, 1)
    assert document.find_position(("b", 0)) == (3, 3)
    assert document.find_position(("b", 1, "d", "e")) == (5, 9)
    assert document.find_position(("b", 1, "nowhere", "x")) == (4, 5)


def test_several_documents_and_empty_ones() -> None:
    found = documents.parse("# only words\n---\n---\na: 1\n---\nb: 2\n...\n")

    assert [document.value for document in found] == [{"a": 1}, {"b": 2}]
    assert [document.root.line for document in found] == [4, 6]


def test_a_byte_order_mark_is_no_text() -> None:
    assert documents.parse("a: 1".encode("utf-8-sig"))[0].value == {"a": 1}


def test_merged_keys_stand_back_behind_the_mappings_own() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 0\n"
    (document,) = documents.parse(text)

    assert document.value["c"] == {"x": 0, "y": 1, "z": 2}
    assert document.find_position(("c", "y")) == (1, 14)


def test_a_quoted_merge_key_is_a_key() -> None:
    assert value_of("'<<': 1") == {"<<": 1}


BROKEN = [
    pytest.param("a: 1\nb: 2\na: 3", "3:1 the key 'a' is here and in line 1", id="a key twice"),
    pytest.param("{a: 1, a: 2}", "1:8 the key 'a' is here and in line 1", id="in one line"),
    pytest.param("a:\n\tb: 1", "2:1 a tab; YAML is indented with spaces", id="a tab"),
    pytest.param(
        "a: jq({b: .c})",
        "1:9 ': ' is not allowed here; indent it differently, or put the text in quotes",
        id="a colon in plain text",
    ),
    pytest.param(
        "a: @b",
        "1:4 a plain text cannot begin with this character; put the text in quotes",
        id="a character that plain text cannot begin with",
    ),
    pytest.param(
        "a: [1, 2",
        "2:1 the list that '[' begins in line 1 needs ',' or ']' here",
        id="an open list",
    ),
    pytest.param("a: *b", "1:4 the alias *b has no anchor &b before it", id="no anchor"),
    pytest.param("a: &b [*b]", "1:8 the alias *b stands inside what it names", id="a circle"),
    pytest.param("<<: 1", "1:5 << takes a mapping, or a list of mappings", id="merging a number"),
    pytest.param(
        "? [a]\n: b",
        "1:3 a key must be a word; a text that begins like this needs quotes",
        id="a list as key",
    ),
    pytest.param("a: !!binary aGk=", "1:4 the tag !!binary is not supported here", id="binary"),
    pytest.param("a: !!int x", "1:4 the tag !!int is not supported here", id="a tag that lies"),
    pytest.param("a: !mine {}", "1:4 the tag !mine is not supported here", id="an own tag"),
    pytest.param(
        "a: 18446744073709551616",
        "1:4 a number of more than 64 bits; in quotes it is a string",
        id="too large an integer",
    ),
    pytest.param(
        "a: 1e999",
        "1:4 the number 1e999 is too large; in quotes it is a string",
        id="too large a fraction",
    ),
    pytest.param("a: \x00", "1:4 control characters are not allowed (character 0)", id="NUL"),
    pytest.param(b"a: 1\nb: \xff", "2:4 the file is not UTF-8 text", id="not UTF-8"),
    pytest.param("a: b".encode("utf-16"), "1:1 the file is not UTF-8 text", id="UTF-16"),
]


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_broken_text_names_its_place(data: str | bytes, message: str) -> None:
    with pytest.raises(InvalidYamlError) as caught:
        documents.parse(data)

    assert f"{caught.value.line}:{caught.value.column} {caught.value}" == message


def _laughs() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(_laughs(), "holds more than 50000 values", id="aliases that multiply"),
        pytest.param(
            "a: &a " + "x" * 6400 + "\nb: [" + "*a, " * 600 + "]",
            "holds more than 50000 values",
            id="aliases that repeat a long text",
        ),
        pytest.param(
            "a: &a {" + "x" * 900 + ": 1}\nb: [" + "*a, " * 4000 + "]",
            "holds more than 50000 values",
            id="aliases that repeat a long key",
        ),
        pytest.param("--- a\n" * 60_000, "holds more than 50000 values", id="many documents"),
        pytest.param("- a\n" * 60_000, "holds more than 50000 values", id="a long list"),
        pytest.param("[" * 100_000, "nested deeper than 64 levels", id="open lists"),
        pytest.param("- " * 1000, "nested deeper than 64 levels", id="lists in one line"),
        pytest.param("{a: " * 1000, "nested deeper than 64 levels", id="mappings"),
        pytest.param("x" * 3_000_000, "larger than 2 MiB", id="a long text"),
        pytest.param(b"x" * 3_000_000, "larger than 2 MiB", id="a long file"),
    ],
)
def test_bombs_are_refused(data: str | bytes, message: str) -> None:
    with pytest.raises(InvalidYamlError, match=message):
        documents.parse(data)


# Without digits: PyYAML writes the string 1e3 without quotes, since it is none of its numbers.
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Nd")), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


@given(JSON, st.booleans())
def test_what_is_dumped_is_read_back(value: Any, is_flow: bool) -> None:
    text = yaml.safe_dump({"x": value}, default_flow_style=is_flow)

    assert value_of(text) == {"x": value}


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n\t\\~", max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    place = (1, 1)
    try:
        documents.parse(text)
    except InvalidYamlError as error:
        place = (error.line, error.column)

    assert min(place) >= 1
