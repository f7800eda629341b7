"""What an error may say about the data: its shape, never its values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.language import reasons


@pytest.mark.parametrize(
    ("message", "source", "shown"),
    [
        pytest.param(
            'string ("hunter2") and number (1) cannot be added',
            ".password + 1",
            'string ("…") and number (1) cannot be added',
            id="what stands in the program is shown",
        ),
        pytest.param(
            'number (4711) and string ("a") cannot be added',
            ".pin + .x",
            'number (…) and string ("a") cannot be added',
            id="numbers are values",
        ),
        pytest.param("hunter2", ".password | error", "…", id="a value that was thrown"),
        pytest.param(
            "no age was given", 'error("no age was given")', "no age was given", id="a text thrown"
        ),
        pytest.param(
            'object ({"user":"joe","pw":"!§$%&"}) cannot be matched, as it is not a string',
            'test("x")',
            "object (…) cannot be matched, as it is not a string",
            id="objects",
        ),
        pytest.param(
            "Cannot iterate over null (null)", ".[]", "Cannot iterate over null (null)", id="null"
        ),
        pytest.param("", ".", "…", id="nothing said"),
    ],
)
def test_messages_keep_what_jq_and_the_program_say(message: str, source: str, shown: str) -> None:
    assert reasons.redact(message, source) == shown


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20))
def test_a_secret_in_a_message_is_not_shown(secret: str) -> None:
    word = f"Z{secret}Z"

    assert word not in reasons.redact(f'string ("{word}") is not valid base64 data', ".x|@base64d")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(
            {"var": {"x": 5}, "s": "secret"}, "{var: {x: number}, s: string}", id="nested"
        ),
        pytest.param([1, "a"], "[number, …]", id="a list"),
        pytest.param([], "[]", id="an empty list"),
        pytest.param({"a": {"b": {"c": {"d": 1}}}}, "{a: {b: {c: {…}}}}", id="deep"),
        pytest.param({}, "{}", id="an empty object"),
        pytest.param(None, "null", id="null"),
        pytest.param({"a": True, "b": 1.5}, "{a: boolean, b: number}", id="scalars"),
    ],
)
def test_the_shape_of_data_shows_names_and_types(value: Any, shown: str) -> None:
    assert reasons.shape(value) == shown


def test_the_shape_of_wide_data_is_short() -> None:
    assert len(reasons.shape({f"key-{i}" * 20: {"x": "y"} for i in range(1000)})) < 1000
