"""What the JavaScript engine says, in words for people, and without the data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.language import javascript


@pytest.mark.parametrize(
    ("message", "source", "shown"),
    [
        pytest.param(
            "SyntaxError: unexpected token in expression: ';'\n"
            "    at <input>:3:9\n    at Function (native)\n    at <eval> (<input>:1:37)\n",
            "let x = ;",
            "unexpected token in expression: ';' (column 9 of the program)",
            id="on one line",
        ),
        pytest.param(
            "SyntaxError: expecting ';'\n    at <input>:5:7\n    at Function (native)\n",
            "return 1;\n\n  foo bar",
            "expecting ';' (line 3, column 7 of the program)",
            id="on several lines",
        ),
        pytest.param(
            "SyntaxError: unexpected token in expression: '}'\n    at <input>:4:1\n",
            "return 1 +",
            "it ends too early",
            id="behind its end",
        ),
        pytest.param(
            "SyntaxError: unbalanced brackets\n", "}", "unbalanced brackets", id="no place"
        ),
    ],
)
def test_a_program_that_does_not_compile_has_a_reason_and_a_place(
    message: str, source: str, shown: str
) -> None:
    assert javascript.refusal(message, source) == f"JavaScript cannot compile this: {shown}"


@pytest.mark.parametrize(
    ("message", "source", "shown"),
    [
        pytest.param(
            "TypeError: cannot read property 'y' of undefined\n"
            "    at anonymous (<input>:4:10)\n    at <eval> (<input>:1:4)\n",
            "let a = 1;\n  return data.x.y",
            "TypeError: cannot read property 'y' of undefined (line 2, column 10 of the program)",
            id="a property of nothing",
        ),
        pytest.param(
            "TypeError: cannot read property 'hunter2' of undefined\n"
            "    at anonymous (<input>:3:9)\n",
            "return data.x[data.password]",
            "TypeError: cannot read property '…' of undefined (column 9 of the program)",
            id="a name that is data",
        ),
        pytest.param(
            "Error: no such user: hunter2\n    at anonymous (<input>:3:1)\n",
            'throw new Error("no such user: " + data.user)',
            "Error: no such user: … (column 1 of the program)",
            id="an error of the program's",
        ),
        pytest.param("hunter2\nundefined", "throw data.password", "…", id="data thrown"),
        pytest.param("too old\nundefined", "throw 'too old'", "too old", id="a text thrown"),
        pytest.param("null\n", "throw null", "null", id="nothing thrown"),
        pytest.param(
            "TypeError: circular reference\n"
            "    at stringify (native)\n    at <eval> (<input>:1:9)\n",
            "return data",
            "TypeError: circular reference",
            id="outside of the program",
        ),
        pytest.param(
            "TypeError: 'c' is read-only\n", "const c = 1; c = 2", "TypeError: 'c' is read-only",
            id="a constant",
        ),
    ],
)  # fmt: skip
def test_a_failure_keeps_what_the_engine_and_the_program_say(
    message: str, source: str, shown: str
) -> None:
    assert javascript.failure(message, source) == shown


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20))
def test_a_secret_that_is_thrown_is_not_shown(secret: str) -> None:
    word = f"Z{secret}Z"

    assert word not in javascript.failure(f"Error: {word} is not defined\n", "throw data.secret")
