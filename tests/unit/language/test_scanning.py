"""Where an embedded program ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.language import scanning

JQ_PROGRAMS = st.recursive(
    st.sampled_from(
        [
            ".a",
            '"(["',
            r'"\""',
            r'"\\"',
            "# ) is no bracket here\n",
            ". + 1",
            "é",
            '"}}"',
            '"it\'s"',
            "@base64",
        ]
    ),
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("[{}]".format, inner),
        st.builds("{{a: {}}}".format, inner),
        st.builds(r'"x\({})y"'.format, inner),
        st.builds("{} | {}".format, inner, inner),
    ),
    max_leaves=12,
)
"""Texts that are balanced as jq sees them, whatever else is wrong with them."""

JS_PROGRAMS = st.recursive(
    st.sampled_from(
        [
            "a",
            "')'",
            '"\\")"',
            "// )\n",
            "/* ) */",
            "x = /[)]\\//.test(y)",
            "a / b / c",
            "`)`",
            "return /\\)/",
        ]
    ),
    lambda inner: st.one_of(
        st.builds("f({})".format, inner),
        st.builds("[{}]".format, inner),
        st.builds("{{{}\n}}".format, inner),
        st.builds("`x${{{}}}y`".format, inner),
        st.builds("{};\n{}".format, inner, inner),
    ),
    max_leaves=12,
)


@given(JQ_PROGRAMS, st.text(alphabet=')("x]} \n', max_size=6))
def test_a_jq_program_ends_where_its_own_brackets_close(program: str, rest: str) -> None:
    text = f"jq({program}){rest}"

    assert scanning.find_end(text, 3, scanning.JQ, opener="jq(") == 3 + len(program)


@given(JS_PROGRAMS, st.text(alphabet=")(x]} \n", max_size=6))
def test_a_js_program_ends_where_its_own_brackets_close(program: str, rest: str) -> None:
    text = f"js({program}){rest}"

    assert scanning.find_end(text, 3, scanning.JS, opener="js(") == 3 + len(program)


@given(JQ_PROGRAMS)
def test_braces_end_a_program_only_outside_of_its_own(program: str) -> None:
    text = f"{{{{{program} }}}}"

    end = scanning.find_end(text, 2, scanning.JQ, opener="{{", closer="}}")

    assert end == 3 + len(program)


@given(st.text(alphabet="()[]{}\"'`\\/#$*\n xj", max_size=40), st.sampled_from(["jq", "js"]))
def test_any_text_has_an_end_or_a_fault_with_its_place(text: str, language: str) -> None:
    grammar = scanning.JQ if language == "jq" else scanning.JS
    whole = f"{language}({text}"
    try:
        found = whole[scanning.find_end(whole, 3, grammar, opener=f"{language}(")]
    except scanning.UnbalancedError as error:
        found = str(error)

    assert found == ")" or " at character " in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("jq(.a", "'jq(' at character 1 is never closed", id="no end"),
        pytest.param(
            "jq([.a)",
            "')' at character 7 closes nothing; '[' at character 4 is open",
            id="the wrong bracket",
        ),
        pytest.param('jq("a)', "'\"' at character 4 is never closed", id="an open string"),
        pytest.param(
            r'jq("\(1")', "'\"' at character 8 is never closed", id="a string in an interpolation"
        ),
        pytest.param(
            "jq(.a # b)",
            "'jq(' at character 1 is never closed; "
            "note that a '#' comment runs to the end of its line",
            id="a comment that takes the bracket along",
        ),
        pytest.param(
            "jq(.a # b \\\n)",
            "'jq(' at character 1 is never closed; "
            "note that a '#' comment runs to the end of its line",
            id="a comment that a backslash carries over the line's end",
        ),
    ],
)
def test_a_program_without_an_end_names_what_is_open(text: str, message: str) -> None:
    with pytest.raises(scanning.UnbalancedError) as caught:
        scanning.find_end(text, 3, scanning.JQ, opener="jq(")

    assert str(caught.value) == message


def test_nesting_costs_no_recursion() -> None:
    depth = 20_000

    assert scanning.find_end("jq(" + "[" * depth + "]" * depth + ")", 3, scanning.JQ, opener="jq(")


def test_many_bracket_like_regular_expressions_cost_linear_time() -> None:
    with pytest.raises(scanning.UnbalancedError):
        scanning.find_end("js(" + "/[" * 20_000, 3, scanning.JS, opener="js(")


@pytest.mark.parametrize("inside", ["(", "[]", '"', "jq(", "x", "`", "/a"])
@pytest.mark.parametrize("language", ["jq", "js"])
def test_a_program_that_is_too_long_is_refused_and_not_scanned(language: str, inside: str) -> None:
    grammar = scanning.JQ if language == "jq" else scanning.JS

    with pytest.raises(scanning.OversizedError) as caught:
        scanning.find_end("ab jq(" + inside * 1_000_000, 6, grammar, opener="jq(")

    expected = "the program that 'jq(' at character 4 begins is longer than 65536 characters"
    assert str(caught.value) == expected


def test_a_bare_program_has_the_same_longest_length() -> None:
    scanning.check_balance("x" * scanning.MAX_CHARACTERS)
    with pytest.raises(scanning.OversizedError, match="the program is longer than 65536"):
        scanning.check_balance("x" * (scanning.MAX_CHARACTERS + 1))
