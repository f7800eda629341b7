"""Between a variable's bytes and typed values: `as=`, the getter's rule, the setter's. PURE.

A variable is bytes with a content type. Three places look inside:

* `check`, for `GET /var?as=…`: is the value what the reader needs? Structural, as JSON sees it: a
  boolean is no number, and a number is an `int` when it has no fraction, however it is spelled
  (`3.0` is answered as `3`; windmill-hummingbird.md §5, PE-08 to PE-11). `string` is a JSON
  string, or text: bytes with a `text/…` type, or that are no JSON at all. So `{"a":1}` is no
  string, but what a shell script echoed is;
* `json_or_base64`, for getters and for an action's answer: JSON is that value, all else base64,
  and no bytes at all null (design.md §5);
* `encode_setter`, for setters, by the MIME type (direktiv-contract.md §2.5). Only null deletes:
  Direktiv also deleted for `0`, `""`, `[]` and `{}`, so that a counter set to 0 vanished.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

import orjson

from varflow.errors import InvalidConversion, InvalidInput

OCTET_STREAM: Final = "application/octet-stream"
"""Type of a variable that nobody gave one."""
JSON: Final = "application/json"
"""Type that a setter gives when it names none."""


class Type(StrEnum):
    """What `as=` may ask for."""

    JSON = "json"
    STRING = "string"
    INT = "int"
    NUMBER = "number"
    BOOL = "bool"
    BYTES = "bytes"
    ARRAY = "array"
    OBJECT = "object"


_CONTENT_TYPE_LENGTH: Final = 255
_INTEGER: Final = re.compile(rb"\s*-?[0-9]+\s*")
_EXACT: Final = 2**53
"""Beyond it a JSON number with a fraction or exponent does not say which integer it is."""


def parse_type(text: str) -> Type:
    """Return the type named `text`.

    Raises:
        InvalidInput: there is no such type.
    """
    try:
        return Type(text)
    except ValueError:
        raise InvalidInput(f"unknown type {text!r}; 'as' is one of {', '.join(Type)}") from None


def check(data: bytes, as_: str, *, content_type: str = "") -> bytes:
    """Return `data` if it is of the type `as_`; only an `int` spelled with a fraction changes.

    Raises:
        InvalidInput: there is no such type.
        InvalidConversion: the value is not of that type; never shows the value.
    """
    return _CHECKS[parse_type(as_)](data, content_type)


def json_or_base64(data: bytes) -> Any:
    """Return what a getter gives for a variable's bytes: JSON's value, base64 text, or None."""
    if not data:
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return base64.b64encode(data).decode("ascii")


def encode_setter(value: Any, mime_type: str = JSON) -> bytes | None:
    """Return the bytes that a setter stores for a JSON value, or None to delete the variable.

    Raises:
        InvalidInput: base64 that is none, or a value that JSON cannot hold.
    """
    if value is None:
        return None
    kind = media_type(mime_type)
    if isinstance(value, str) and kind == OCTET_STREAM:
        return _decode_base64(value)
    if isinstance(value, str) and kind == "text/plain":
        return _encode_text(value)
    return _encode_json(value)


def check_content_type(content_type: str | None) -> str | None:
    """Return a content type that a header can hold; None stays None.

    Raises:
        InvalidInput: it cannot.
    """
    if content_type is None:
        return None
    if not (content_type.isascii() and content_type.isprintable()):
        raise InvalidInput(f"content type {content_type[:64]!a} is no printable ASCII text")
    if not 0 < len(content_type) <= _CONTENT_TYPE_LENGTH:
        raise InvalidInput(f"a content type has 1 to {_CONTENT_TYPE_LENGTH} characters")
    return content_type


def media_type(content_type: str) -> str:
    """Return a content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _parse(data: bytes, wanted: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _fault(wanted, "no JSON") from None


def _fault(wanted: str, found: str) -> InvalidConversion:
    return InvalidConversion(f"the value is {found}, not {wanted}")


def _check_bytes(data: bytes, _content_type: str) -> bytes:
    return data


def _check_json(data: bytes, _content_type: str) -> bytes:
    _parse(data, "JSON")
    return data


def _check_string(data: bytes, content_type: str) -> bytes:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise _fault("a string", "no UTF-8 text") from None
    if media_type(content_type).startswith("text/"):
        return data
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return data
    if not isinstance(value, str):
        raise _fault("a string", _name(value))
    return data


def _check_int(data: bytes, _content_type: str) -> bytes:
    value = _parse(data, "an int")
    if _INTEGER.fullmatch(data):
        return data
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return b"%d" % int(value)
    raise _fault("an int", _name(value))


def _checker(wanted: str, *types: type) -> Callable[[bytes, str], bytes]:
    def check_type(data: bytes, _content_type: str) -> bytes:
        value = _parse(data, wanted)
        if type(value) not in types:
            raise _fault(wanted, _name(value))
        return data

    return check_type


_CHECKS: Final[Mapping[Type, Callable[[bytes, str], bytes]]] = {
    Type.BYTES: _check_bytes,
    Type.JSON: _check_json,
    Type.STRING: _check_string,
    Type.INT: _check_int,
    Type.NUMBER: _checker("a number", int, float),
    Type.BOOL: _checker("a bool", bool),
    Type.ARRAY: _checker("an array", list),
    Type.OBJECT: _checker("an object", dict),
}

_NAMES: Final[Mapping[type, str]] = {
    str: "a string",
    bool: "a bool",
    int: "a number",
    float: "a number with a fraction",
    list: "an array",
    dict: "an object",
}


def _name(value: Any) -> str:
    return _NAMES.get(type(value), "null")


def _decode_base64(text: str) -> bytes:
    """Decode as Go does, whose decoder passes over line breaks."""
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"a value of type {OCTET_STREAM} is not base64: {error}") from error


def _encode_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the text cannot be UTF-8: {error.reason}") from error


def _encode_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # orjson takes no integer beyond 64 bits, which YAML and JavaScript's BigInt can bring.
        return _encode_any_json(value)


def _encode_any_json(value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the value cannot be JSON: {error}") from error
