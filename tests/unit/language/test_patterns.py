"""Patterns of error codes, and which of them leave nothing to others."""

from __future__ import annotations

import pytest

from varflow.language import patterns


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        pytest.param("*", "shop.*", True, id="all, and some"),
        pytest.param(".*", "*", True, id="all in other words"),
        pytest.param("shop.*", "shop.empty", True, id="some, and one of them"),
        pytest.param("shop.*", "shop.*", True, id="the same"),
        pytest.param("shop.*", "shop.?", True, id="any text, and one character"),
        pytest.param("shop.?", "shop.*", False, id="one character, and any text"),
        pytest.param("shop.????", "shop.*", False, id="some characters, and any text"),
        pytest.param("shop.*", "*", False, id="some, and all"),
        pytest.param("shop.empty", "shop.full", False, id="others"),
        pytest.param("[ab]", "a", False, id="a bracket is a bracket"),
    ],
)
def test_a_pattern_covers_another(wide: str, narrow: str, *, covers: bool) -> None:
    assert patterns.covers(wide, narrow) is covers
