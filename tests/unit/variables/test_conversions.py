"""Typed reads, the getter's rule, the setter's; the PE-… cases are the shared persist suite's."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.errors import InvalidConversion, InvalidInput
from varflow.variables import conversions

FITS = [
    ("json", b'{"a": 1}', b'{"a": 1}'),
    ("json", b" null ", b" null "),
    ("string", b'"hello"', b'"hello"'),
    ("string", b"hello", b"hello"),
    ("string", b"", b""),
    ("int", b"5", b"5"),
    ("int", b" -7\n", b" -7\n"),
    ("int", b"3.0", b"3"),
    ("int", b"1e3", b"1000"),
    ("int", b"123456789012345678901234567890", b"123456789012345678901234567890"),
    ("number", b"5", b"5"),
    ("number", b"5.0", b"5.0"),
    ("number", b"-2.5e-3", b"-2.5e-3"),
    ("bool", b"true", b"true"),
    ("bytes", b"\xff\x00", b"\xff\x00"),
    ("bytes", b"", b""),
    ("array", b"[]", b"[]"),
    ("object", b'{"buffer":"Persist"}', b'{"buffer":"Persist"}'),
]
FITS_NOT = [
    ("json", b"hello"),
    ("json", b""),
    ("json", b"NaN"),
    ("string", b'{"buffer":"hello"}'),
    ("string", b"5"),
    ("string", b"null"),
    ("string", b"\xff"),
    ("int", b"3.5"),
    ("int", b"true"),
    ("int", b'"3"'),
    ("int", b"05"),
    ("int", b"1e300"),
    ("int", b""),
    ("number", b"true"),
    ("number", b'"5"'),
    ("number", b"null"),
    ("bool", b"1"),
    ("bool", b'"true"'),
    ("array", b"{}"),
    ("object", b"[]"),
    ("object", b"null"),
]


@pytest.mark.parametrize(("as_", "data", "answer"), FITS, ids=str)
def test_a_value_of_the_type_is_answered(as_: str, data: bytes, answer: bytes) -> None:
    """PE-08, PE-11."""
    assert conversions.check(data, as_) == answer


@pytest.mark.parametrize(("as_", "data"), FITS_NOT, ids=str)
def test_a_value_of_another_type_is_an_invalid_conversion(as_: str, data: bytes) -> None:
    """PE-09, PE-11."""
    with pytest.raises(InvalidConversion, match="the value is"):
        conversions.check(data, as_)


def test_what_is_typed_as_text_is_a_string_whatever_it_looks_like() -> None:
    assert conversions.check(b"5", "string", content_type="Text/Plain; charset=utf-8") == b"5"


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"'float'.*number"):
        conversions.check(b"5", "float")


@given(data=st.binary(max_size=40), as_=st.sampled_from(conversions.Type))
def test_any_bytes_are_answered_or_refused(data: bytes, as_: str) -> None:
    try:
        answer = conversions.check(data, as_)
    except InvalidConversion:
        return

    assert answer == data or as_ == "int"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"", None),
        (b"null", None),
        (b"0", 0),
        (b'""', ""),
        (b"[]", []),
        (b"Hello", "SGVsbG8="),
        (b"true", True),
        (b'{"a": 1}\n', {"a": 1}),
        (b"\xff", "/w=="),
    ],
    ids=repr,
)
def test_a_getter_gives_json_else_base64_and_null_for_nothing(data: bytes, value: Any) -> None:
    assert conversions.json_or_base64(data) == value


OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("value", "mime_type", "data"),
    [
        (None, "application/json", None),
        (None, "text/plain", None),
        (None, OCTETS, None),
        (0, "application/json", b"0"),
        ("", "application/json", b'""'),
        ([], "application/json", b"[]"),
        ({}, "application/json", b"{}"),
        ("", "text/plain", b""),
        ("", OCTETS, b""),
        ({"a": [1, "<é>"]}, "application/json", '{"a":[1,"<é>"]}'.encode()),
        ("hello", "application/json", b'"hello"'),
        ("hello", "", b'"hello"'),
        ("hello", "image/png", b'"hello"'),
        ("hello", "text/plain", b"hello"),
        ("hello", "text/plain; charset=utf-8", b"hello"),
        (5, "text/plain", b"5"),
        ({"a": 1}, "text/plain", b'{"a":1}'),
        ("aGVsbG8=", OCTETS, b"hello"),
        ("aGVs\r\nbG8=\n", OCTETS, b"hello"),
        ({"a": 1}, OCTETS, b'{"a":1}'),
        (2**70, "application/json", str(2**70).encode()),
    ],
    ids=repr,
)
def test_a_setter_stores_by_its_mime_type(value: Any, mime_type: str, data: bytes | None) -> None:
    assert conversions.encode_setter(value, mime_type) == data


@pytest.mark.parametrize(
    ("value", "mime_type"),
    [("not base64", OCTETS), ("abc", OCTETS), ("é", OCTETS), ("\ud800", "text/plain")],
    ids=ascii,
)
def test_a_value_that_cannot_be_stored_is_refused(value: str, mime_type: str) -> None:
    with pytest.raises(InvalidInput):
        conversions.encode_setter(value, mime_type)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


@given(value=JSON.filter(lambda value: value is not None))
def test_what_a_setter_stores_as_json_a_getter_gives_back(value: Any) -> None:
    data = conversions.encode_setter(value)

    assert data is not None
    assert conversions.json_or_base64(data) == value
    assert json.loads(data) == value


@given(data=st.binary(min_size=1))
def test_bytes_go_through_a_setter_as_base64(data: bytes) -> None:
    assert conversions.encode_setter(base64.b64encode(data).decode(), OCTETS) == data
