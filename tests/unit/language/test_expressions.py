"""From YAML values to templates, and from results to values."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.language import expressions
from varflow.language.codes import Code
from varflow.language.expressions import (
    Dialect,
    Fault,
    InvalidTemplateError,
    Language,
    Listing,
    Literal,
    Mapping,
    Program,
    Template,
    Text,
)


def jq(source: str) -> Program:
    return Program(Language.JQ, source)


WRAPPED = [
    pytest.param("jq(.x)", jq(".x"), id="a whole string is a program"),
    pytest.param("  jq( .x )\n", jq(".x"), id="white space around and inside does not matter"),
    pytest.param("js(return 1)", Program(Language.JS, "return 1"), id="js is another language"),
    pytest.param("jq(.x) ", jq(".x"), id="trimmed before it is looked at"),
    pytest.param("a jq(.x)", Text(("a ", jq(".x"))), id="a program in a text"),
    pytest.param("jq(.x)jq(.y)", Text((jq(".x"), jq(".y"))), id="two programs are a text"),
    pytest.param("v_jq(.n)", Text(("v_", jq(".n"))), id="no word boundary is asked for"),
    pytest.param("$((jq(.e)))", Text(("$((", jq(".e"), "))")), id="brackets around it are text"),
    pytest.param('jq("jq(")', jq('"jq("'), id="how to write jq( itself"),
    pytest.param("JQ(.x)", Literal("JQ(.x)"), id="upper case is text"),
    pytest.param("jq (.x)", Literal("jq (.x)"), id="a space is text"),
    pytest.param(" hello\nworld\n", Literal("hello\nworld"), id="literal strings are trimmed"),
    pytest.param("", Literal(""), id="an empty string"),
    pytest.param(None, Literal(None), id="null"),
    pytest.param(5, Literal(5), id="a number"),
    pytest.param(
        {"a": ["jq(.x)", {"b": "c"}], "jq(k)": 1},
        Mapping(
            (
                ("a", Listing((jq(".x"), Mapping((("b", Literal("c")),))))),
                ("jq(k)", Literal(1)),
            )
        ),
        id="strings are looked at however deep they are, keys never",
    ),
]
BARE = [
    pytest.param(".x += 1", jq(".x += 1"), id="a string is a program"),
    pytest.param("", jq("."), id="an empty program is the identity"),
    pytest.param(5, Literal(5), id="other values are literal"),
    pytest.param(
        {"a": ".x", "b": "{{ .x }}", "c": "n {{.x}}!"},
        Mapping((("a", Literal(".x")), ("b", jq(".x")), ("c", Text(("n ", jq(".x"), "!"))))),
        id="in an object strings are literal but for what is in double braces",
    ),
    pytest.param(["{{ {a: {b: 1}} }}"], Listing((jq("{a: {b: 1}}"),)), id="braces in braces"),
]


@pytest.mark.parametrize(("value", "template"), WRAPPED)
def test_wrapped(value: Any, template: Template) -> None:
    assert expressions.parse(value, Dialect.WRAPPED) == template


@pytest.mark.parametrize(("value", "template"), BARE)
def test_bare(value: Any, template: Template) -> None:
    assert expressions.parse(value, Dialect.BARE) == template


def test_all_faults_of_a_value_are_found_with_their_places() -> None:
    with pytest.raises(InvalidTemplateError) as caught:
        expressions.parse({"a": ["jq(", 1, {"b": "x js(("}]}, Dialect.WRAPPED)

    assert caught.value.faults == (
        Fault(("a", 0), "'jq(' at character 1 is never closed", code=Code.INVALID_EXPRESSION),
        Fault(("a", 2, "b"), "'(' at character 6 is never closed", code=Code.INVALID_EXPRESSION),
    )


@pytest.mark.parametrize("text", [".x)", "(.x", '"x', "{{"], ids=repr)
def test_a_bare_program_must_be_balanced(text: str) -> None:
    with pytest.raises(InvalidTemplateError):
        expressions.parse(text, Dialect.BARE)


def test_programs_are_found_in_the_order_in_which_results_are_filled_in() -> None:
    template = expressions.parse(
        {"a": "jq(1)", "b": ["n: jq(2), jq(3)", 0], "c": {"d": "jq(4)"}}, Dialect.WRAPPED
    )

    found = list(expressions.walk(template))
    value = expressions.fill(template, iter([{"x": 1}, [1, "b"], "three", None]))

    assert [(path, program.source) for path, program in found] == [
        (("a",), "1"),
        (("b", 0), "2"),
        (("b", 0), "3"),
        (("c", "d"), "4"),
    ]
    assert value == {"a": {"x": 1}, "b": ['n: [1,"b"], three', 0], "c": {"d": None}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="ab c", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet="ab", max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_a_value_without_programs_stays_what_it_is_but_for_outer_white_space(value: Any) -> None:
    template = expressions.parse(value, Dialect.WRAPPED)

    assert expressions.fill(template, iter(())) == _trimmed(value)
    assert not list(expressions.walk(template))
    assert pickle.loads(pickle.dumps(template)) == template
    assert hash(template) == hash(expressions.parse(value, Dialect.WRAPPED))


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    if isinstance(value, dict):
        return {key: _trimmed(item) for key, item in value.items()}
    return value


def test_a_string_holds_a_bounded_number_of_programs() -> None:
    most = "jq(.) " * expressions.MAX_PROGRAMS

    assert len(list(expressions.walk(expressions.parse(most, Dialect.WRAPPED)))) == 1000
    with pytest.raises(expressions.InvalidTemplateError, match="more than 1000 programs"):
        expressions.parse(most + "jq(.)", Dialect.WRAPPED)
